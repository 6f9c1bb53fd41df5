#!/usr/bin/python3
"""Elements are moved between controllers while hosts write at every port: nobody hears an error,
nothing is lost, in each mode of the cache and with checksums; what cannot be moved is refused and
stays where it is; a death in the middle of moves is a death like any other."""
import json
import os
import random
import signal
import socket
import subprocess

from testarray import (ANYPORT, DISK, LONG, MEMORY, MIB, TAKEN, Array, check, command, folders, note, run, same,
                       wait_until)
from verifier import Verifier

CONTROLLERS = 3
ROUNDS = 40 if LONG else 6
MODES = [{'mode': 'off'}] + [{'mode': mode, 'size': '4MiB', 'in-memory': True}
                             for mode in ('write-through', 'write-back')]


def move(array, element, to, **more):
    return command(ANYPORT, 'element', 'move', f'disk{element}', '--to', str(to), array.run_dir, **more)


def elements(places, kind, checksums):
    return [{'name': f'disk{i}', 'image': os.path.join(places[kind], f'disk{i}.img'), 'size': '16MiB',
             'controller': i, 'checksums': checksums} for i in range(CONTROLLERS)]


def begin(array, ports):
    hosts = [Verifier(array, volume, f'c{port}', at * MIB)
             for at, port in enumerate(ports) for volume in [v['name'] for v in array.fields['volumes']]]
    for host in hosts:
        host.start()
    wait_until(lambda: all(host.done > 100 for host in hosts), 'load')
    return hosts


def end(hosts, ports):
    for host in hosts:
        host.finish()
        host.verify(f'c{random.choice(ports)}')


def under_load(kind, cache, checksums, layout=None):
    with folders() as places:
        volumes = [{'name': f'vol{i}', 'element': f'disk{i}'} for i in range(CONTROLLERS)]
        if layout:
            volumes += [{'name': 'whole', 'members': ['vol0', 'vol1', 'vol2'], **layout}]
        with Array(places, controllers=CONTROLLERS, cache=cache, elements=elements(places, kind, checksums),
                   volumes=volumes) as array:
            array.fields['volumes'] = [volumes[-1]] if layout else volumes
            hosts = begin(array, range(CONTROLLERS))
            for round_ in range(ROUNDS):
                if round_ == ROUNDS - 1:
                    for host in hosts:
                        host.keep_half()
                element, to = random.randrange(CONTROLLERS), random.randrange(CONTROLLERS)
                move(array, element, to)
                same(array.element(element)['controller'], to, 'its owner')
                done = [host.done for host in hosts]
                wait_until(lambda: all(host.done > before + 50 for host, before in zip(hosts, done)),
                           'hosts go on')
            end(hosts, range(CONTROLLERS))
            same([one['takeovers'] for one in array.state()['elements']], [0] * CONTROLLERS, 'takeovers')
            same([one['state'] for one in array.state()['volumes']], ['online'] * len(volumes), 'volumes')
            note(f'{kind} {cache["mode"]} {layout} checksums {checksums}: worst '
                 f'{max(host.worst for host in hosts) * 1000:.0f} ms')
            array.wait_quiet()


def refusals(places):
    with Array(places, controllers=CONTROLLERS, kinds=(MEMORY,),
               expected=f'was killed by signal 9|disk0 failed|{TAKEN}') as array:
        move(array, 1, 1)
        same(array.element(1)['controller'], 1, 'where it was')
        check('there is no controller 3; allowed: 0 to 2' in move(array, 1, 3, fails=True), 'no such one')
        check('there is no element disk9' in move(array, 9, 1, fails=True), 'no such element')
        for word in ('', '-1', 'x', '99999'):
            command(ANYPORT, 'element', 'move', 'disk1', '--to', word, array.run_dir, fails=True)
        command(ANYPORT, 'element', 'move', 'disk1', array.run_dir, fails=True)
        command(ANYPORT, 'element', 'fail', 'disk0', '--force', array.run_dir)
        check('it has failed' in move(array, 0, 1, fails=True), 'one that failed')
        os.kill(array.controller(2)['pid'], signal.SIGKILL)
        wait_until(lambda: array.controller(2)['state'] == 'dead', 'it is dead')
        check('controller 2 does not run' in move(array, 1, 2, fails=True), 'a dead target')
        wait_until(lambda: array.element(2)['controller'] != 2 and
                   array.element(2)['owner_state'] == 'owned', 'it is taken over')
        move(array, 2, 1 - array.element(2)['controller'])
        same(array.element(2)['takeovers'], 1, 'takeovers')


def death_between(kind, cache):
    """A controller is killed while elements go to and fro."""
    with folders() as places:
        with Array(places, controllers=4, kinds=(kind,), cache=cache,
                   expected=f'was killed by signal 9|{TAKEN}') as array:
            hosts = begin(array, (0, 2, 3))
            for _ in range(random.randrange(6)):
                move(array, random.randrange(4), random.randrange(4))
            pid = array.controller(1)['pid']
            death_at = random.randrange(4)
            for element in range(4):
                if element == death_at:
                    os.kill(pid, signal.SIGKILL)
                try:
                    move(array, element, 1)
                except AssertionError:  # it had died, or died meanwhile
                    pass
            wait_until(lambda: array.controller(1)['state'] == 'dead' and all(
                one['controller'] != 1 and one['state'] == 'online' for one in array.state()['elements']),
                       'all are taken over')
            done = [host.done for host in hosts]
            wait_until(lambda: all(host.done > before + 100 for host, before in zip(hosts, done)),
                       'hosts go on')
            end(hosts, (0, 2, 3))
            note(f'{kind} {cache["mode"]}: a death between moves')
            array.wait_quiet()


def failback(places, how):
    """A controller that runs again has its elements again, where that is not left to the user."""
    with Array(places, controllers=3, kinds=(MEMORY,), count=4, takeover={'failback': how},
               expected=f'was killed by signal 9|controller 1 runs again|{TAKEN}') as array:
        hosts = begin(array, (0, 2))
        command(ANYPORT, 'controller', 'kill', '1', array.run_dir)
        wait_until(lambda: array.element(1)['controller'] != 1, 'it is taken over')
        command(ANYPORT, 'controller', 'start', '1', array.run_dir)
        if how == 'manual':
            check(array.element(1)['controller'] != 1, 'it went back by itself')
            move(array, 1, 1)
        wait_until(lambda: array.element(1)['controller'] == 1 and array.element(1)['state'] == 'online',
                   'it is back')
        move(array, 1, 2)  # and is where it is put after that
        command(ANYPORT, 'controller', 'kill', '0', array.run_dir)
        wait_until(lambda: all(array.element(i)['controller'] != 0 for i in (0, 3)), 'these are taken over')
        same(array.element(1)['controller'], 2, 'where it was put')
        end(hosts[len(hosts) // 2:], (1, 2))  # those of 0 have lost it
        note(f'failback: {how}')


def what_is_in_the_way_is_waited_for(places):
    """A volume is asked for while the controller starts, so it is being made when the element is to go
    back; the greeting waits for one that is held, which is time to ask."""
    with Array(places, controllers=3, kinds=(MEMORY,), heartbeat=0,
               volumes=[{'name': 'vol0', 'element': 'disk0', 'size': '1MiB'}],
               expected=f'was killed by signal 9|runs again|{TAKEN}') as array:
        os.kill(array.controller(2)['pid'], signal.SIGKILL)
        wait_until(lambda: array.element(2)['owner_state'] == 'owned' and
                   array.element(2)['controller'] != 2, 'it is taken over')
        wait_until(lambda: not os.path.exists(array.socket('c2')), 'its death is known')
        held = array.controller(0)['pid']
        os.kill(held, signal.SIGSTOP)
        start = subprocess.Popen([ANYPORT, 'controller', 'start', '2', array.run_dir])
        wait_until(lambda: os.path.exists(array.socket('c2')), 'the others are greeted')
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(array.socket('admin'))
            lines = admin.makefile('rw')
            print(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'volume.create', 'params': {
                'name': 'more', 'element': 'disk1', 'size': '1MiB'}}), file=lines, flush=True)
            array.state()  # who is asked now has been asked that before
            os.kill(held, signal.SIGCONT)
            same(start.wait(60), 0, 'start')
            answer = json.loads(lines.readline())
            check('result' in answer, answer)
        wait_until(lambda: array.element(2)['controller'] == 2, 'it goes back')
    note('a failback that something was in the way of is tried again')


def main():
    for cache in MODES:
        under_load(random.choice((MEMORY, DISK)), cache, random.random() < 0.5)
    under_load(random.choice((MEMORY, DISK)), random.choice(MODES), random.random() < 0.5,
               {'layout': 'raid5', 'chunk': '16KiB'})
    with folders() as places:
        refusals(places)
        failback(places, 'auto')
    with folders() as places:
        failback(places, 'manual')
    with folders() as places:
        what_is_in_the_way_is_waited_for(places)
    for _ in range(ROUNDS // 3):
        death_between(random.choice((MEMORY, DISK)), random.choice(MODES))


run(main)
