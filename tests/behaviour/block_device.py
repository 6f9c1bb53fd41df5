#!/usr/bin/python3
"""A block device as an element: read, written, trimmed and zeroed through its owner and through
another controller; one that is smaller than the configuration says is refused."""
import contextlib
import os
import random
import subprocess

from testarray import (ANYPORT, DISK, MIB, PATIENCE, Array, Skip, check, command, folders, libnbd,
                       need, run, same, wait_until)

SIZE = 32 * MIB


@contextlib.contextmanager
def loop_device(places):
    """(the device, the file behind it)"""
    need('losetup')
    path = os.path.join(places[DISK], 'behind')
    with open(path, 'wb') as file:
        file.truncate(SIZE)
    try:
        device = command('losetup', '--find', '--show', path).strip()
    except AssertionError as why:
        raise Skip(f'no loop device: {str(why).splitlines()[-1]}') from None
    try:
        yield device, path
    finally:
        command('losetup', '--detach', device)


def element(device, **more):
    return {'elements': [dict({'name': 'device', 'image': device, 'controller': 0}, **more)],
            'volumes': [{'name': 'vol0', 'element': 'device'}]}


def used(places, device):
    """Does all that a host can do; returns what the device must hold."""
    model = bytearray(SIZE)
    with Array(places, controllers=2, **element(device)) as array:
        same(array.volume_size('vol0'), SIZE, 'the size comes from the device')
        same(array.element(0)['io'], 'direct', 'the way of I/O')
        hosts = [array.connect('vol0', port) for port in ('c0', 'c1')]
        for turn in range(200):
            host = hosts[turn % 2]
            offset = random.randrange(SIZE - MIB)
            length = random.choice((1, 511, 512, 4096, 65536, random.randrange(1, MIB)))
            if turn % 4 < 2:
                offset, length = offset & ~4095, (length + 4095) & ~4095
            act = random.choice(('write', 'write', 'zero', 'trim', 'read'))
            if act == 'write':
                data = random.randbytes(length)
                host.pwrite(data, offset)
                model[offset:offset + length] = data
            elif act == 'zero':
                host.zero(length, offset)
                model[offset:offset + length] = bytes(length)
            elif act == 'trim':  # may free, and then what is there is the device's to say
                host.trim(length, offset)
                model[offset:offset + length] = host.pread(length, offset)
            found = hosts[1 - turn % 2].pread(length, offset)
            check(found == model[offset:offset + length], f'turn {turn}: {act} {length}@{offset}')
        hosts[0].flush()
        for host in hosts:
            host.shutdown()
        array.wait_quiet()
    return bytes(model)


def too_small(places, device):
    array = Array(places, controllers=2, **element(device, size='64MiB'))
    done = subprocess.run([ANYPORT, 'run', array.config], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, timeout=PATIENCE)
    same(done.returncode, 2, f'exit status: {done.stdout}')
    check(f'{SIZE} bytes' in done.stdout and 'allowed' in done.stdout, done.stdout)
    check(not os.path.exists(array.run_dir), 'nothing is created')
    os.unlink(array.config)
    os.rmdir(array.home)


def main():
    libnbd()
    with folders() as places, loop_device(places) as (device, path):
        too_small(places, device)
        model = used(places, device)

        def has_landed():
            with open(path, 'rb') as file:
                return file.read() == model
        wait_until(has_landed, 'the file behind the device holds what was written')


run(main)
