#!/usr/bin/python3
"""What hosts see through the ports of different controllers is linearizable: random overlapping
commands, many in flight, are put into one order that explains every answer (tests/history)."""
import json
import os
import random
import signal
import subprocess

from testarray import (DISK, LONG, MEMORY, TAKEN, Array, Skip, check, folders, note, run, same,
                       wait_until)

HISTORY = os.environ.get('ANYPORT_HISTORY')
OPERATIONS = 10_000_000
TIMEOUT = 3600 if LONG else 60


def begin(array, volume, *options):
    """Starts it, through all controllers' ports."""
    uris = [array.uri(volume, f'c{i}') for i in range(array.controllers)]
    words = [HISTORY, '--json', f'--seed={random.getrandbits(32)}', *options, *uris]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def ended(process, volume, *options):
    """Waits for it. What it found, which must be no violation."""
    try:
        text = process.communicate(timeout=TIMEOUT)[0]
    finally:
        process.kill()
        process.wait()
    check(text, f'exit status {process.returncode}')
    found = json.loads(text)
    same((process.returncode, found['verdict']), (0, 'valid'), f'{options}: {found}')
    same(found['undecided'], 0, 'undecided windows')
    slowest = max(host['max_over_median'] for host in found['hosts'])
    note(f'{volume} {" ".join(options)}: {found["operations"]} operations, '
         f'{found["operations_per_second"]:.0f} a second, {found["lost"]} lost; slowest over '
         f'median {slowest:.0f}, largest median over smallest {found["median_max_over_min"]:.2f}; '
         f'seed {found["seed"]}')
    check(found['operations'] > 500, 'something was done')
    return found


def history(array, volume, *options):
    found = ended(begin(array, volume, *options), volume, *options)
    same((found['lost'], found['errors']), (0, 0), 'lost, errors')


def one_controller_dies(places):
    """What its hosts had in flight may have been done or not, now or a little later, but once and
    by whole blocks; the other ports go on."""
    options = ['--operations=15000', '--scope=blocks', '--reconnect', '--window=4096']
    victim = 3
    for kind in (MEMORY, DISK):
        with Array(places, kinds=(kind,),
                   expected=f'controller {victim} .* was killed by signal 9|{TAKEN}') as array:
            before = array.controller(victim)
            process = begin(array, 'vol1', *options)
            wait_until(lambda: array.controller(victim)['redirected_out'] > 300, 'load')
            os.kill(before['pid'], signal.SIGKILL)
            found = ended(process, 'vol1', *options)
            same(found['errors'], 0, 'errors at the other ports')
            check(found['lost'] > 0, 'something was in flight at the port that died')


def main():
    if HISTORY is None:
        raise Skip('anyport-history was not built: libnbd-dev is not installed')
    kinds = (MEMORY, DISK)
    end = '--seconds=8' if LONG else '--seconds=0.4'
    with folders() as places:
        with Array(places, kinds=kinds) as array:
            # A plain volume promises blocks. An element in memory does each command at once, so
            # there whole commands are looked at too.
            for volume, scope in (('vol0', 'commands'), ('vol1', 'blocks')):
                scope = f'--scope={scope}'
                history(array, volume, end, scope)
                history(array, volume, end, scope, '--connections=3', '--depth=3', '--blocks=4')
                history(array, volume, end, scope, '--block-bytes=512')
                history(array, volume, end, scope, '--hammer')
            if LONG:
                history(array, 'vol2', f'--operations={OPERATIONS}')
            array.wait_quiet()
        one_controller_dies(places)


if __name__ == "__main__":
    run(main)
