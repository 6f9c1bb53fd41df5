#!/usr/bin/python3
"""The configuration controller is killed and another one takes its place (anyport run --adopt): hosts
go on all the time, what happened in between is dealt with, and the new one does all that the first
did, up to an orderly end. What cannot be adopted is refused, and says why."""
import json
import os
import signal
import socket
import subprocess

from testarray import (ANYPORT, DISK, MEMORY, NO_TAKEOVER, PATIENCE, TAKEN, Array, check, folders,
                       note, run, same, wait_until)
from workers import Workers

EXPECTED = r'controller \d .* (was killed|has ended)|controller \d runs again|' + TAKEN


def anyport(*words, fails=None):
    done = subprocess.run([ANYPORT, *words], text=True, timeout=PATIENCE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if fails is None:
        same(done.returncode, 0, f'{words}: {done.stderr}')
    else:
        check(done.returncode != 0 and fails in done.stderr,
              f'{words}: {done.returncode}, {done.stderr!r}, not {fails!r}')
    return done.stdout


def adopt(array, config=None):
    """Another configuration controller: it is the array's process from then on."""
    array.process.stdout.close()
    array.process = subprocess.Popen([ANYPORT, 'run', '--adopt', config or array.config],
                                     stdout=subprocess.PIPE, stderr=array.log,
                                     stdin=subprocess.DEVNULL, text=True)
    line = array.process.stdout.readline()
    check('is running' in line, f'it was not adopted: {line}{array.stderr()}')


def again_and_again(places, **settings):
    with Array(places, controllers=3, kinds=(MEMORY, DISK), expected=EXPECTED,
               **settings) as array:
        with Workers(array, ('c0', 'c1', 'c2'), ('vol0', 'vol1', 'vol2')) as workers:
            for i in range(4):
                workers.go_on()
                array.kill_configurator()
                workers.go_on()
                anyport('run', array.config, fails='allowed: anyport run --adopt')
                adopt(array)
                anyport('run', '--adopt', array.config, fails='is alive')
                workers.go_on()
                same([one['state'] for one in array.state()['controllers']], ['running'] * 3,
                     'after it was adopted')
                victim = i % 3
                workers.disturbed |= {f'c{victim}'}
                if 'takeover' in settings:
                    workers.disturbed |= {f'vol{victim}'}
                anyport('controller', 'kill', str(victim), array.run_dir)
                anyport('controller', 'start', str(victim), array.run_dir)
                workers.go_on(1)
                workers.disturbed.clear()
        array.wait_quiet()
    note(f'adopted again and again {settings}')


def what_happened_meanwhile(places):
    """One has died and nobody was there: its I/O is found to have landed, and it can be started."""
    with Array(places, controllers=3, kinds=(MEMORY,), status=0, expected=EXPECTED) as array:
        pid = array.controller(1)['pid']
        with Workers(array, ('c0', 'c2'), ('vol0', 'vol2')) as workers:
            workers.go_on()
            array.kill_configurator()
            os.kill(pid, signal.SIGKILL)
            workers.go_on()
            adopt(array)
            same(array.controller(1)['state'], 'dead', 'the one that died meanwhile')
            check(not os.path.exists(array.socket('c1')), 'its socket is left')
            anyport('controller', 'start', '1', array.run_dir)
            wait_until(lambda: array.element(1)['controller'] == 1, 'its element is back')
            workers.go_on()
            array.kill_configurator()
            adopt(array)
            workers.go_on()
        array.wait_quiet()
    note('one that died meanwhile lives again')


def volumes_are_known(places):
    """What was made while the array ran is known to the next; and it makes more."""
    def names(array):
        return sorted(one['name'] for one in array.state()['volumes'])

    with Array(places, controllers=2, kinds=(MEMORY,), status=0,
               volumes=[{'name': 'vol0', 'element': 'disk0', 'size': '1MiB'}]) as array:
        anyport('volume', 'create', 'one', '--element', 'disk1', '--size', '1MiB', array.run_dir)
        array.kill_configurator()
        adopt(array)
        anyport('volume', 'create', 'two', '--element', 'disk1', '--offset', '1MiB', '--size', '1MiB',
                array.run_dir)
        same(names(array), ['one', 'two', 'vol0'], 'volumes')
        anyport('volume', 'delete', 'one', array.run_dir)
        array.kill_configurator()
        adopt(array)
        same(names(array), ['two', 'vol0'], 'volumes')
        anyport('dump', array.run_dir)
    note('volumes that were made are known')


def ends_in_order(places):
    """SIGTERM to the whole group does not end controllers before their hosts are served."""
    with Array(places, controllers=2, kinds=(MEMORY,), status=0) as array:
        array.kill_configurator()
        adopt(array)
        for one in array.state()['controllers']:
            os.kill(one['pid'], signal.SIGTERM)
        same([one['state'] for one in array.state()['controllers']], ['running'] * 2, 'led ones')
    note('ended in order')


def is_refused(places):
    with Array(places, controllers=2, kinds=(MEMORY,)) as array:
        anyport('run', '--adopt', array.config, fails='is alive')
        anyport('run', '--adopt', array.config, '--run', 'true', fails='--run is for an array')
        other = os.path.join(array.home, 'other.yaml')
        with open(array.config) as file, open(other, 'w') as to:
            to.write(file.read().replace('array: "test"', 'array: "other"'))
        anyport('run', '--adopt', other, fails='array test with 2 controllers runs')
        same([one['state'] for one in array.state()['controllers']], ['running'] * 2, 'all')
        away = os.path.join(array.home, 'away.yaml')
        with open(array.config) as file, open(away, 'w') as to:
            to.write(file.read().replace('/r"', '/nowhere"'))
        anyport('run', '--adopt', away, fails='no array runs')
    note('refused what is to be refused')


def two_at_once(places):
    with Array(places, controllers=2, kinds=(MEMORY,)) as array:
        array.kill_configurator()
        both = [subprocess.Popen([ANYPORT, 'run', '--adopt', array.config], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        lines = [one.stdout.readline() for one in both]
        winners = [one for one, line in zip(both, lines) if 'is running' in line]
        same(len(winners), 1, f'winners: {lines}')
        loser = next(one for one in both if one is not winners[0])
        check(loser.wait(PATIENCE) != 0, 'the loser')
        check('is alive' in loser.stderr.read(), 'what the loser says')
        array.process.stdout.close()
        array.process = winners[0]
        loser.stdout.close()
        loser.stderr.close()
        same([one['state'] for one in array.state()['controllers']], ['running'] * 2, 'all')
    note('one of two wins')


def one_hangs(places):
    """Nobody is kept from adopting by the one that is asked first: it is killed, as one that hangs."""
    with Array(places, controllers=2, kinds=(MEMORY,),
               expected='does not answer who takes|' + EXPECTED) as array:
        pid = array.controller(0)['pid']
        array.kill_configurator()
        os.kill(pid, signal.SIGSTOP)
        adopt(array)
        wait_until(lambda: [one['state'] for one in array.state()['controllers']] ==
                   ['dead', 'running'] and array.element(0)['controller'] == 1, 'its death')
    note('adopted beside one that hangs')


def one_is_held(places):
    """With heartbeat 0 nobody is killed for standing still, perhaps in a debugger: it is led when it
    goes on. And a stop that had been asked for goes on, of that one alone."""
    with Array(places, controllers=3, count=2, kinds=(MEMORY,), heartbeat=0,
               expected='does not answer who takes .* is waited for') as array:
        pid = array.controller(2)['pid']
        os.kill(pid, signal.SIGSTOP)
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(array.socket('admin'))
            admin.sendall(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'controller.stop',
                                      'params': {'id': 2}}).encode() + b'\n')
            array.state()  # who is asked now has been asked that before
            array.kill_configurator()
        adopt(array)
        same([one['state'] for one in array.state()['controllers']], ['running'] * 3, 'all')
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: array.controller(2)['state'] == 'stopped', 'its stop goes on')
        same([one['state'] for one in array.state()['controllers']], ['running', 'running', 'stopped'], 'all')
        pid = array.controller(1)['pid']
        array.kill_configurator()
        os.kill(pid, signal.SIGSTOP)
        adopt(array)
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: subprocess.run(
            [ANYPORT, 'element', 'move', 'disk1', '--to', '0', array.run_dir], timeout=PATIENCE,
            stderr=subprocess.DEVNULL).returncode == 0, 'it is asked and does it')
        same(array.element(1)['controller'], 0, 'who has it')
    note('one that is held is waited for')


def main():
    with folders() as places:
        one_is_held(places)
        again_and_again(places)
        again_and_again(places, takeover=NO_TAKEOVER)
        what_happened_meanwhile(places)
        volumes_are_known(places)
        ends_in_order(places)
        is_refused(places)
        two_at_once(places)
        one_hangs(places)


run(main)
