#!/usr/bin/python3
"""What hosts see through the ports of different controllers is linearizable: random overlapping
commands, many in flight, are put into one order that explains every answer (tests/history)."""
import json
import os
import random
import subprocess

from testarray import DISK, LONG, MEMORY, Array, Skip, check, folders, note, run, same

HISTORY = os.environ.get('ANYPORT_HISTORY')
OPERATIONS = 10_000_000
TIMEOUT = 3600 if LONG else 60


def history(array, volume, *options):
    """Runs it through all controllers' ports; what it found."""
    uris = [array.uri(volume, f'c{i}') for i in range(array.controllers)]
    words = [HISTORY, '--json', f'--seed={random.getrandbits(32)}', *options, *uris]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT)
    check(done.stdout, f'exit status {done.returncode}')
    found = json.loads(done.stdout)
    same((done.returncode, found['verdict']), (0, 'valid'), f'{options}: {found}')
    same((found['lost'], found['errors'], found['undecided']), (0, 0, 0), 'lost, errors, undecided')
    slowest = max(host['max_over_median'] for host in found['hosts'])
    note(f'{volume} {" ".join(options)}: {found["operations"]} operations, '
         f'{found["operations_per_second"]:.0f} a second; slowest over median {slowest:.0f}, '
         f'largest median over smallest {found["median_max_over_min"]:.2f}; seed {found["seed"]}')
    check(found['operations'] > 500, 'something was done')


def main():
    if HISTORY is None:
        raise Skip('anyport-history was not built: libnbd-dev is not installed')
    kinds = (MEMORY, DISK)
    end = '--seconds=8' if LONG else '--seconds=0.6'
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


run(main)
