#!/usr/bin/python3
"""A controller that was killed or stopped gets a new life in its seat, under load, again and again:
hosts elsewhere see no error, what was acknowledged is there, and its hosts and volumes come back. A
redundant volume is rebuilt. One that dies while it starts, or while another starts, does not stop
the array; what stands in the way of a start is said, and a start can be tried again."""
import contextlib
import os
import random
import signal
import socket
import subprocess
import threading

from testarray import (ANYPORT, DISK, LONG, MEMORY, NO_TAKEOVER, PATIENCE, TAKEN, Array, Host, Skip,
                       check, folders, note, run, same, wait_until)
from workers import Workers

ROUNDS = 200 if LONG else 12


def verb(array, *words, fails=None):
    done = subprocess.run([ANYPORT, 'controller', *words, array.run_dir], text=True,
                          timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if fails is None:
        same(done.returncode, 0, f'controller {words}: {done.stderr}')
    else:
        check(done.returncode != 0, f'controller {words} succeeded')
        check(fails in done.stderr, f'controller {words} says {done.stderr!r}, not {fails!r}')


def kill(array, workers, victim):
    """Its hosts are disturbed from before it dies; and its volume, where nobody takes it over."""
    pid = array.controller(victim)['pid']
    workers.disturbed |= {f'c{victim}'}
    if array.fields.get('takeover') == NO_TAKEOVER:
        workers.disturbed |= {f'vol{victim}'}
    with contextlib.suppress(ProcessLookupError):  # it may have been struck before, and not be missed yet
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: array.controller(victim)['state'] == 'dead', 'its death is known')


def start(array, workers, victim):
    verb(array, 'start', str(victim))
    same(array.controller(victim)['state'], 'running', 'after start')
    workers.go_on(1)
    workers.disturbed -= {f'c{victim}', f'vol{victim}'}


def again_and_again(places, rounds, **settings):
    with Array(places, controllers=3, kinds=(MEMORY, DISK), **settings,
               expected=r'controller \d .* was killed|controller \d runs again|' + TAKEN) as array:
        with Workers(array, ('c0', 'c1', 'c2'), ('vol0', 'vol1', 'vol2')) as workers:
            workers.go_on()
            for i in range(rounds):
                victim = i % 3
                before = array.controller(victim)
                kill(array, workers, victim)
                if i % 4 == 0:
                    workers.go_on(10, workers.undisturbed)
                start(array, workers, victim)
                after = array.controller(victim)
                same((after['restarts'], after['epoch']),
                     (before['restarts'] + 1, before['epoch'] + 2), 'lives are counted')
                check(after['pid'] != before['pid'], 'it is another process')
            workers.go_on()
            worst = max(one.worst for one in workers.all)
            note(f'{settings}: {rounds} lives, {sum(one.done for one in workers.all)} steps of hosts, '
                 f'{sum(one.errors for one in workers.all)} errors at the dead, the longest step '
                 f'elsewhere {worst:.3f} s')
        array.wait_quiet()
        same([one['state'] for one in array.state()['elements']], ['online'] * 3, 'all elements')


def in_order(places):
    """One that owns nothing is stopped and started; its hosts are let go."""
    with Array(places, controllers=3, count=2, kinds=(MEMORY,), takeover=NO_TAKEOVER,
               expected='controller 2 runs again') as array:
        with Workers(array, ('c0', 'c1'), ('vol0', 'vol1')) as workers:
            for _ in range(3):
                own = Host(array, 'c2')
                own.go('vol0')
                own.works('it was started')
                verb(array, 'stop', '2')
                own.expect_close('the host of the stopped one')
                own.close()
                same(array.controller(2)['state'], 'stopped', 'after stop')
                check(not os.path.exists(array.socket('c2')), 'its socket is left')
                verb(array, 'stop', '2', fails='it does not run')
                workers.go_on()
                verb(array, 'start', '2')
                workers.go_on()
            verb(array, 'start', '2', fails='it runs; allowed: one that does not')
            verb(array, 'stop', '1', fails='it owns elements')
        array.wait_quiet()
    note('stopped and started in order')


def with_its_elements(places, **settings):
    """They go to the others while hosts work on them, and come back; after a death as well."""
    def owner():
        return array.element(1)['controller']

    with Array(places, controllers=3, kinds=(DISK, MEMORY), **settings,
               expected=r'runs again|was killed|' + TAKEN) as array:
        with Workers(array, ('c0', 'c1', 'c2'), ('vol0', 'vol1', 'vol2')) as workers:
            for way in ('stop', 'stop', 'kill'):
                workers.go_on()
                workers.disturbed |= {'c1'}
                verb(array, way, '1')
                workers.go_on(10, workers.undisturbed)
                check(owner() != 1, f'c1 owns its element after {way}')
                verb(array, 'start', '1')
                workers.go_on(1)
                workers.disturbed.clear()
                wait_until(lambda: owner() == 1, 'its element is back')
                workers.go_on()
        same(array.state()['controllers'][1]['elements'], ['disk1'], 'what it owns')
        array.wait_quiet()
    note('stopped with its elements, which came back')


def with_redundancy(places):
    """Members on it failed while it was away, and are made again."""
    fields = {'takeover': NO_TAKEOVER,
              'elements': [{'name': f'disk{i}', 'image': os.path.join(places[MEMORY], f'r{i}.img'),
                            'size': '16MiB', 'controller': i} for i in range(3)],
              'volumes': [{'name': f'part{i}', 'element': f'disk{i}'} for i in range(3)]}
    fields['volumes'].append({'name': 'vol', 'layout': 'raid5', 'members': ['part0', 'part1',
                                                                          'part2']})
    with Array(places, controllers=3, **fields,
               expected=r'controller \d .* was killed|runs again|member|is rebuilt|finished .* had begun') as array:
        def state():
            return next(one['state'] for one in array.state()['volumes'] if one['name'] == 'vol')

        with Workers(array, ('c0', 'c1', 'c2'), ('vol',)) as workers:
            for victim in (1, 2, 0):
                workers.go_on()
                kill(array, workers, victim)
                workers.go_on(10, workers.undisturbed)
                wait_until(lambda: state() == 'degraded', 'it is degraded')
                start(array, workers, victim)
                wait_until(lambda: state() == 'online', 'it is rebuilt')
        array.wait_quiet()
        for one in array.fields['elements']:
            os.unlink(one['image'])
    note('a raid5 is whole again after each')


def while_it_starts(places, **settings):
    """Killed itself, or another killed, somewhere between the start and the end of a start."""
    with Array(places, controllers=4, kinds=(MEMORY,), **settings,
               expected=r'controller \d .* was killed|runs again|cannot start|' + TAKEN) as array:
        with Workers(array, ('c0',), ('vol0',)) as workers:
            for i in range(4 * ROUNDS // 10):
                kill(array, workers, 1)
                other = 1 if i % 2 else 2
                pids = {one['pid'] for one in array.state()['controllers']}

                def strike():
                    wait = random.random() * 0.04
                    threading.Event().wait(wait)
                    one = array.controller(other)
                    if one['state'] in ('starting', 'running') and \
                            (other == 2 or one['pid'] not in pids):
                        os.kill(one['pid'], signal.SIGKILL)
                striker = threading.Thread(target=strike)
                striker.start()
                subprocess.run([ANYPORT, 'controller', 'start', '1', array.run_dir],
                               timeout=PATIENCE, stderr=subprocess.DEVNULL)
                striker.join()
                for one in (1, 2):
                    def runs():
                        if array.controller(one)['state'] == 'running':
                            return True
                        subprocess.run([ANYPORT, 'controller', 'start', str(one), array.run_dir],
                                       timeout=PATIENCE, stderr=subprocess.DEVNULL)
                    wait_until(runs, f'c{one} runs after all')
                workers.go_on(5)
        array.wait_quiet()
    note('killed while starting')


def by_itself(places):
    with Array(places, controllers=2, kinds=(MEMORY,), restart='on-death',
               expected=r'was killed|runs again|not started again: it has died 5 times|' +
               TAKEN) as array:
        for _ in range(4):
            pid = array.controller(1)['pid']
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: array.controller(1)['pid'] not in (pid, 0) and
                       array.controller(1)['state'] == 'running', 'it runs again by itself')
        os.kill(array.controller(1)['pid'], signal.SIGKILL)
        wait_until(lambda: 'it has died 5 times in a row' in array.stderr(), 'enough is enough')
        same(array.controller(1)['state'], 'dead', 'it stays dead')
        verb(array, 'start', '1')
        same(array.controller(1)['restarts'], 5, 'restarts')
    note('restarted by itself, not for ever')


def three_ports():
    """The first of three in a row that nobody has now."""
    for _ in range(100):
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError, OverflowError):
            first = probes.enter_context(socket.create_server(('127.0.0.1', 0)))
            front = first.getsockname()[1]
            for port in (front + 1, front + 2):
                probes.enter_context(socket.create_server(('127.0.0.1', port)))
            return front
    raise Skip('no three ports in a row are free')


def take_port(port):
    try:
        return socket.create_server(('127.0.0.1', port))
    except OSError:
        return None


def in_the_way(places):
    """What a start meets: a port that somebody else has, an image that is gone."""
    front = three_ports()
    with Array(places, controllers=2, kinds=(MEMORY,), takeover=NO_TAKEOVER,
               expected='was killed|runs again',
               ports={'tcp': f'127.0.0.1:{front}'}) as array:
        verb(array, 'kill', '1')
        with wait_until(lambda: take_port(front + 2), 'the port of a dead one is free'):
            verb(array, 'start', '1', fails='Address already in use')
        image = array.fields['elements'][1]['image']
        os.rename(image, image + '.away')
        verb(array, 'start', '1', fails='No such file')
        check(not os.path.exists(array.socket('c1')), 'a socket is left of a start that failed')
        same(array.controller(1)['state'], 'dead', 'it stays dead')
        os.rename(image + '.away', image)
        verb(array, 'start', '1')
        with socket.create_connection(('127.0.0.1', front + 2)) as host:
            same(host.recv(8), b'NBDMAGIC', 'its port')
    note('what was in the way is said')


def main():
    with folders() as places:
        again_and_again(places, ROUNDS)
        again_and_again(places, ROUNDS // 2, takeover=NO_TAKEOVER)
        again_and_again(places, ROUNDS // 2, cache={'mode': 'write-back', 'in-memory': True})
        in_order(places)
        with_its_elements(places)
        with_its_elements(places, cache={'mode': 'write-back', 'in-memory': True})
        with_redundancy(places)
        while_it_starts(places)
        while_it_starts(places, takeover=NO_TAKEOVER)
        by_itself(places)
        in_the_way(places)


run(main)
