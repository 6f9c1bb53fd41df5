#!/usr/bin/python3
"""`anyport element fail`: the element is taken out of use by its owner before the verb is over;
what does not exist, or cannot answer, is an error of one line."""
import errno
import json
import os
import signal
import socket

from testarray import (ANYPORT, LONG, PATIENCE, NO_TAKEOVER, Array, check, command, fails_with, folders, libnbd,
                       run, same)

INVALID_PARAMS = -32602


def element(array, *words, fails=False):
    return command(ANYPORT, 'element', *words, array.run_dir, fails=fails)


def states(array):
    listed = json.loads(element(array, 'list', '--json'))
    same(listed['version'], 1, 'the version')
    same(listed['elements'], array.state()['elements'], 'list and status')
    return [one['state'] for one in listed['elements']]


def is_taken_out_of_use(array):
    host = array.connect('vol1', 'c0')
    host.pwrite(b'x' * 512, 0)
    said = element(array, 'fail', 'disk1', fails=True)
    check('vol1' in said and '--force' in said and said.count('\n') == 1, said)
    same(states(array), ['online', 'online'], 'the states')
    same(element(array, 'fail', 'disk1', '--force'), '', 'what it says')
    same(states(array), ['online', 'failed'], 'the states')
    fails_with(errno.EIO, 'a write', host.pwrite, b'x' * 512, 0)
    fails_with(errno.EIO, 'a read', host.pread, 512, 0)
    same(element(array, 'fail', 'disk1', '--force'), '', 'once more')
    host.shutdown()


def ask(array, method, params):
    """The code of the error that a request gets."""
    with socket.socket(socket.AF_UNIX) as asker:
        asker.settimeout(PATIENCE)
        asker.connect(os.path.join(array.run_dir, 'admin.sock'))
        request = {'jsonrpc': '2.0', 'method': method, 'params': params, 'id': 1}
        asker.sendall(json.dumps(request).encode() + b'\n')
        return json.loads(asker.makefile().readline())['error']['code']


def wrong_types(array):
    """What is wrong in a request is refused, and never taken for what is not there."""
    for method, params in (('element.fail', {'name': 'disk0', 'force': 'yes'}),
                           ('element.replace', {'name': 'disk1', 'image': 5}),
                           ('element.replace', {'name': 'disk1', 'size': '1GiB'}),
                           ('link.fail', [0, 1]), ('link.fail', {'sorce': 0}),
                           ('link.repair', {'from': 0})):
        same(ask(array, method, params), INVALID_PARAMS, f'{method} {params}')
    same({one['state'] for one in array.state()['links']}, {'works'}, 'the links')


def stuck(array):
    """A controller that does not answer: there is a time limit."""
    os.kill(array.controller(0)['pid'], signal.SIGSTOP)
    try:
        said = element(array, 'fail', 'disk0', '--force', fails=True)
    finally:
        os.kill(array.controller(0)['pid'], signal.SIGCONT)
    check('timed out' in said, said)


def errors(array):
    said = element(array, 'fail', 'disk7', fails=True)
    check('there is no element disk7' in said and said.count('\n') == 1, said)
    said = element(array, 'fail', 'é' * 40, fails=True)  # a message has room for half a character
    check('there is no element é' in said and said.count('\n') == 1, said)
    said = element(array, 'replace', 'disk1', '--image', b'/tmp/\xff.img', fails=True)
    check('UTF-8' in said, said)  # and not: taken for no image, so for the old one
    command(ANYPORT, 'element', 'fail', fails=True)
    command(ANYPORT, 'element', 'mend', 'disk0', array.run_dir, fails=True)
    if LONG:
        stuck(array)
    os.kill(array.controller(1)['pid'], signal.SIGKILL)
    said = element(array, 'fail', 'disk1', '--force', fails=True)
    check('controller' in said and said.count('\n') == 1, said)


def main():
    libnbd()
    expected = 'element disk. failed: so it was asked for|controller 1 '
    with folders() as places:
        with Array(places, controllers=2, expected=expected, takeover=NO_TAKEOVER) as array:
            is_taken_out_of_use(array)
            wrong_types(array)
            errors(array)


run(main)
