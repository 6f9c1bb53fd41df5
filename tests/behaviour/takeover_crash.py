#!/usr/bin/python3
"""A controller that takes elements over, or moves one, is killed at each step of that in turn: another
one goes on, no host of those that are left hears an error, and nothing acknowledged is lost."""
import os
import random
import signal

import testarray
from testarray import (DISK, MEMORY, MIB, TAKEN, Array, Skip, check, command, folders, note, run, wait_until)
from verifier import Verifier

PROGRAM = os.environ.get('ANYPORT_CRASH_PROGRAM')
REACH_SECONDS = 15
DRAWS = 4
TAKEOVER = ('takeover.begin', 'takeover.begun', 'takeover.opened', 'takeover.taken', 'adopt.written',
            'takeover.adopted', 'takeover.owned')
MOVE = ('move.begun', 'move.ended', 'move.given_up', 'move.handed', 'takeover.opened', 'takeover.adopted')


def dead(array):
    return [one['id'] for one in array.state()['controllers'] if one['state'] == 'dead']


def all_are_owned(array):
    gone = dead(array)
    return all(one['controller'] not in gone and one['state'] == 'online' and one['owner_state'] == 'owned'
               for one in array.state()['elements'])


def somebody_comes(token):
    try:
        wait_until(lambda: not os.path.exists(token), 'somebody comes', REACH_SECONDS)
        return True
    except AssertionError:
        os.unlink(token)
        return False


def crash(point, kind, cache, provoke):
    """`provoke` brings a controller to the point, where it dies; hosts at 0, which is spared, go on. False:
    it did not come there, having nothing to do, or 0 did; nothing is lost all the same."""
    with folders() as places:
        token = os.path.join(places[MEMORY], 'token')
        os.environ['ANYPORT_CRASH'] = f'{point}:{token}'
        with Array(places, controllers=4, kinds=(kind,), count=4, cache=cache,
                   expected=f'was killed by signal 9|{TAKEN}') as array:
            del os.environ['ANYPORT_CRASH']
            hosts = [Verifier(array, f'vol{i}', 'c0', 4 * i * MIB) for i in range(4)]
            for host in hosts:
                host.start()
            wait_until(lambda: all(host.done > 200 for host in hosts), 'load')
            with open(token, 'w'):
                pass
            for host in hosts:
                host.keep_half()
            victims = provoke(array)
            came = somebody_comes(token)
            if 0 in dead(array):
                return False  # the hosts' own: another draw
            wait_until(lambda: len(dead(array)) == victims + came and all_are_owned(array), 'all are owned')
            done = [host.done for host in hosts]
            wait_until(lambda: all(host.done > before + 100 for host, before in zip(hosts, done)),
                       'hosts go on')
            for host in hosts:
                host.finish()
                host.verify('c0')
            array.wait_quiet()
    return came


def kill_one(array):
    """Whose element falls to another one than 0: element 1 to the second, or 3 to the first, of three."""
    os.kill(array.controller(1)['pid'], signal.SIGKILL)
    return 1


def move_one(array):
    try:
        command(testarray.ANYPORT, 'element', 'move', 'disk2', '--to', '3', array.run_dir, timeout=60)
    except AssertionError:  # one of the two has died
        pass
    return 0


def main():
    if PROGRAM is None:
        raise Skip('the program with crash points was not built')
    testarray.ANYPORT = PROGRAM
    back = {'mode': 'write-back', 'size': '16MiB', 'in-memory': True}
    for points, provoke in ((TAKEOVER, kill_one), (MOVE, move_one)):
        for point in points:
            cache = back if point == 'adopt.written' else random.choice(({'mode': 'off'}, back))
            check(any(crash(point, random.choice((MEMORY, DISK)), cache, provoke) for _ in range(DRAWS)),
                  f'{point}: nobody but 0 died there')
            note(f'{provoke.__name__}, {point}, {cache["mode"]}')


run(main)
