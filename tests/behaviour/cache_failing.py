#!/usr/bin/python3
"""Write-back to storage that fails: the element fails, a flush says EIO, and nothing that was
acknowledged is quietly forgotten; other volumes of the same controller go on. A fill that fails is
an EIO of that command alone."""
import contextlib
import errno
import os

from fuse_file import FailingFile
from testarray import (MEMORY, MIB, Array, Bystander, check, fails_with, folders, libnbd, run, same,
                       wait_until)

BLOCK = 4096
CACHE = {'size': '1MiB', 'mode': 'write-back', 'in-memory': True}


def volume(array, name):
    return next(one for one in array.state()['volumes'] if one['name'] == name)


def write_back_fails(file, host, array):
    for at in range(16):
        host.pwrite(bytes([at + 1]) * BLOCK, at * 2 * BLOCK)
    file.fail('pwrite')
    fails_with(errno.EIO, 'a flush of what cannot be written', host.flush)
    same(array.element(0)['state'], 'failed', 'the element')
    file.heal('pwrite')
    fails_with(errno.EIO, 'a later flush', host.flush)
    fails_with(errno.EIO, 'a later read', host.pread, BLOCK, 0)
    check(volume(array, 'vol0')['cache']['dirty'] > 0, 'what could not be written is still there')


def sync_fails_once(file, host, array):
    host.pwrite(b'z' * BLOCK, 0)
    file.fail('flush')
    fails_with(errno.EIO, 'a flush', host.flush)
    file.heal('flush')
    same(array.element(0)['state'], 'failed', 'the element')
    fails_with(errno.EIO, 'the next flush', host.flush)


def fill_fails(file, host, array):
    file.fail('pread')
    fails_with(errno.EIO, 'a write of part of a block', host.pwrite, b'x' * 100, 5 * MIB + 50)
    fails_with(errno.EIO, 'a read', host.pread, BLOCK, 5 * MIB)
    file.heal('pread')
    check(host.pread(BLOCK, 5 * MIB) == bytes(BLOCK), 'what failed was not taken in')
    host.pwrite(b'x' * 100, 5 * MIB + 50)
    check(host.pread(200, 5 * MIB) == bytes(50) + b'x' * 100 + bytes(50), 'it works again')
    host.flush()
    same(array.element(0)['state'], 'online', 'the element')


def begin_writes(host, count, first=0):
    """That long and that odd, five have reserved all that may be dirty."""
    data = bytearray(b'x' * 120000)
    return [(host, host.aio_pwrite(libnbd().Buffer.from_bytearray(data), at * MIB + 100))
            for at in range(first, first + count)]


def is_answered(host, cookie):
    with contextlib.suppress(libnbd().Error):  # the write's: it is an answer
        return host.aio_command_completed(cookie)
    return True


def fills_of_many_fail(file, host, array):
    """Those that wait for room get what the failing ones had reserved; also those of the other
    volume, whose blocks become dirty while the cache's timer fires."""
    other = array.connect('vol1', 'c1')
    file.fail('pread')
    left = begin_writes(host, 10) + begin_writes(other, 3, first=1)  # behind a bystander's MiB

    def all_are_answered():
        for one in (host, other):
            one.poll(10)
        left[:] = [write for write in left if not is_answered(*write)]
        return not left

    wait_until(all_are_answered, 'all writes are answered', 20)
    file.heal('pread')
    other.shutdown()


def on_failing_storage(places, act, status, expected):
    with FailingFile(places[MEMORY], 16 * MIB).served() as file:
        elements = [{'name': 'bad', 'image': file.path, 'controller': 0},
                    {'name': 'good', 'image': os.path.join(places[MEMORY], f'{act.__name__}.img'),
                     'size': '16MiB', 'controller': 0}]
        with Array(places, controllers=2, elements=elements, expected=expected, cache=CACHE,
                   status=status, volumes=[{'name': 'vol0', 'element': 'bad'},
                                           {'name': 'vol1', 'element': 'good'}]) as array:
            with Bystander(array, 'vol1', 'c0'):
                host = array.connect('vol0', 'c1')
                act(file, host, array)
                host.shutdown()
            array.wait_quiet()


def main():
    libnbd()
    lost = '|exited with status 1|lacks something'  # what was acknowledged is nowhere
    for act, status, expected in ((write_back_fails, 1, 'element bad failed: dirty blocks' + lost),
                                  (sync_fails_once, 1, 'element bad failed: a flush' + lost),
                                  (fill_fails, 0, None),
                                  (fills_of_many_fail, 0, None)):
        with folders() as places:
            on_failing_storage(places, act, status, expected)


run(main)
