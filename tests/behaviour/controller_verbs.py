#!/usr/bin/python3
"""anyport controller: kill ends one controller at once and is over when it is gone; the last one that
runs needs --force; list says who sits where, since when; what is wrong is refused with the reason."""
import json
import os
import signal
import socket
import subprocess
import time

from testarray import ANYPORT, MEMORY, PATIENCE, TAKEN, Array, check, folders, note, run, same


def verb(array, *words, fails=None):
    """anyport controller ...: its output; or, where it must fail, what it says is looked at."""
    done = subprocess.run([ANYPORT, 'controller', *words, array.run_dir], text=True,
                          timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if fails is None:
        same(done.returncode, 0, f'controller {words}: {done.stderr}')
    else:
        check(done.returncode != 0, f'controller {words} succeeded')
        check(fails in done.stderr, f'controller {words} says {done.stderr!r}, not {fails!r}')
    return done.stdout


def listed(array):
    return json.loads(verb(array, 'list', '--json'))['controllers']


def refuses_what_is_wrong(array):
    verb(array, 'kill', '7', fails='allowed: id, a number from 0 to 2')
    verb(array, 'kill', 'disk0', fails='disk0: no controller; allowed: its number')
    verb(array, 'kill', '1x', fails='1x: no controller')
    verb(array, 'strangle', '1', fails='strangle: unknown; allowed: list, kill, stop, start')
    verb(array, 'kill', '1', '--json', fails='--json is for list')
    same([one['state'] for one in listed(array)], ['running'] * 3, 'after all that')


def shows_seats(array, began):
    one = listed(array)[1]
    same((one['id'], one['state'], one['epoch'], one['restarts']), (1, 'running', 1, 0), 'a seat')
    same(one['elements'], ['disk1'], 'what it owns')
    check(began - 1 <= one['since'] <= time.time() + 1, f'since {one["since"]}, not {began}')
    check(os.path.exists(f'/proc/{one["pid"]}'), 'its process')
    lines = verb(array, 'list').splitlines()
    check(lines[0].split() == ['CONTROLLER', 'STATE', 'PID', 'EPOCH', 'SINCE', 'RESTARTS',
                               'ELEMENTS', 'CONNECTIONS'], lines[0])
    check(lines[2].startswith('c1 ') and ' running ' in lines[2], lines[2])


class Stop:
    """Asks for the stop of a controller that hangs, by a connection of its own that has been served
    before: so whoever asks for something after this comes later."""

    def __init__(self, array, index):
        self.pid = array.controller(index)['pid']
        self.admin = socket.socket(socket.AF_UNIX)
        self.admin.settimeout(PATIENCE)
        self.admin.connect(os.path.join(array.run_dir, 'admin.sock'))
        self.lines = self.admin.makefile('rw')
        self.ask('controller.list')
        self.answer()
        os.kill(self.pid, signal.SIGSTOP)
        self.ask('controller.stop', id=index)

    def ask(self, method, **params):
        print(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}),
              file=self.lines, flush=True)

    def answer(self):
        return json.loads(self.lines.readline())

    def go_on(self):
        """It hangs no longer. Returns what the stop was answered."""
        os.kill(self.pid, signal.SIGCONT)
        answer = self.answer()
        self.lines.close()
        self.admin.close()
        return answer


def nothing_goes_to_one_that_stops(places):
    elements = [{'name': f'disk{i}', 'image': os.path.join(places[MEMORY], f'stop{i}.img'),
                 'size': '1MiB', 'controller': 0} for i in range(6)]
    volumes = [{'name': f'vol{i}', 'element': f'disk{i}'} for i in range(6)]
    with Array(places, controllers=3, elements=elements, volumes=volumes,
               expected='controller . .* was killed by signal 9|' + TAKEN) as array:
        stop = Stop(array, 1)
        moved = subprocess.run([ANYPORT, 'element', 'move', 'disk0', '--to', '1', array.run_dir],
                               text=True, timeout=PATIENCE, stderr=subprocess.PIPE)
        verb(array, 'kill', '0')  # of what that one had some comes to the one that stops
        answer = stop.go_on()
        check(moved.returncode != 0 and 'is being stopped' in moved.stderr, moved.stderr)
        check('result' in answer, answer)
        same(listed(array)[1]['state'], 'stopped', 'the one that stops')
        same({(one['controller'], one['state']) for one in array.state()['elements']},
             {(2, 'online')}, 'elements')
    note('nothing stays with one that stops')


def two_do_not_stop(places):
    with Array(places, controllers=2, kinds=(MEMORY,)) as array:
        stop = Stop(array, 1)
        verb(array, 'stop', '0', fails='it is the last one that runs')
        verb(array, 'kill', '0', fails='it is the last one that runs')
        stop.go_on()
        same(listed(array)[0]['state'], 'running', 'the last one')
    note('one that stops does not count')


def main():
    with folders() as places:
        nothing_goes_to_one_that_stops(places)
        two_do_not_stop(places)
        began = time.time()
        with Array(places, controllers=3, kinds=(MEMORY,), status=1,
                   expected='controller . .* was killed by signal 9|no controller is left|' + TAKEN) as array:
            refuses_what_is_wrong(array)
            shows_seats(array, began)
            pid = listed(array)[1]['pid']
            verb(array, 'kill', '1')
            check(not os.path.exists(f'/proc/{pid}'), 'kill is over before its process is gone')
            same(listed(array)[1]['state'], 'dead', 'the killed one')
            verb(array, 'kill', '1', fails='it does not run; allowed: one that does')
            verb(array, 'kill', 'c2')
            verb(array, 'kill', '0', fails='it is the last one that runs')
            same(listed(array)[0]['state'], 'running', 'the last one')
            note('killed two, and not the last')
            verb(array, 'kill', '0', '--force')
            array.ended()


run(main)
