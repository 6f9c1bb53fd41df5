#!/usr/bin/python3
"""A controller is started again while the configuration controller has no descriptor left for one thing
after another that this takes: it says so, no process is left of it, and it can be tried again."""
import os
import resource
import signal
import subprocess

from testarray import (ANYPORT, DISK, MEMORY, NO_TAKEOVER, PATIENCE, TAKEN, Array, check, folders, note,
                       processes_of_session, run, same, wait_until)
from workers import Workers


def open_descriptors(pid):
    return {int(name) for name in os.listdir(f'/proc/{pid}/fd')}


def start(array, victim):
    return subprocess.run([ANYPORT, 'controller', 'start', str(victim), array.run_dir], text=True,
                          timeout=PATIENCE, stderr=subprocess.PIPE)


def each_limit(places, **settings):
    with Array(places, controllers=3, kinds=(MEMORY, DISK), **settings,
               expected=r'was killed|runs again|cannot open it once more|' + TAKEN) as array:
        leader = array.process.pid
        with Workers(array, ('c0', 'c2'), ('vol0', 'vol2')) as workers:
            os.kill(array.controller(1)['pid'], signal.SIGKILL)
            wait_until(lambda: array.controller(1)['state'] == 'dead', 'it died')
            same(len(processes_of_session(array.session)), 3, 'processes')
            before = resource.prlimit(leader, resource.RLIMIT_NOFILE)
            used, refused = open_descriptors(leader), 0
            free = (number for number in range(1 << 16) if number not in used)
            next(free), next(free)  # for who asks; and for who looks
            for limit in free:
                resource.prlimit(leader, resource.RLIMIT_NOFILE, (limit, before[1]))
                done = start(array, 1)
                resource.prlimit(leader, resource.RLIMIT_NOFILE, before)
                if done.returncode == 0:
                    break
                check('Too many open files' in done.stderr or 'cannot' in done.stderr, done.stderr)
                wait_until(lambda: len(processes_of_session(array.session)) == 3,
                           f'no process is left with a limit of {limit}')
                same(array.controller(1)['state'], 'dead', f'with a limit of {limit}')
                wait_until(lambda: len(open_descriptors(leader)) <= len(used),
                           f'no descriptor is left with a limit of {limit}', 5)
                refused += 1
            check(refused > 3, f'{refused} refused')
            same([one['state'] for one in array.state()['controllers']], ['running'] * 3, 'all')
            workers.go_on()
        array.wait_quiet()
    note(f'{settings}: {refused} limits')


def main():
    for settings in ({}, {'takeover': NO_TAKEOVER}):
        with folders() as places:
            each_limit(places, **settings)


run(main)
