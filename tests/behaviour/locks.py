#!/usr/bin/python3
"""Hosts write to the same places of a virtual volume through four ports: `anyport locks` shows who has
reserved what and who is held, on volumes and, with parity, on members; counters of coordination grow;
and when the hosts have their answers nothing is reserved and all that was granted was released."""
import collections
import json
import random
import threading

from testarray import (ANYPORT, MEMORY, MIB, Array, check, command, folders, libnbd, note, run, same,
                       wait_until)

CONTROLLERS = 4
IN_FLIGHT = 8  # of each host
PLACES = [0, 4096, 60 << 10, 128 << 10, MIB - 8192]  # the last ones cross chunks, and regions
LENGTHS = [4096, 16 << 10, 64 << 10]
UNIT = MIB // 2048  # what a range is rounded to that is not exact
STATES = ('pending', 'reserved', 'held', 'handed')


class Hosts(threading.Thread):
    """A host on each port, with writes in flight that overlap those of the others."""

    def __init__(self, array, volume):
        super().__init__()
        self.hosts = [array.connect(volume, f'c{i}') for i in range(CONTROLLERS)]
        self.random = random.Random(random.random())
        self.payloads = {length: libnbd().Buffer.from_bytearray(bytearray(length))
                         for length in LENGTHS}
        self.enough = threading.Event()
        self.errors = []

    def ended(self, error):
        if error.value != 0:
            self.errors.append(error.value)
        return 1

    def run(self):
        try:
            self.write()
        except libnbd().Error as error:
            self.errors.append(str(error))

    def write(self):
        while not self.enough.is_set():
            for host in self.hosts:
                while host.aio_in_flight() < IN_FLIGHT:
                    payload = self.payloads[self.random.choice(LENGTHS)]
                    host.aio_pwrite(payload, self.random.choice(PLACES), completion=self.ended)
                host.poll(0)
        for host in self.hosts:
            while host.aio_in_flight() > 0:
                host.poll(100)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join()
        for host in self.hosts:
            host.shutdown()
        same(self.errors, [], 'errors of writes')


def locks(array):
    answer = json.loads(command(ANYPORT, 'locks', '--json', array.run_dir))
    same(answer['version'], 1, 'version')
    return answer['reservations']


def is_possible(one, volume, of):
    """What is shown can have been reserved by a host of ours."""
    same((one['volume'], one['of'], one['mode']), (volume, of, 'exclusive'), 'volume, of, mode')
    check(0 <= one['controller'] < CONTROLLERS, one)
    check(one['state'] in STATES, one)
    same('held_ns' in one, one['state'] in ('held', 'handed'), f'held_ns of {one}')
    same(one['exact'], one['state'] in ('held', 'handed'), f'exact of {one}')
    if one['exact']:
        check(one['held_ns'] < 60e9, one)
        if of == 'members':
            check(one['offset'] + one['length'] <= 8 * MIB, one)
        else:
            check(one['offset'] in PLACES and one['length'] in LENGTHS, one)
    else:
        check(one['offset'] % UNIT == 0 and 0 < one['length'] <= MIB and
              one['length'] % UNIT == 0, one)


def shows_conflicts(array, volume, of):
    """Until reservations, and held commands, of more than one controller were seen."""
    seen = collections.defaultdict(set)

    def look():
        for one in locks(array):
            is_possible(one, volume, of)
            seen[one['state']].add(one['controller'])
        return len(seen['reserved']) > 1 and len(seen['held']) > 1

    wait_until(look, 'reservations and held commands of several controllers')
    note(f'{volume}: ' + ', '.join(f'{state} {sorted(seen[state])}' for state in sorted(seen)))


def text_has_a_row(array):
    def look():
        lines = [line.split() for line in command(ANYPORT, 'locks', array.run_dir).splitlines()]
        same(lines[0], ['VOLUME', 'OF', 'CONTROLLER', 'MODE', 'OFFSET', 'LENGTH', 'STATE', 'HELD'],
             'the heading')
        return [line for line in lines[1:] if line[6] == 'held' and line[8] in ('us', 'ms', 's')]

    for row in wait_until(look, 'a row of a held command'):
        same((row[0], row[1], row[2][0], row[3]), ('fast', 'volume', 'c', 'exclusive'), 'a row')


def status_line(array):
    lines = command(ANYPORT, 'status', array.run_dir).splitlines()
    return next((line for line in lines if line.startswith('coordination')), None)


def occupancy_moves(array):
    def look():
        now = array.state()['coordination']
        same((now['policy'], now['region']), ('strict', MIB), 'policy and region')
        structures = now['region_structures']
        check(0 < structures['used'] <= structures['all'], structures)
        check(now['held_commands'] <= now['reservations'], now)
        return now['held_commands'] > 0

    wait_until(look, 'held commands in status')


def top_moves(array):
    """Two looks that are some time apart: every controller was granted reservations, some were held."""
    def look():
        text = command(ANYPORT, 'top', '--once', '--interval=0.1', array.run_dir)
        lines = [line.split() for line in text.splitlines()]
        begin = lines.index(['CTRL', 'STATE', 'GRANT/s', 'HELD/s', 'HANDED/s', 'FULL/s', 'HELD', 'us'])
        rows = lines[begin + 1:lines.index([], begin)]  # up to the next pane
        same([row[:2] for row in rows], [[f'c{i}', 'running'] for i in range(CONTROLLERS)],
             'rows of top')
        return (all(row[2] != '0' for row in rows) and
                all(any(row[at] not in ('0', '0.0') for row in rows) for at in (3, 4, 6)))

    wait_until(look, 'coordination in top')


def nothing_is_left(array):
    array.wait_quiet()
    same(locks(array), [], 'reservations when all is quiet')
    same(len(command(ANYPORT, 'locks', array.run_dir).splitlines()), 1, 'lines: the heading')
    state = array.state()
    counted = [one['coordination'] for one in state['controllers']]
    for i, one in enumerate(counted):
        check(one['granted'] > 0, f'c{i} was granted nothing')
        same((one['granted'], one['cancelled']), (one['released'], 0), f'released by c{i}')
        same(sum(one['held_histogram']), one['held'], f'hold times of c{i}')
    all_of_it = state['coordination']
    for name in counted[0]:
        if name != 'held_histogram':
            same(all_of_it['total'][name], sum(one[name] for one in counted), f'total of {name}')
    for name in ('held', 'handed_off', 'held_ns', 'conflicts_true'):
        check(all_of_it['total'][name] > 0, f'{name} has not grown')
    same((all_of_it['reservations'], all_of_it['held_commands']), (0, 0), 'occupancy')
    check(status_line(array).startswith(
        'coordination strict, regions of 1.0 MiB: 0 reserved, 0 held; since the start '),
        status_line(array))
    note(status_line(array))


def without_virtual_volumes(places):
    with Array(places, controllers=1, kinds=(MEMORY,)) as array:
        same(locks(array), [], 'reservations without virtual volumes')
        same(status_line(array), None, 'a line on coordination')


def refusals():
    for words in (['a', 'b'], ['--what']):
        command(ANYPORT, 'locks', *words, fails=True)


def fields(places):
    elements = [{'name': f'disk{i}', 'image': f'{places[MEMORY]}/d{i}.img', 'size': '16MiB',
                 'controller': i} for i in range(CONTROLLERS)]
    volumes = []
    for at, name in enumerate(('fast', 'five')):
        members = [f'{name}{i}' for i in range(CONTROLLERS)]
        volumes += [{'name': member, 'element': f'disk{i}', 'offset': str(at * 8 * MIB),
                     'size': '8MiB'} for i, member in enumerate(members)]
        volumes.append({'name': name, 'layout': 'raid5' if at else 'stripe', 'members': members})
    return {'elements': elements, 'volumes': volumes}


def main():
    libnbd()
    refusals()
    with folders() as places:
        without_virtual_volumes(places)
        with Array(places, controllers=CONTROLLERS, **fields(places)) as array:
            same(locks(array), [], 'reservations at first')
            with Hosts(array, 'fast'):
                shows_conflicts(array, 'fast', 'volume')
                text_has_a_row(array)
                occupancy_moves(array)
                top_moves(array)
            nothing_is_left(array)
            with Hosts(array, 'five'):
                shows_conflicts(array, 'five', 'members')
            nothing_is_left(array)


run(main)
