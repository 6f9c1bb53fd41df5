#!/usr/bin/python3
"""A controller runs so many jobs at once and no more. A rebuild or a scrub that it has no room for is
not given up: it waits, and runs when another job has ended. A rebuild that was wanted of a volume that
was deleted while it waited is forgotten with it."""
import json
import os
import socket

from rebuilding import SAID, verb
from testarray import (ANYPORT, DISK, Array, check, command, folders, libnbd, note, run, same,
                       wait_until)

JOBS = 64     # JOBS_MAX of shm/limits.h
REBUILDS = 8  # REBUILDS_MAX
KIB = 1 << 10
SIZE = 512 * KIB
SLOW = {'rate': '128KiB'}  # so each job takes four seconds


def lab(places, count):
    """So many mirrors over two elements, and two elements with a volume each beside them; all at
    one controller."""
    elements = [{'name': f'disk{i}', 'controller': 0, 'superblock': True,
                 'size': str(count * SIZE if i < 2 else SIZE),
                 'image': os.path.join(places[DISK], f'busy{i}.img')} for i in range(4)]
    volumes = [{'name': f'm{i}x{j}', 'element': f'disk{i}', 'offset': str(j * SIZE),
                'size': str(SIZE)} for i in range(2) for j in range(count)]
    volumes += [{'name': f'n{i}', 'element': f'disk{i + 2}'} for i in range(2)]
    mirrors = [{'name': f'v{j}', 'layout': 'mirror', 'members': [f'm0x{j}', f'm1x{j}']}
               for j in range(count)]
    return Array(places, controllers=1, elements=elements, volumes=volumes + mirrors, rebuild=SLOW,
                 expected=SAID)


def volume(array, name):
    return next(one for one in array.state()['volumes'] if one['name'] == name)


def jobs(array):
    return [one['job'] for one in array.state()['volumes'] if 'job' in one]


def states(array):
    return [one['state'] for one in jobs(array)]


def make_fresh(array):
    command(ANYPORT, 'volume', 'create', 'fresh', '--layout', 'mirror', '--members', 'n0,n1',
            array.run_dir)


def scrub_at_once(array, volumes):
    """By one connection, so that all begin before one of them ends."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(os.path.join(array.run_dir, 'admin.sock'))
        lines = admin.makefile('rw')
        for number, name in enumerate(volumes):
            print(json.dumps({'jsonrpc': '2.0', 'id': number, 'method': 'scrub.start',
                              'params': {'name': name}}), file=lines, flush=True)
            answer = json.loads(lines.readline())
            check('result' in answer, answer)


def waits_for_room(places):
    with lab(places, JOBS) as array:
        make_fresh(array)
        verb(array, 'fail', 'disk2')
        scrub_at_once(array, [f'v{j}' for j in range(JOBS)])  # more than a control channel takes
        wait_until(lambda: states(array) == ['running'] * JOBS, 'all jobs have begun')
        verb(array, 'replace', 'disk2')
        same(states(array), ['running'] * JOBS + ['waiting'], 'as many as one controller runs')
        wait_until(lambda: volume(array, 'fresh')['state'] == 'online', 'it is rebuilt at last')
        wait_until(lambda: set(states(array)) == {'done'}, 'all jobs are done')
    note('a rebuild that a controller has no room for waits')


def scrubs_wait_for_room(places):
    """More than one controller runs: those that wait run when others have ended."""
    with lab(places, JOBS + 6) as array:
        scrub_at_once(array, [f'v{j}' for j in range(JOBS + 6)])
        wait_until(lambda: sorted(states(array)) == ['running'] * JOBS + ['waiting'] * 6,
                   'as many as one controller runs')
        wait_until(lambda: states(array) == ['done'] * (JOBS + 6), 'all jobs are done')
    note('scrubs that a controller has no room for wait')


def is_forgotten(places):
    """The new volume has the number of the one that was deleted."""
    with lab(places, REBUILDS + 1) as array:
        verb(array, 'fail', 'disk0')
        verb(array, 'replace', 'disk0')
        same(states(array), ['running'] * REBUILDS, 'as many as are rebuilt at once')
        command(ANYPORT, 'volume', 'delete', f'v{REBUILDS}', array.run_dir)
        make_fresh(array)
        verb(array, 'fail', 'disk2')
        wait_until(lambda: 'running' not in states(array), 'the others are rebuilt')
        same(states(array), ['done'] * REBUILDS, 'nobody asked for another one')
        same(volume(array, 'fresh')['state'], 'degraded', 'the new volume')
    note('what was wanted of a volume goes with it')


def main():
    libnbd()
    for part in (waits_for_room, scrubs_wait_for_room, is_forgotten):
        with folders() as places:
            part(places)


run(main)
