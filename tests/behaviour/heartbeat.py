#!/usr/bin/python3
"""A controller that is alive but stuck is found within its heartbeat and killed; hosts elsewhere go
on. Nobody is killed because the whole array stood still, nor where nobody looks; and one that looks
idle is well."""
import os
import signal
import subprocess
import time

from testarray import (ANYPORT, MEMORY, PATIENCE, TAKEN, Array, check, folders, note, run, same,
                       wait_until)
from workers import Workers

HEARTBEAT = 1
SLACK = 4  # of a loaded machine: who looks late begins anew


def is_stuck_under_load(places):
    with Array(places, controllers=3, kinds=(MEMORY,), heartbeat=HEARTBEAT,
               expected=r'controller 1 .* has done nothing for .*: it is stopped by a signal|'
               r'controller 1 .* was killed by signal 9|runs again|' + TAKEN) as array:
        with Workers(array, ('c0', 'c1', 'c2'), ('vol0', 'vol1', 'vol2')) as workers:
            workers.go_on()
            for _ in range(2):
                workers.disturbed |= {'c1', 'vol1'}
                pid = array.controller(1)['pid']
                began = time.monotonic()
                os.kill(pid, signal.SIGSTOP)
                wait_until(lambda: array.controller(1)['state'] == 'dead', 'it is found')
                took = time.monotonic() - began
                note(f'found after {took:.2f} s')
                check(HEARTBEAT * 0.7 < took < HEARTBEAT * 1.5 + SLACK, f'found after {took:.2f} s')
                workers.go_on(10, workers.undisturbed)
                subprocess.run([ANYPORT, 'controller', 'start', '1', array.run_dir], check=True,
                               timeout=PATIENCE)
                workers.go_on(1)
                workers.disturbed.clear()


def is_stuck_without_work(places):
    """Nobody posts anything to it, and no host is there: its doorbell is all that shows it."""
    with Array(places, controllers=2, kinds=(MEMORY,), heartbeat=HEARTBEAT,
               expected='controller 1|' + TAKEN) as array:
        time.sleep(HEARTBEAT * 3)  # idle, and well: this time is what is tested
        same([one['state'] for one in array.state()['controllers']], ['running'] * 2, 'the idle')
        os.kill(array.controller(1)['pid'], signal.SIGSTOP)
        wait_until(lambda: array.controller(1)['state'] == 'dead', 'it is found')
    note('an idle one as well')


def all_stand_still(places):
    """As on a terminal, or in a machine that sleeps."""
    with Array(places, controllers=3, kinds=(MEMORY,), heartbeat=HEARTBEAT) as array:
        with Workers(array, ('c0', 'c1', 'c2'), ('vol0', 'vol1', 'vol2')) as workers:
            workers.go_on()
            os.killpg(array.process.pid, signal.SIGSTOP)
            time.sleep(HEARTBEAT * 2.5)  # this time is what is tested
            # The controllers a little later than who looks at them.
            os.kill(array.process.pid, signal.SIGCONT)
            time.sleep(HEARTBEAT / 3)
            os.killpg(array.process.pid, signal.SIGCONT)
            workers.go_on()
        same([one['state'] for one in array.state()['controllers']], ['running'] * 3, 'all')
    note('nobody was killed for standing still together')


def nobody_looks(places):
    with Array(places, controllers=2, kinds=(MEMORY,), heartbeat=0) as array:
        pid = array.controller(1)['pid']
        os.kill(pid, signal.SIGSTOP)
        time.sleep(3)  # this time is what is tested: longer than the default
        same(array.controller(1)['state'], 'running', 'where nobody looks')
        os.kill(pid, signal.SIGCONT)
    note('with 0 nobody looks')


def main():
    with folders() as places:
        is_stuck_under_load(places)
        is_stuck_without_work(places)
        all_stand_still(places)
        nobody_looks(places)


run(main)
