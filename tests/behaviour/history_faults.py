#!/usr/bin/python3
"""anyport-history tells servers that lie from one that does not: a server of our own has one fault
at a time, and each must be found and called by its name."""
import json
import os
import random
import signal
import subprocess

from testarray import PATIENCE, Skip, check, note, run, same, wait_until
from wrong_server import Server

HISTORY = os.environ.get('ANYPORT_HISTORY')
ORDERS = ('block order', 'command order', 'never written')

# The fault, the options, and the verdicts that name it. Some break also in another way, as the
# window that they are found in ends here or there.
FAULTS = (
    ('torn block', [], ('torn block',)),
    ('torn block', ['--hammer'], ('torn block', 'command order', 'block order')),
    ('torn command', [], ('command order',)),
    ('torn command', ['--hammer'], ('command order',)),
    ('lost update', [], ORDERS),
    ('early answer', [], ORDERS),
    ('stale read', [], ORDERS),
    ('stale read', ['--scope=blocks'], ('block order', 'never written')),
    ('stale read', ['--block-bytes=512'], ORDERS),
    ('astray', [], ('astray block',)),
)


def begin(server, *options):
    words = [HISTORY, '--json', f'--seed={random.getrandbits(32)}', '--connections=4', '--depth=4',
             '--window=256', *options, server.uri]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def ended(process):
    """(exit status, what it printed as JSON, or None)"""
    try:
        text = process.communicate(timeout=PATIENCE)[0]
    finally:
        process.kill()
        process.wait()
    return process.returncode, json.loads(text) if text else None


def history(server, *options):
    return ended(begin(server, *options))


def no_fault(*options):
    with Server() as server:
        status, found = history(server, '--operations=3000', *options)
        same((status, found['verdict'], found['undecided']), (0, 'valid', 0), f'no fault {options}')
        check(found['operations'] >= 3000, 'all operations were answered')


def fault(name, options, verdicts):
    with Server(name) as server:
        status, found = history(server, '--operations=20000', *options)
        same(status, 1, f'{name} {options}: exit status; {found}')
        check(found['verdict'] in verdicts, f'{name} {options}: {found["verdict"]}')
        check(found['explanation'].startswith(found['verdict']), 'an explanation')
        note(f'{name} {options}: found after {found["operations"]}: {found["verdict"]}')


def torn_commands_are_allowed_by_block():
    with Server('torn command') as server:
        status, found = history(server, '--operations=3000', '--scope=blocks')
        same((status, found['verdict']), (0, 'valid'), 'torn commands, each block for itself')


def no_answer():
    with Server('silent') as server:
        status, found = history(server, '--operations=2000', '--patience=0.5')
        same((status, found['verdict'], found['unanswered']), (1, 'valid', True), 'no answer')


def connections_that_break():
    with Server('breaks') as server:
        status, found = history(server, '--operations=2000')
        same((status, found['verdict']), (1, 'valid'), 'a broken connection')
        check(found['lost'] > 0, 'what was in flight is lost')
    with Server('breaks') as server:
        status, found = history(server, '--operations=3000', '--reconnect')
        same((status, found['verdict']), (0, 'valid'), f'connections made anew: {found}')
        check(found['lost'] > 3, 'and several times')


def a_signal_ends_it_with_a_report():
    with Server() as server:
        process = begin(server, '--operations=1000000000')
        wait_until(lambda: server.done > 1000, 'some operations')
        process.send_signal(signal.SIGINT)
        status, found = ended(process)
        same((status, found['verdict']), (0, 'valid'), 'ended by a signal')
        check(found['operations'] > 1000 and found['windows'] > 0, 'what was done is reported')


def main():
    if HISTORY is None:
        raise Skip('anyport-history was not built: libnbd-dev is not installed')
    no_fault()
    no_fault('--hammer')
    no_fault('--block-bytes=512', '--reads=70')
    for one in FAULTS:
        fault(*one)
    torn_commands_are_allowed_by_block()
    no_answer()
    connections_that_break()
    a_signal_ends_it_with_a_report()


run(main)
