#!/usr/bin/python3
"""Virtual volumes of every layout hold what was written to them, whichever port it came by, in
memory and on disk, also when elements fail on the way, as many as the layout bears; and what hosts
see through several ports at once is linearizable, command by command."""
import json
import os
import random
import subprocess

from golden import MIB, run_golden_model
from testarray import (DISK, LONG, MEMORY, Array, check, folders, libnbd, note, run, same,
                       wait_until)

HISTORY = os.environ.get('ANYPORT_HISTORY') or None
OPERATIONS = 20_000 if LONG else 500
SECONDS = 30 if LONG else 0.7
CONTROLLERS = 4
CHUNKS = {'stripe': '16KiB', 'raid10': '8KiB', 'raid5': '4KiB', 'raid6': '64KiB'}
LAYOUTS = ('concat', 'stripe', 'mirror', 'raid10', 'raid5', 'raid6')
PART = 8 * MIB  # of each member
FAILING = {'mirror': (0, 3, 2), 'raid10': (1, 2), 'raid5': (2,), 'raid6': (1, 3)}


def fields(places, kind, layouts):
    """Each element has a part of each virtual volume, side by side."""
    elements = [{'name': f'disk{i}', 'image': os.path.join(places[kind], f'd{i}.img'),
                 'size': f'{len(layouts) * PART // MIB}MiB', 'controller': i}
                for i in range(CONTROLLERS)]
    volumes = []
    for at, layout in enumerate(layouts):
        members = [f'{layout}{i}' for i in range(CONTROLLERS)]
        volumes += [{'name': name, 'element': f'disk{i}', 'offset': str(at * PART),
                     'size': str(PART)} for i, name in enumerate(members)]
        volumes.append({'name': layout, 'layout': layout, 'members': members})
        if layout in CHUNKS:
            volumes[-1]['chunk'] = CHUNKS[layout]
    return {'elements': elements, 'volumes': volumes}


def uris(array, volume):
    return [array.uri(volume, f'c{i}') for i in range(CONTROLLERS)]


def fail(array, index):
    """An image that became shorter: the next write to it finds out."""
    os.truncate(array.fields['elements'][index]['image'], 4096)


def without(array, volume, failing):
    """Elements fail while commands are answered; the volume goes on and says so."""
    def halfway():
        for index in failing:
            fail(array, index)

    run_golden_model(uris(array, volume), volume, OPERATIONS, halfway=halfway)
    states = {one['name']: one for one in array.state()['volumes']}
    same(states[volume]['state'], 'degraded', volume)
    same([place for place, member in enumerate(states[volume]['members'])
          if member['state'] != 'online'], sorted(failing), f'failed members of {volume}')


def history(array, volume, *options):
    words = [HISTORY, '--json', f'--seed={random.getrandbits(32)}', f'--seconds={SECONDS}',
             *options, *uris(array, volume)]
    result = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=300, check=False)
    found = json.loads(result.stdout)
    note(f'{volume} {" ".join(options)}: {found["operations"]} operations: {found["verdict"]}')
    check(found['operations'] > 100, 'something was done')
    return result.returncode, found['verdict']


def linearizable(array, layouts):
    """Commands within one region, over the border of two (1 MiB), and all on the same 32 KiB."""
    for volume in layouts:
        for options in (['--blocks=64', '--most-blocks=40'],
                        ['--offset=1044480', '--blocks=8', '--block-bytes=512'], ['--hammer']):
            same(history(array, volume, *options), (0, 'valid'), f'{volume} {options}')


def main():
    libnbd()
    with folders() as places:
        for kind in (MEMORY, DISK):
            with Array(places, controllers=CONTROLLERS, **fields(places, kind, LAYOUTS)) as array:
                for volume in LAYOUTS:
                    run_golden_model(uris(array, volume), volume, OPERATIONS)
                if HISTORY is not None:
                    linearizable(array, LAYOUTS if kind == MEMORY else ('stripe', 'raid5'))
                array.wait_quiet()
            for image in array.fields['elements']:
                os.unlink(image['image'])
        for volume, failing in FAILING.items():
            with Array(places, controllers=CONTROLLERS, expected='disk|member',
                       **fields(places, MEMORY, (volume,))) as array:
                without(array, volume, failing)
                array.wait_quiet()
            for image in array.fields['elements']:
                os.unlink(image['image'])
        if HISTORY is not None:
            unordered(places)


def unordered(places):
    """The proof is one: without coordination, the same commands are found out."""
    with Array(places, controllers=CONTROLLERS, coordination={'policy': 'none'},
               **fields(places, MEMORY, ('stripe', 'mirror'))) as array:
        for volume in ('stripe', 'mirror'):
            def found():
                return history(array, volume, '--blocks=16', '--most-blocks=16')[0] == 1
            wait_until(found, f'a violation on {volume}')


run(main)
