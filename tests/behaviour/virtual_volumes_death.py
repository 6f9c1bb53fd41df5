#!/usr/bin/python3
"""A controller is killed while hosts work on virtual volumes through all ports: what it had reserved
is given up, nobody waits for ever, a stripe over the others goes on, a mirror goes on with the copy
that is left, and what the hosts of the survivors see has one order."""
import json
import os
import random
import signal
import subprocess

from testarray import (MEMORY, NO_TAKEOVER, Array, Skip, check, folders, note, run, same, wait_until)

HISTORY = os.environ.get('ANYPORT_HISTORY') or None
CONTROLLERS = 4
OPERATIONS = 6000
# Of each volume: the controllers that own its members, and which one is killed. Parity that the dead
# one had half written is not mended, so with parity no member may be lost by the same death.
CASES = (('stripe', (0, 1, 2), 3), ('mirror', (1, 2), 1), ('mirror', (1, 2), 2),
         ('raid5', (0, 1, 2), 3))


def fields(places, layout, owners):
    elements = [{'name': f'disk{i}', 'image': os.path.join(places[MEMORY], f'd{i}.img'),
                 'size': '8MiB', 'controller': i} for i in owners]
    volumes = [{'name': f'part{i}', 'element': f'disk{i}'} for i in owners]
    volumes.append({'name': layout, 'layout': layout, 'members': [f'part{i}' for i in owners]})
    return {'elements': elements, 'volumes': volumes}


def kill_one(places, layout, owners, victim):
    with Array(places, controllers=CONTROLLERS, takeover=NO_TAKEOVER,
               expected=f'controller {victim} .* was killed by signal 9|member|'
               r'finished what c\d had begun',
               **fields(places, layout, owners)) as array:
        words = [HISTORY, '--json', f'--seed={random.getrandbits(32)}', '--reconnect',
                 '--scope=blocks', '--blocks=16', f'--operations={OPERATIONS}', '--window=4096',
                 *[array.uri(layout, f'c{i}') for i in range(CONTROLLERS)]]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: array.controller(victim)['redirected_out'] > 100, 'load')
            os.kill(array.controller(victim)['pid'], signal.SIGKILL)
            found = json.loads(process.communicate(timeout=100)[0])
        finally:
            process.kill()
            process.wait()
        note(f'{layout} without c{victim}: {found["operations"]} operations, {found["lost"]} lost: '
             f'{found["verdict"]}')
        same((found['verdict'], found['errors'], process.returncode), ('valid', 0, 0),
             f'{layout} without c{victim}')
        check(found['lost'] > 0, 'something was in flight at the port that died')
        state = {one['name']: one for one in array.state()['volumes']}[layout]['state']
        same(state, 'degraded' if victim in owners else 'online', f'state of {layout}')
        array.wait_quiet()
    for image in array.fields['elements']:
        os.unlink(image['image'])


def main():
    if HISTORY is None:
        raise Skip('anyport-history was not built: libnbd-dev is not installed')
    with folders() as places:
        for layout, owners, victim in CASES:
            kill_one(places, layout, owners, victim)


run(main)
