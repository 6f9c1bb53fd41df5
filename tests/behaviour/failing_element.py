#!/usr/bin/python3
"""An element whose storage really fails: EIO on reads and on writes reaches the host as EIO and
ends when the storage works again; after a failed flush no later one is acknowledged. Other volumes
of the same controller go on all the while."""
import errno
import os
import random

from fuse_file import FailingFile
from testarray import MEMORY, MIB, Array, Bystander, check, folders, libnbd, note, run, same

BLOCK = 4096


def fails(what, call, *arguments):
    try:
        call(*arguments)
    except libnbd().Error as error:
        same(error.errnum, errno.EIO, what)
        return
    raise AssertionError(f'{what}: it succeeded')


def reads_and_writes_fail(file, hosts, _):
    data = random.randbytes(4 * BLOCK)
    for port, host in hosts.items():
        host.pwrite(data, 0)
        file.fail('pread')
        for length, offset in ((BLOCK, 0), (100, 50), (4 * BLOCK, 0)):
            fails(f'a read of {length} through {port}', host.pread, length, offset)
        fails(f'a write of part of a block through {port}', host.pwrite, b'x' * 100, 50)
        file.heal('pread')
        check(host.pread(len(data), 0) == data, f'reads work again through {port}')
        file.fail('pwrite')
        for length, offset in ((BLOCK, 0), (100, 50), (4 * BLOCK, 8 * BLOCK)):
            fails(f'a write of {length} through {port}', host.pwrite, b'y' * length, offset)
        file.heal('pwrite')
        check(host.pread(len(data), 0) == data, f'what failed was not written through {port}')
        data = random.randbytes(len(data))
        host.pwrite(data, 0)
        check(host.pread(len(data), 0) == data, f'writes work again through {port}')
        host.flush()


def flush_fails(file, hosts, array):
    hosts['c0'].pwrite(b'z' * BLOCK, 0)
    same(array.element(0)['state'], 'online', 'the state before the flush')
    file.fail('flush')
    fails('a flush', hosts['c1'].flush)
    file.heal('flush')
    same(array.element(0)['state'], 'failed', 'the state of the element')
    for port, host in hosts.items():
        fails(f'a later flush through {port}', host.flush)
        fails(f'a later write through {port}', host.pwrite, b'z' * BLOCK, 0)


def on_failing_storage(places, act, expected, status):
    with FailingFile(places[MEMORY], 16 * MIB).served() as file:
        elements = [{'name': 'bad', 'image': file.path, 'controller': 0},
                    {'name': 'good', 'image': os.path.join(places[MEMORY], f'{act.__name__}.img'),
                     'size': '16MiB', 'controller': 0}]
        # without a cache, which would answer what the storage cannot
        with Array(places, controllers=2, elements=elements, expected=expected, status=status,
                   cache={'mode': 'off'},
                   volumes=[{'name': 'vol0', 'element': 'bad'},
                            {'name': 'vol1', 'element': 'good'}]) as array:
            note(f'{act.__name__}: {array.element(0)["io"]}')
            with Bystander(array, 'vol1', 'c0'):
                hosts = {port: array.connect('vol0', port) for port in ('c0', 'c1')}
                act(file, hosts, array)
                for host in hosts.values():
                    host.shutdown()
            array.wait_quiet()


def main():
    libnbd()
    with folders() as places:
        on_failing_storage(places, reads_and_writes_fail, None, 0)
    with folders() as places:
        on_failing_storage(places, flush_fails, 'element bad failed: a flush|status 1|lacks something', 1)


run(main)
