#!/usr/bin/python3
"""What goes wrong at an element reaches the host as what it is: ENOSPC from a full file system, EIO
from an image that became shorter - never zeroes -, through the owner and through others."""
import contextlib
import errno
import os
import random

from testarray import (DISK, MEMORY, MIB, Array, Skip, check, command, fails_with, folders, libnbd,
                       note, run, same, wait_until)


# --- a full file system ---

def unmount(folder):
    """The kernel takes an io_uring apart, and lets go of its files, a little after its process."""
    def done():
        with contextlib.suppress(AssertionError):
            return command('umount', folder) == ''
    wait_until(done, f'umount {folder}')


@contextlib.contextmanager
def small_tmpfs(places):
    folder = os.path.join(places[MEMORY], 'small')
    os.mkdir(folder)
    command('mount', '-t', 'tmpfs', '-o', 'size=24m', 'none', folder)
    try:
        yield folder
    finally:
        unmount(folder)


@contextlib.contextmanager
def small_ext4(places):
    folder, disk = os.path.join(places[DISK], 'small'), os.path.join(places[DISK], 'disk')
    os.mkdir(folder)
    with open(disk, 'wb') as file:
        file.truncate(32 * MIB)
    command('mkfs.ext4', '-q', '-O', '^has_journal', disk)
    command('mount', '-o', 'loop', disk, folder)
    try:
        yield folder
    finally:
        unmount(folder)


def fill(array, port):
    """Writes until the file system is full. Returns what could be written: {offset: bytes}."""
    nbd = libnbd()
    host = array.connect('vol0', port)
    written = {}
    try:
        for offset in range(0, 40 * MIB, MIB):
            data = random.randbytes(MIB)
            host.pwrite(data, offset)
            written[offset] = data
    except nbd.Error as error:
        same(error.errnum, errno.ENOSPC, f'a write to a full file system through {port}')
    else:
        raise AssertionError('the file system never became full')
    fails_with(errno.ENOSPC, 'another write', host.pwrite, bytes(MIB - 1) + b'x', 41 * MIB)
    fails_with(errno.ENOSPC, 'zeroes that keep their space', host.zero, 20 * MIB, 41 * MIB,
               nbd.CMD_FLAG_NO_HOLE)
    for offset, data in written.items():
        check(host.pread(MIB, offset) == data, 'what was written before is still there')
    host.flush()
    host.pwrite(b'again', 5)  # there is room for what is there already
    host.trim(8 * MIB, 0)
    host.pwrite(random.randbytes(MIB), 41 * MIB)  # and there is room again
    host.shutdown()
    return len(written)


def full(places, make):
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(make(places))
        except (AssertionError, OSError) as why:
            raise Skip(f'cannot mount a small file system: {str(why).splitlines()[-1]}') from None
        size = '24MiB' if make is small_tmpfs else '20MiB'
        # Two images, together larger than their file system; the second makes it full.
        for port in ('c0', 'c1'):
            elements = [{'name': f'disk{i}', 'image': os.path.join(folder, f'{port}{i}.img'),
                         'size': '22MiB' if i else size, 'controller': 0} for i in (0, 1)]
            image = elements[0]['image']
            with open(image, 'wb') as file:
                file.truncate(64 * MIB)  # sparse: more than there is room for
            elements[0].pop('size')
            with Array(places, controllers=2, elements=elements[:1],
                       volumes=[{'name': 'vol0', 'element': 'disk0'}]) as array:
                written = fill(array, port)
                note(f'{make.__name__}, {array.element(0)["io"]}, through {port}: full after '
                     f'{written} MiB')
                same(array.element(0)['state'], 'online', 'the state of a full element')
            os.unlink(image)


# --- an image that becomes shorter ---

def truncated(places):
    # without a cache, which would answer what the image has no more
    with Array(places, controllers=3, count=2, cache={'mode': 'off'},
               expected='disk[01].*(truncated|failed)') as array:
        for index in (0, 1):
            image = array.fields['elements'][index]['image']
            hosts = {port: array.connect(f'vol{index}', port) for port in array.ports}
            host = hosts[f'c{index}']
            host.pwrite(b'x' * MIB, 0)
            host.pwrite(b'y' * MIB, 20 * MIB)
            host.flush()
            os.truncate(image, 10 * MIB + 1000)
            for port, host in hosts.items():
                for length, offset in ((4096, 20 * MIB), (1, 20 * MIB), (MIB, 20 * MIB),
                                       (4096, 10 * MIB), (MIB, 10 * MIB - 4096)):
                    fails_with(errno.EIO, f'a read of {length} at {offset} through {port}',
                               host.pread, length, offset)
            for port, host in hosts.items():
                for length, offset in ((4096, 30 * MIB), (100, 30 * MIB), (MIB, 40 * MIB)):
                    fails_with(errno.EIO, f'a write of {length} at {offset} through {port}',
                               host.pwrite, bytes(length), offset)
                    fails_with(errno.EIO, 'a zero', host.zero, length, offset)
                    fails_with(errno.EIO, 'a flush', host.flush)
            same(os.stat(image).st_size, 10 * MIB + 1000, 'the image is not made long again')
            same(array.element(index)['state'], 'failed', 'the state of the element')
            note(f'{array.element(index)["io"]}: EIO through every port')
            for host in hosts.values():
                host.shutdown()


def truncated_before_a_write(places):
    """The first that touches it is a write, or a block status, or a flush, each on its own."""
    acts = {'write': lambda host: host.pwrite(b'x' * 100, 50),
            'long write': lambda host: host.pwrite(b'x' * MIB, 40 * MIB),
            'zero': lambda host: host.zero(4096, 40 * MIB),
            'trim': lambda host: host.trim(4096, 40 * MIB),
            'block status': lambda host: host.block_status(MIB, 40 * MIB, lambda *_: 0)}
    for kind in (MEMORY, DISK):
        with Array(places, controllers=2, kinds=(kind,), size='64MiB',
                   elements=[{'name': f'short{i}',
                              'image': os.path.join(places[kind], f'short{i}.img'),
                              'size': '64MiB', 'controller': 0} for i in range(len(acts))],
                   volumes=[{'name': f'vol{i}', 'element': f'short{i}'} for i in range(len(acts))],
                   expected='short[0-9].*(truncated|failed)') as array:
            for i, (what, act) in enumerate(acts.items()):
                host = array.connect(f'vol{i}', 'c1', contexts=('base:allocation',))
                os.truncate(array.fields['elements'][i]['image'], 5 * MIB)
                fails_with(errno.EIO, f'{what} on a truncated image in {kind}', act, host)
                same(os.stat(array.fields['elements'][i]['image']).st_size, 5 * MIB,
                     f'the image after {what}')
                host.shutdown()


def main():
    libnbd()
    with folders() as places:
        truncated(places)
        truncated_before_a_write(places)
        if os.geteuid() != 0:
            raise Skip('only root can mount a small file system; the rest passed')
        full(places, small_tmpfs)
        full(places, small_ext4)


run(main)
