#!/usr/bin/python3
"""Sixteen controllers start within a second, and an idle array uses less than a hundredth of one
processor."""
import os
import time

from testarray import (MEMORY, Array, Host, check, folders, is_sanitized, note,
                       processes_of_session, run, same)

CONTROLLERS = 16
IDLE_SECONDS = 3
IDLE_SHARE = 0.01
# A sanitizer's own start takes its time in each process.
START_SECONDS = 4 if is_sanitized() else 1


def processor_seconds(pids):
    ticks = 0
    for pid in pids:
        with open(f'/proc/{pid}/stat') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')


def idle_share(array):
    pids = processes_of_session(array.process.pid)
    same(len(pids), CONTROLLERS + 1, 'processes')
    began, before = time.monotonic(), processor_seconds(pids)
    time.sleep(IDLE_SECONDS)  # what is measured is this time
    return (processor_seconds(pids) - before) / (time.monotonic() - began)


def main():
    with folders() as places:
        took = []
        for _ in range(3):  # other programs run on this machine as well: the best one counts
            array = Array(places, controllers=CONTROLLERS, kinds=(MEMORY,), size='1MiB')
            began = time.monotonic()
            with array:
                took.append(time.monotonic() - began)
        note(f'{CONTROLLERS} controllers started in {min(took):.3f} s')
        check(min(took) < START_SECONDS, f'starting took {min(took):.3f} s')
        with Array(places, controllers=CONTROLLERS, size='1MiB') as array:
            share = idle_share(array)
            note(f'idle: {share:.4f} of a processor')
            check(share < IDLE_SHARE, f'an array that nobody used took {share:.4f}')
            hosts = [Host(array, port).go('vol3') for port in array.ports]
            for host in hosts:
                for _ in range(100):
                    host.works('starting')
            share = idle_share(array)
            note(f'idle with {len(hosts)} hosts, after work: {share:.4f} of a processor')
            check(share < IDLE_SHARE, f'an idle array with hosts took {share:.4f}')
            for host in hosts:
                host.close()


run(main)
