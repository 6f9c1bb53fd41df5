#!/usr/bin/python3
"""With a cache far smaller than the volumes, in each mode and with each policy, random commands of
any length through several ports leave and show the same bytes as the same done in memory: on plain
and virtual volumes, on direct and inline elements, and on one whose size is no multiple of a
block. Commands on virtual volumes stay linearizable."""
import json
import os
import random
import subprocess

from golden import MIB, run_golden_model
from testarray import DISK, LONG, MEMORY, Array, check, folders, libnbd, note, run, same

HISTORY = os.environ.get('ANYPORT_HISTORY') or None
OPERATIONS = 30_000 if LONG else 350
SECONDS = 20 if LONG else 0.5
POLICIES = ('s3-fifo', 'sieve', 'arc', 'lru')
ODD_BYTES = 3 * MIB + 777
MEMBER_MIB = 4


def fields(places):
    """Plain volumes on disk0 (a disk) and disk1 (in memory), an odd one, and members beside them."""
    elements = [{'name': f'disk{i}', 'image': os.path.join(places[kind], f'd{i}.img'),
                 'size': '24MiB', 'controller': i} for i, kind in enumerate((DISK, MEMORY, DISK))]
    elements.append({'name': 'odd', 'image': os.path.join(places[DISK], 'odd.img'),
                     'size': str(ODD_BYTES), 'controller': 2})
    volumes = [{'name': 'disk', 'element': 'disk0', 'size': '12MiB'},
               {'name': 'memory', 'element': 'disk1', 'size': '12MiB'},
               {'name': 'odd', 'element': 'odd'}]
    for at, layout in enumerate(('mirror', 'raid5')):
        names = [f'{layout}{i}' for i in range(3)]
        volumes += [{'name': name, 'element': f'disk{i}', 'offset': f'{12 + at * MEMBER_MIB}MiB',
                     'size': f'{MEMBER_MIB}MiB'} for i, name in enumerate(names)]
        volumes.append({'name': layout, 'layout': layout, 'members': names})
    volumes[-1]['chunk'] = '8KiB'
    return {'elements': elements, 'volumes': volumes}


def linearizable(array, volume):
    words = [HISTORY, '--json', f'--seed={random.getrandbits(32)}', f'--seconds={SECONDS}',
             '--blocks=16', '--block-bytes=512', *(array.uri(volume, f'c{i}') for i in range(3))]
    result = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=300, check=False)
    found = json.loads(result.stdout)
    note(f'{volume}: {found["operations"]} operations: {found["verdict"]}')
    same((result.returncode, found['verdict']), (0, 'valid'), volume)


def counted(array, name):
    return next(one['cache'] for one in array.state()['volumes'] if one['name'] == name)


def was_used(array, mode):
    for name in ('disk', 'memory', 'odd', 'mirror', 'raid5'):
        cache = counted(array, name)
        check(cache['hits'] > 0 and cache['misses'] > 0, f'{name} was cached: {cache}')
        check((cache['written_back'] > 0) == (mode == 'write-back'), f'{name}, {mode}: {cache}')
        check(cache['write_backs'] <= cache['written_back'], f'{name}: {cache}')
    check(counted(array, 'disk')['evictions'] > 0, 'the cache was too small')


def one(places, mode, policy):
    with Array(places, controllers=3, **fields(places),
               cache={'size': '1MiB', 'mode': mode, 'policy': policy, 'in-memory': True}) as array:
        for volume in ('disk', 'memory', 'odd', 'mirror', 'raid5'):
            run_golden_model([array.uri(volume, port) for port in array.ports], volume, OPERATIONS,
                             most_bytes=2 * MIB)
        was_used(array, mode)
        if HISTORY is not None:
            linearizable(array, 'mirror')
            linearizable(array, 'disk')
        array.wait_quiet()


def main():
    libnbd()
    with folders() as places:
        for number, policy in enumerate(POLICIES):
            for mode in ('write-through', 'write-back'):
                if LONG or policy == 's3-fifo' or (number % 2 == 0) == (mode == 'write-back'):
                    note(f'{mode}, {policy}')
                    one(places, mode, policy)


run(main)
