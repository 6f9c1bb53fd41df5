#!/usr/bin/python3
"""What is acknowledged stands where the mode promises: written through, on the element; written
back, there after a flush, FUA, an orderly end, or by itself after a while. Every process is killed
to see it. What is dirty in a hole of the image is data."""
import os
import random

from testarray import (DISK, MIB, Array, check, command, folders, libnbd, need, note, run, same,
                       wait_until)

BLOCK = 4096
SIZE = 16 * MIB


def start(places, mode, **more):
    return Array(places, controllers=2, kinds=(DISK,), count=1, size=f'{SIZE // MIB}MiB',
                 cache={'size': '4MiB', 'mode': mode}, **more)


def image_of(array):
    with open(array.fields['elements'][0]['image'], 'rb') as image:
        return image.read()


def cache_of(array):
    return array.state()['volumes'][0]['cache']


def write_some(host, golden, count, flags=0):
    for _ in range(count):
        length = random.choice([BLOCK, 100, 3 * BLOCK, 64 << 10])
        offset = random.randrange(SIZE - length)
        data = random.randbytes(length)
        host.pwrite(data, offset, flags=flags)
        golden[offset:offset + length] = data


def killed_while(places, mode, act):
    """What `act` did, and returned as bytes, is in the image when everything was killed."""
    with start(places, mode) as array:
        host = array.connect('vol0', 'c1')
        host.zero(SIZE, 0)
        golden = bytearray(SIZE)
        act(array, host, golden)
        array.kill()
        check(image_of(array) == golden, f'{mode}, {act.__name__}: the image')
    note(f'{mode}, {act.__name__}: all of it is in the image')


def acknowledged(_, host, golden):
    write_some(host, golden, 200)


def flushed(array, host, golden):
    write_some(host, golden, 200)
    check(cache_of(array)['dirty'] > 0, 'something is dirty')
    host.flush()
    same(cache_of(array)['dirty'], 0, 'dirty after a flush')


def with_fua(_, host, golden):
    write_some(host, golden, 60, flags=libnbd().CMD_FLAG_FUA)


def left_alone(array, host, golden):
    write_some(host, golden, 40)
    wait_until(lambda: cache_of(array)['dirty'] == 0, 'what is dirty is written back')


def an_orderly_end_writes_back(places):
    golden = bytearray(SIZE)
    with start(places, 'write-back') as array:
        host = array.connect('vol0', 'c0')
        host.zero(SIZE, 0)
        write_some(host, golden, 40)
        check(cache_of(array)['dirty'] > 0, 'something is dirty')
        host.shutdown()
        array.stop()
        check(image_of(array) == golden, 'the image after an orderly end')


def unflushed_is_lost(places):
    """The proof is one: without a flush, what is dirty goes with the processes."""
    with start(places, 'write-back') as array:
        host = array.connect('vol0', 'c0')
        host.zero(SIZE, 0)
        host.pwrite(b'x' * BLOCK, 0)
        array.kill()
        check(image_of(array)[:BLOCK] == bytes(BLOCK), 'it was not written at once')


def dirty_in_a_hole_is_data(places):
    need('nbdinfo')
    os.unlink(os.path.join(places[DISK], 'disk0.img'))
    with start(places, 'write-back') as array:
        host = array.connect('vol0', 'c0', contexts=['base:allocation'])
        host.pwrite(b'x' * BLOCK, 5 * MIB)
        found = []
        host.block_status(SIZE, 0, lambda _c, _o, entries, _e: found.extend(entries))
        kinds = {}
        at = 0
        for length, kind in zip(found[::2], found[1::2]):
            kinds[at] = (length, kind)
            at += length
        same(kinds[5 * MIB][1], 0, 'the state of what was written')
        same(kinds[0][1], 3, 'the state of what was not')
        # trimmed again: a hole, and reads as one
        host.trim(BLOCK, 5 * MIB)
        check(host.pread(BLOCK, 5 * MIB) == bytes(BLOCK), 'trimmed while it may be dirty')
        host.shutdown()


def fio_verifies(places):
    need('fio')
    with start(places, 'write-back') as array:
        command('fio', '--name=job', '--ioengine=nbd', f'--uri={array.uri("vol0", "c1")}',
                '--rw=randrw', '--verify=crc32c', '--verify_fatal=1', '--iodepth=32', '--bs=4k',
                '--size=12m', '--time_based=1', '--runtime=2', cwd=array.home, timeout=120)
        check(cache_of(array)['written_back'] > 0, 'it was written back')


def main():
    libnbd()
    with folders() as places:
        killed_while(places, 'write-through', acknowledged)
        for act in (flushed, with_fua, left_alone):
            killed_while(places, 'write-back', act)
        an_orderly_end_writes_back(places)
        unflushed_is_lost(places)
        dirty_in_a_hole_is_data(places)
        fio_verifies(places)


run(main)
