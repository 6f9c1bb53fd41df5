#!/usr/bin/python3
"""anyport run --run COMMAND is told to end: all that COMMAND started is told so too, and what does
not listen is killed in bounded time. The exit status is COMMAND's, and nothing is left."""
import os
import signal
import subprocess
import time

from testarray import (ANYPORT, MEMORY, PATIENCE, Array, check, folders, note,
                       processes_of_session, run, same, wait_until)

KILLED_AFTER = 5  # COMMAND_END_SECONDS


def names_of(pids):
    found = []
    for pid in pids:
        try:
            with open(f'/proc/{pid}/comm') as file:
                found.append(file.read().strip())
        except OSError:
            pass
    return found


def told_to_end(places, script, status, waits_for):
    """Starts, waits until the script says so, sends SIGTERM; returns how long the end took."""
    array = Array(places, controllers=2, kinds=(MEMORY,))
    process = subprocess.Popen([ANYPORT, 'run', array.config, '--run', script], text=True,
                               stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        same(process.stdout.readline(), 'ready\n', 'what the command says')
        wait_until(lambda: waits_for in names_of(processes_of_session(process.pid)), waits_for)
        began = time.monotonic()
        process.terminate()
        same(process.wait(PATIENCE), status, f'exit status of {script}')
        took = time.monotonic() - began
        left = names_of(processes_of_session(process.pid))
        check(not [name for name in left if name in ('sh', waits_for)], f'left: {left}')
        check(not os.path.exists(array.run_dir), 'the run-dir is left')
        return took
    finally:
        for pid in processes_of_session(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        os.remove(array.config)
        os.rmdir(array.home)


def main():
    with folders() as places:
        took = told_to_end(places, 'echo ready; sleep 1000; true', 128 + signal.SIGTERM, 'sleep')
        check(took < KILLED_AFTER, f'what listens to SIGTERM ends at once, not after {took:.1f} s')
        took = told_to_end(places, 'trap "exit 7" TERM; echo ready; sleep 1000', 7, 'sleep')
        check(took < KILLED_AFTER, f'an orderly end is waited for, not {took:.1f} s')
        took = told_to_end(places, 'trap "" TERM; echo ready; sleep 1000; true',
                           128 + signal.SIGKILL, 'sleep')
        check(KILLED_AFTER - 1 < took < KILLED_AFTER + 10, f'SIGKILL after {took:.1f} s')
        note(f'what ignores SIGTERM was killed after {took:.1f} s')


run(main)
