#!/usr/bin/python3
"""While a job works on a volume, what would take the ground from under it is refused, with a reason
and without changing anything: deleting the volume, beginning another job on it, deleting its
members, and failing what it is made from. What does not concern it is done, and when the job is
over, so is the rest."""
import os

from rebuilding import SAID, fields, job, load, replace, safe, verb, work_until_over
from testarray import (ANYPORT, DISK, MIB, Array, check, command, folders, libnbd, note, run, same,
                       wait_until)

SIZE = 6 * MIB
SLOW = {'rate': '1MiB'}
JOB_WORKS = 'volume safe: a job is working on it; allowed: when that is over\n'


def anyport(array, *words, fails=False):
    return command(ANYPORT, *words, array.run_dir, fails=fails)


def known(array):
    """All that a change could change: the configuration, volumes, elements and their states."""
    state = array.state()
    volumes = {one['name']: (one['state'], one.get('members'), one['size'])
               for one in state['volumes']}
    elements = {one['name']: one['state'] for one in state['elements']}
    return anyport(array, 'dump'), volumes, elements


def is_refused(array, says, *words):
    before = known(array)
    said = anyport(array, *words, fails=True)
    check(says in said, f'{words}: {says!r} is not in {said!r}')
    same(said.count('\n'), 1, f'lines of {said!r}')
    same(known(array), before, f'what is there after {words} was refused')


def goes_on(array, kind):
    """The job is the same, runs, and gets further."""
    now = job(array)
    same((now['kind'], now['state']), (kind, 'running'), f'the job {now}')
    wait_until(lambda: job(array)['position'] > now['position'], 'it gets further')


def refuses(array, kind):
    goes_on(array, kind)
    is_refused(array, JOB_WORKS, 'volume', 'delete', 'safe')
    is_refused(array, JOB_WORKS, 'scrub', 'safe')
    is_refused(array, JOB_WORKS, 'scrub', '--repair', 'safe')
    is_refused(array, 'm0: it is a member of safe', 'volume', 'delete', 'm0')
    goes_on(array, kind)


def others_are_free(array):
    """Volumes beside it come and go, and have jobs of their own."""
    anyport(array, 'volume', 'create', 'beside', '--element', 'spare0')
    anyport(array, 'volume', 'delete', 'beside')
    anyport(array, 'scrub', 'other')


def lab(places, layout, count, **more):
    """`safe`, and beside it a mirror, `other`, and an element with room."""
    given = fields(places, layout, count, size=SIZE)
    for i in range(3):
        given['elements'].append({'name': f'spare{i}', 'controller': i % count, 'size': str(MIB),
                                  'image': os.path.join(places[DISK], f'spare{i}.img')})
    given['volumes'] += [{'name': 'o1', 'element': 'spare1'}, {'name': 'o2', 'element': 'spare2'},
                         {'name': 'other', 'layout': 'mirror', 'members': ['o1', 'o2']}]
    return Array(places, rebuild=SLOW, **given, **more)


def fill(array, mib=4):
    host = array.connect('safe')
    for at in range(mib):
        host.pwrite(os.urandom(MIB), at * MIB)
    return host


def while_it_is_scrubbed(places):
    with lab(places, 'raid5', 3, expected=SAID) as array:
        fill(array).shutdown()
        anyport(array, 'scrub', 'safe')
        refuses(array, 'scrub')
        others_are_free(array)
        verb(array, 'fail', 'disk1')  # a fault may come at any time: what is left is compared
        goes_on(array, 'scrub')
    note('refused while it is scrubbed')


def while_it_is_rebuilt(places):
    with lab(places, 'raid5', 3, expected=SAID) as array:
        model = load(array, operations=50)
        verb(array, 'fail', 'disk1')
        replace(array, 1, os.path.join(places[DISK], 'new.img'))
        refuses(array, 'rebuild')
        is_refused(array, 'volume safe cannot do without it', 'element', 'fail', 'disk0')
        is_refused(array, 'has not failed', 'element', 'replace', 'disk1')
        others_are_free(array)
        goes_on(array, 'rebuild')
        work_until_over(array, model)
        same(safe(array)['state'], 'online', 'the volume')
        model.compare_all(0)
        for host in model.hosts:
            host.shutdown()
        anyport(array, 'volume', 'delete', 'safe')
    note('refused while it is rebuilt, and done afterwards')


def while_it_is_made_equal(places):
    with lab(places, 'mirror', 2, expected=SAID + '|was killed|made equal') as array:
        fill(array)
        array.kill()
        array.start()
        wait_until(lambda: job(array)['state'] == 'running', 'the resync runs')
        refuses(array, 'resync')
        wait_until(lambda: job(array)['state'] == 'done', 'the resync is done')
        anyport(array, 'volume', 'delete', 'safe')
    note('refused while it is made equal, and done afterwards')


def main():
    libnbd()
    for part in (while_it_is_scrubbed, while_it_is_rebuilt, while_it_is_made_equal):
        with folders() as places:
            part(places)


run(main)
