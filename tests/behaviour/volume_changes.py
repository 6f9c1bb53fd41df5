#!/usr/bin/python3
"""Volumes of a running array are created and deleted: every port serves a new one as soon as the
verb has answered, hosts of other volumes notice nothing, a change that cannot be made changes
nothing, and what was changed outlives the array by its dump."""
import contextlib
import json
import os
import random
import signal
import socket
import struct

from testarray import (ANYPORT, DISK, LONG, MEMORY, MIB, NO_TAKEOVER, OPT_GO, OPT_LIST, PATIENCE, REP_ACK,
                       REP_ERR_UNKNOWN, Array, Bystander, Host, check, command, folders, note, run, same, wait_until)

SPARE = 1024  # VOLUMES_SPARE
ELEMENTS = 4


def volume(array, *words, **more):
    return command(ANYPORT, 'volume', *words, array.run_dir, **more)


def refused(array, why, *words):
    said = volume(array, *words, fails=True)
    check(said.endswith(f': volume {words[1]}: {why}\n'), f'{" ".join(words)}: {said}')


def dump(array):
    return command(ANYPORT, 'dump', array.run_dir)


def exports(array, port='front'):
    with Host(array, port) as host:
        kind, replies = host.option(OPT_LIST)
        same(kind, REP_ACK, 'LIST')
        return sorted(payload[4:4 + struct.unpack('>I', payload[:4])[0]].decode()
                      for _, payload in replies[:-1])


class Admin:
    """A connection to the admin socket, for many requests and for odd ones."""

    def __init__(self, array):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(array.socket('admin'))
        self.file = self.socket.makefile('rw')

    def ask(self, method, params):
        self.file.write(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method,
                                    'params': params}) + '\n')
        self.file.flush()
        return json.loads(self.file.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


def elements(places, kinds=(MEMORY, DISK), superblock=True):
    """e0 ... e3 of 64 MiB, at controllers 0, 1, 2, 0; `base` on e0 and `other` on e1."""
    return {'elements': [{'name': f'e{i}', 'size': '64MiB', 'controller': i % 3,
                          'image': os.path.join(places[kinds[i % len(kinds)]], f'e{i}.img'),
                          'superblock': superblock} for i in range(ELEMENTS)],
            'volumes': [{'name': 'base', 'element': 'e0', 'size': '4MiB'},
                        {'name': 'other', 'element': 'e1', 'size': '4MiB'}]}


def lab(places, **more):
    return Array(places, controllers=3, **{'takeover': NO_TAKEOVER, **elements(places), **more})


# --- what is refused ---

def refusals(places):
    fields = elements(places)
    fields['elements'][3]['superblock'] = False
    with lab(places, **fields) as array:
        for i in range(ELEMENTS):
            volume(array, 'create', f'p{i}', '-e', f'e{i}', '--offset', '8MiB', '--size', '8MiB')
        volume(array, 'create', 'striped', '-l', 'stripe', '-m', 'p0,p1')
        before, seen = dump(array), exports(array)
        names = 'allowed: names of plain volumes'
        for why, *words in (
                ("name: 'base' is already the name of volumes[0]; allowed: each name once",
                 'create', 'base', '-e', 'e0', '-o', '32MiB'),
                ('members: p0 is already a member of striped; allowed: each volume in one virtual '
                 'volume', 'create', 'x', '-l', 'concat', '-m', 'p2,p0'),
                (f'members: x cannot be a member of itself; {names}',
                 'create', 'x', '-l', 'concat', '-m', 'p2,x'),
                (f"members: there is no volume 'nobody'; {names}",
                 'create', 'x', '-l', 'concat', '-m', 'nobody'),
                ("chunk: '12KiB' is not a power of two; allowed: a power of two, 4KiB to 16MiB",
                 'create', 'x', '-l', 'stripe', '-m', 'p2,p3', '-c', '12KiB'),
                ('members: raid5 has 3 to 32 members, not 2; allowed: that many members, or another '
                 'layout', 'create', 'x', '-l', 'raid5', '-m', 'p2,p3'),
                ('members: p3 lies on element e3, which says superblock: false, and a mirror needs '
                 'the superblocks of its members; allowed: members on elements that have one',
                 'create', 'x', '-l', 'mirror', '-m', 'p2,p3'),
                ('read-only: nothing can be in it yet; allowed: a new redundant volume that can be '
                 'written', 'create', 'x', '-l', 'mirror', '-m', 'p2,base', '--read-only'),
                ('offset: volume x overlaps volume base on element e0; allowed: each block in one '
                 'volume', 'create', 'x', '-e', 'e0', '-s', '1MiB'),
                ('offset: beyond the end of element e0; allowed: below 64MiB',
                 'create', 'x', '-e', 'e0', '-o', '64MiB'),
                ("element: there is no element 'e9'; allowed: the name of one of elements",
                 'create', 'x', '-e', 'e9'),
                ('it is a member of striped; allowed: a volume that is no member', 'delete', 'p0'),
                ('there is no such volume', 'delete', 'nobody')):
            refused(array, why, *words)
            same(dump(array), before, f'the configuration after {" ".join(words)}')
        long_name = 'n' * 64
        said = volume(array, 'create', long_name, '-e', 'e0', '-o', '32MiB', fails=True)
        check("is too long: 64 bytes; allowed: 1 to 63" in said, said)
        wrong_types(array)
        same((dump(array), exports(array)), (before, seen), 'the array afterwards')
        volume(array, 'delete', 'p3')
        refused(array, 'there is no such volume', 'delete', 'p3')
        for name in ('striped', 'p0', 'p1', 'p2', 'other'):
            volume(array, 'delete', name)
        refused(array, 'it is the only one; allowed: at least one volume in an array', 'delete',
                'base')


def wrong_types(array):
    fine = {'name': 'x', 'element': 'e0', 'offset': '32MiB'}
    wrong = [None, [], 'x', 7, {}, {'name': None}, {'element': 'e0'}]
    for key, values in {'name': (5, None, ['x']), 'element': (True, 1.5), 'offset': (4096,),
                        'read-only': ('true', 1, None), 'members': ('p2', [1], {'a': 1}, [['p2']]),
                        'copies': ('2', 2.0, 1 << 40, -1), 'description': ('a\nb', {}),
                        'unknown': ('x',), 'name: y, element': ('e0',)}.items():
        wrong += [{**fine, key: value} for value in values]
    with Admin(array) as admin:
        for params in wrong:
            answer = admin.ask('volume.create', params)
            check('error' in answer and answer['error']['message'], f'{params}: {answer}')
        for params in (None, {}, {'name': 7}, [1]):
            check('error' in admin.ask('volume.delete', params), f'delete of {params}')


# --- hosts ---

def hosts(places):
    """A volume that a host has cannot go; a member that a host has cannot become one."""
    with lab(places) as array:
        host = array.connect('other', 'c2')
        why = 'a host is connected to it; allowed: a volume that no host uses'
        refused(array, f'volume other: {why}', 'delete', 'other')
        refused(array, f'member other: {why}', 'create', 'both', '-l', 'concat', '-m',
                'base,other')
        for port in array.ports:
            same(exports(array, port), ['base', 'other'], f'exports at {port}')
        host.pwrite(b'x' * 512, 0)
        host.shutdown()
        del host
        volume(array, 'create', 'both', '-l', 'concat', '-m', 'base,other')
        for port in array.ports:
            same(exports(array, port), ['both'], f'exports at {port}')
        host = array.connect('both', 'c1')
        same(host.pread(512, 4 * MIB), b'x' * 512, 'what the member held')
        refused(array, f'volume both: {why}', 'delete', 'both')
        host.shutdown()
        volume(array, 'delete', 'both')
        for port in array.ports:
            same(exports(array, port), ['base', 'other'], f'exports at {port}')
        refused(array, 'member other: it has data; allowed: a range without data, as in an image '
                'that the array creates', 'create', 'm', '-l', 'mirror', '-m', 'base,other')
        same(exports(array), ['base', 'other'], 'exports after a mirror that could not be made')


# --- coming and going ---

LAYOUTS = (('concat', 1), ('stripe', 2), ('mirror', 2), ('raid10', 4), ('raid5', 3), ('raid6', 4))


def empty(array, name, port):
    """A redundant volume begins with members that hold no data."""
    host = array.connect(name, port)
    host.trim(host.get_size(), 0)
    host.shutdown()


def come_and_go(array, places_of_members, ports, rounds):
    """Each round makes the plain volumes and one of each layout, writes to it through one port and
    reads through all others, and takes all away again."""
    possible = [one for one in LAYOUTS if one[1] <= len(places_of_members)]
    for number in range(rounds):
        layout, least = possible[(number + random.randrange(2)) % len(possible)]
        count = random.randrange(least, len(places_of_members) + 1)
        count -= count % 2 if layout == 'raid10' else 0
        members = []
        for i in range(count):
            members.append(f'm{number}-{i}')
            volume(array, 'create', members[-1], '-e', places_of_members[i], '-o',
                   f'{8 + number % 12 * 4}MiB', '-s', f'{random.choice([1, 2, 4])}MiB')
            empty(array, members[-1], random.choice(ports))
        volume(array, 'create', f'v{number}', '-l', layout, '-m', ','.join(members))
        data = random.randbytes(random.randrange(1, 600000))
        host = array.connect(f'v{number}', random.choice(ports))
        host.pwrite(data, 4321)
        host.shutdown()
        for port in ports:
            host = array.connect(f'v{number}', port)
            check(host.pread(len(data), 4321) == data, f'v{number}, a {layout}, at {port}')
            host.shutdown()
        volume(array, 'delete', f'v{number}')
        for name in members:
            volume(array, 'delete', name)
        for port in ports:
            with Host(array, port) as host:
                same(host.option(OPT_GO, go_payload(f'v{number}'))[0],
                     REP_ERR_UNKNOWN, f'v{number} at {port}, when it was deleted')


def go_payload(name):
    return struct.pack('>I', len(name)) + name.encode() + b'\0\0'


def under_load(places):
    fields = elements(places)
    fields['volumes'] += [{'name': 'third', 'element': 'e2', 'size': '4MiB'},
                          {'name': 'fourth', 'element': 'e3', 'size': '4MiB'}]
    with lab(places, **fields) as array:
        with contextlib.ExitStack() as stack:
            for name, port in zip(('base', 'other', 'third', 'fourth'), array.ports):
                stack.enter_context(Bystander(array, name, port, seconds=PATIENCE))
            come_and_go(array, [f'e{i}' for i in range(ELEMENTS)], array.ports, 60 if LONG else 12)
        array.wait_quiet()


def controller_dies(places):
    """One that is killed while changes are made: they go on with those that are left."""
    with lab(places, expected=r'was killed|commands for its elements') as array:
        with Bystander(array, 'base', 'c0', seconds=PATIENCE):
            volume(array, 'create', 'on-two', '-e', 'e2')
            os.kill(array.controller(2)['pid'], signal.SIGKILL)
            come_and_go(array, ['e0', 'e1'], ['front', 'c0', 'c1'], 4)
            wait_until(lambda: array.controller(2)['state'] in ('dead', 'drained'), 'it is dead')
            volume(array, 'delete', 'on-two')
            refused(array, 'volume x: its controller is not there', 'create', 'x', '-e', 'e2')


def full_table(places):
    """The table is full, says so, and has room again when one has gone."""
    fields = elements(places, superblock=False)
    fields['elements'][0]['size'] = '16MiB'
    fields['volumes'] = fields['volumes'][1:]
    with lab(places, **fields) as array, Admin(array) as admin:
        for i in range(SPARE):
            answer = admin.ask('volume.create', {'name': f'n{i}', 'element': 'e0', 'size': '4KiB',
                                                 'offset': str(4096 * i)})
            same(answer.get('result'), {}, f'volume {i}: {answer}')
        one_more = {'name': 'more', 'element': 'e0', 'size': '4KiB', 'offset': str(4096 * SPARE)}
        said = admin.ask('volume.create', one_more)['error']['message']
        same(said, f'volume more: the table of volumes is full: {SPARE + 1}; allowed: {SPARE} more '
                   'than there were when the array was started', 'one too many')
        same(len(exports(array, 'c1')), SPARE + 1, 'exports')
        same(admin.ask('volume.delete', {'name': 'n77'}).get('result'), {}, 'delete')
        same(admin.ask('volume.create', one_more).get('result'), {}, 'one in its place')


# --- what outlives the array ---

def dumped(places):
    run_dir = os.path.join(places[MEMORY], 'r')
    pattern = random.randbytes(MIB)
    array = lab(places, **{'run-dir': run_dir})
    with array:
        for i in range(ELEMENTS):
            volume(array, 'create', f'p{i}', '-e', f'e{i}', '-o', '8MiB', '-s', '8MiB')
        volume(array, 'create', 'safe', '-l', 'raid6', '-m', 'p0,p1,p2,p3', '-c', '16KiB',
               '--description', 'made "later" ü', '--rotational')
        volume(array, 'delete', 'other')
        host = array.connect('safe')
        host.pwrite(pattern, 12345)
        host.shutdown()
        text, seen = dump(array), exports(array)
        state = [{key: one[key] for key in ('name', 'size', 'description', 'exported')}
                 for one in array.state()['volumes']]
    again = lab(places, **{'run-dir': run_dir})
    with open(again.config, 'w') as file:
        file.write(text)
    with again:
        same((dump(again), exports(again)), (text, seen), 'the array that was started again')
        same([{key: one[key] for key in ('name', 'size', 'description', 'exported')}
              for one in again.state()['volumes']], state, 'its volumes')
        same([one['state'] for one in again.state()['volumes']], ['online'] * 6, 'their states')
        host = again.connect('safe', 'c2')
        check(host.pread(len(pattern), 12345) == pattern, 'the data of the volume made later')
        host.shutdown()
    record_is_gone(places, run_dir)


def record_is_gone(places, run_dir):
    """Deleted, it is not known to the superblocks: the range is free for another volume."""
    fields = elements(places)
    fields['volumes'] = [{'name': f'p{i}', 'element': f'e{i}', 'offset': '8MiB', 'size': '8MiB'}
                         for i in range(ELEMENTS)]
    fields['volumes'].append({'name': 'safe', 'layout': 'raid6', 'chunk': '16KiB',
                              'members': [f'p{i}' for i in range(ELEMENTS)]})
    with lab(places, **{'run-dir': run_dir}, **fields) as array:
        volume(array, 'delete', 'safe')
    array = lab(places, **{'run-dir': run_dir}, **fields)
    said = command(ANYPORT, 'check', array.config, fails=True)
    check('it has data where the new volume safe is to have a member' in said, said)
    os.remove(array.config)
    os.rmdir(array.home)


def main():
    slow = (full_table,) if LONG else ()
    for test in (refusals, hosts, under_load, controller_dies, dumped) + slow:
        note(test.__name__)
        with folders() as places:
            test(places)


run(main)
