#!/usr/bin/python3
"""Whoever takes part in a seat's start is killed at each step of it in turn: the configuration controller,
while it starts the array, starts a controller again, moves an element or takes the place of another one;
the controller that starts; and one that is greeted. Hosts go on, another configuration controller adopts
what there is, and in the end every controller runs and nothing acknowledged is lost."""
import os
import shutil
import signal
import subprocess

import testarray
from testarray import (MEMORY, MIB, PATIENCE, TAKEN, Array, Skip, check, folders, note,
                       processes_of_session, run, same, wait_until)
from verifier import Verifier

PROGRAM = os.environ.get('ANYPORT_CRASH_PROGRAM')
BACK = {'mode': 'write-back', 'size': '16MiB', 'in-memory': True}
SAID = r'was killed by signal 9|is alive$|no controller is left in|has ended|runs again|is not started again|does not go back|does not answer|' + TAKEN
FIRST = ('start.saved', 'start.begun', 'spawn.forked', 'spawn.child', 'spawn.own', 'start.spawned',
         'start.spawned_all', 'start.handed_over', 'life.begun', 'life.slots', 'life.taken', 'life.made')
AGAIN = ('seat_start.equipped', 'seat_start.asked', 'greet.awaited', 'greet.watched', 'seat_start.greeted',
         'seat_start.opened', 'seat_start.marked', 'seat_start.begun', 'spawn.forked', 'spawn.child',
         'spawn.own', 'life.begun', 'life.slots', 'life.taken', 'life.made', 'life.runs', 'seat_start.spawned',
         'seat_start.runs', 'peer.seen', 'element_move.asked', 'move.begun', 'move.handed',
         'element_move.handed')
LEAD = ('lead.segment', 'lead.seat', 'lead.seats')


class Crash:
    """Who comes to the point dies, once, after it was armed."""

    def __init__(self, places, point):
        self.point = point
        self.token = os.path.join(places[MEMORY], 'token')

    def environment(self):
        os.environ['ANYPORT_CRASH'] = f'{self.point}:{self.token}'

    def arm(self):
        with open(self.token, 'w'):
            pass

    def has_come(self):
        return not os.path.exists(self.token)


def adopt(array):
    """Another configuration controller; None where it refuses."""
    array.process.wait(PATIENCE)
    array.process.stdout.close()
    array.process = subprocess.Popen([testarray.ANYPORT, 'run', '--adopt', array.config],
                                     stdout=subprocess.PIPE, stderr=array.log,
                                     stdin=subprocess.DEVNULL, text=True)
    return 'is running' in array.process.stdout.readline()


def is_led(array):
    return array.process.poll() is None


def start(array, id):
    """Its death may be known to the others only, or whoever leads may die meanwhile: not checked."""
    subprocess.run([testarray.ANYPORT, 'controller', 'start', str(id), array.run_dir], timeout=PATIENCE,
                   stderr=subprocess.DEVNULL)


def all_run(array):
    """Whoever does not is started; whoever led and died has a successor."""
    if not is_led(array):
        if not adopt(array):
            return False
    try:
        seats = array.state()['controllers']
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    for one in seats:
        if one['state'] in ('dead', 'stopped'):
            start(array, one['id'])
    return all(one['state'] == 'running' for one in seats)


def hosts_go_on(hosts):
    done = [host.done for host in hosts]
    wait_until(lambda: all(host.done > before + 50 for host, before in zip(hosts, done)), 'hosts go on')


def starts_again(places, point):
    """A controller is killed and started again; somebody dies on the way."""
    crash = Crash(places, point)
    crash.environment()
    with Array(places, controllers=3, kinds=(MEMORY,), cache=BACK, expected=SAID) as array:
        hosts = [Verifier(array, f'vol{i}', 'c0', 4 * i * MIB) for i in range(3)]
        for host in hosts:
            host.start()
        hosts_go_on(hosts)
        for host in hosts:
            host.keep_half()
        pid = array.controller(0)['pid']
        os.kill(array.controller(2)['pid'], signal.SIGKILL)
        wait_until(lambda: array.controller(2)['state'] == 'dead', 'it died')
        crash.arm()
        start(array, 2)
        wait_until(lambda: crash.has_come() or is_led(array) and all_run(array) and crash.has_come(),
                   f'somebody comes to {point}')
        wait_until(lambda: all_run(array), 'all run')
        if pid in processes_of_session(array.session):  # else the hosts' own was the victim
            hosts_go_on(hosts)
            for host in hosts:
                host.finish()
                host.verify('c0')
        wait_until(lambda: all_run(array), 'all run')
        array.wait_quiet()
        same([one['state'] for one in array.state()['volumes']], ['online'] * 3, 'volumes')


def starts_first(places, point):
    """The array is being started; what there is then is adopted, or nothing is left of it."""
    crash = Crash(places, point)
    crash.environment()
    crash.arm()
    array = Array(places, controllers=3, kinds=(MEMORY,), cache=BACK,
                  expected=SAID + '|the array is not started, because')
    array.log = open(os.path.join(array.home, 'stderr'), 'w+')
    array.process = subprocess.Popen([PROGRAM, 'run', array.config], stdout=subprocess.PIPE, stderr=array.log,
                                     stdin=subprocess.DEVNULL, text=True, start_new_session=True)
    array.session = array.process.pid
    array.process.wait(PATIENCE)  # its controllers have its standard output as well, and may live
    check(crash.has_come(), f'nobody came to {point}')
    if array.process.returncode == -signal.SIGKILL:
        wait_until(lambda: adopt(array) or processes_of_session(array.session) == [], 'adopted')
        if is_led(array):
            wait_until(lambda: all_run(array), 'all run')
            host = array.connect('vol0')
            host.pwrite(b'x' * 4096, 0)
            host.shutdown()
            array.stop()
    wait_until(lambda: processes_of_session(array.session) == [], 'no process is left')
    array.log.close()
    array.process = None
    shutil.rmtree(array.run_dir, ignore_errors=True)  # of one that nobody was left to adopt
    with array:
        host = array.connect('vol1')
        host.pread(4096, 0)
        host.shutdown()


def leads(places, point):
    crash = Crash(places, point)
    crash.environment()
    with Array(places, controllers=3, kinds=(MEMORY,), cache=BACK, expected=SAID) as array:
        hosts = [Verifier(array, f'vol{i}', 'c0', 4 * i * MIB) for i in range(3)]
        for host in hosts:
            host.start()
        array.kill_configurator()
        crash.arm()
        check(not adopt(array) and crash.has_come(), f'it does not die at {point}')
        wait_until(lambda: all_run(array), 'all run')
        hosts_go_on(hosts)
        for host in hosts:
            host.finish()
            host.verify('c0')
        array.wait_quiet()


def main():
    if PROGRAM is None:
        raise Skip('the program with crash points was not built')
    testarray.ANYPORT = PROGRAM
    for part, points in ((starts_first, FIRST), (leads, LEAD), (starts_again, AGAIN)):
        for point in points:
            with folders() as places:
                part(places, point)
            note(f'{part.__name__}, {point}')


run(main)
