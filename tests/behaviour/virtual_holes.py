#!/usr/bin/python3
"""What is trimmed on a volume with parity takes no room any more, on its data's members and on its
parity's; and the block status of a virtual volume of more chunks than one answer is about is told
in several, which tell each byte what it is."""
import os
import random

from golden import KIB, MIB
from testarray import DISK, MEMORY, Array, check, folders, libnbd, note, run, same

CONTROLLERS = 4
PART = 8 * MIB
SUPERBLOCKS = 64 * KIB
PARITIES = {'raid5': 1, 'raid6': 2}
# One answer about a stripe is about so many chunks at most (EXTENTS_CHUNKS_MAX).
CHUNK, CHUNKS_TOLD = 4 * KIB, 4096


def array_of(places, kind, layout, chunk_bytes):
    """One virtual volume, named after its layout, over one element of each controller."""
    elements = [{'name': f'disk{i}', 'image': os.path.join(places[kind], f'{layout}{i}.img'),
                 'size': str(PART), 'controller': i} for i in range(CONTROLLERS)]
    volumes = [{'name': f'vol{i}', 'element': f'disk{i}'} for i in range(CONTROLLERS)]
    volumes.append({'name': layout, 'layout': layout, 'chunk': str(chunk_bytes),
                    'members': [f'vol{i}' for i in range(CONTROLLERS)]})
    return Array(places, controllers=CONTROLLERS, elements=elements, volumes=volumes)


def room_taken(array):
    """By all images: bytes that are not holes."""
    return sum(os.stat(element['image']).st_blocks * 512 for element in array.fields['elements'])


def trimmed_parity_takes_no_room(places, kind, layout):
    with array_of(places, kind, layout, 16 * KIB) as array:
        host = array.connect(layout, 'c1')
        # By whole rows: of a row that is trimmed in two halves parity is computed, and written.
        size, step = host.get_size(), 64 * 16 * KIB * (CONTROLLERS - PARITIES[layout])
        same(size % step, 0, 'whole steps')
        for offset in range(0, size, step):
            host.pwrite(random.randbytes(step), offset)
        host.flush()
        full = room_taken(array)
        check(full >= CONTROLLERS * PART, f'{layout}: all is written: {full}')
        for offset in range(0, size, step):
            host.trim(step, offset)
        host.flush()
        left = room_taken(array)
        note(f'{layout} {kind}: {full >> 10} KiB written, {left >> 10} KiB left after the trim')
        check(left <= CONTROLLERS * (SUPERBLOCKS + 8 * KIB), f'{layout}: room that is left: {left}')
        check(host.pread(step, size - step) == bytes(step), 'zeroes are read')
        host.shutdown()


def extents_of(host, length, offset):
    found = []
    host.block_status(length, offset, lambda context, at, entries, error:
                      found.extend(zip(entries[::2], entries[1::2])))
    return found


def all_extents(host, size):
    """The first byte and length of all data, one answer after the other."""
    data, offset = [], 0
    while offset < size:
        told = 0
        for length, flags in extents_of(host, size - offset, offset):
            if flags == 0:
                data.append((offset + told, length))
            told += length
        check(0 < told <= CHUNKS_TOLD * CHUNK, f'one answer is about {told} bytes')
        offset += told
    same(offset, size, 'the answers cover the volume')
    return data


def extents_of_many_chunks(places, kind):
    with array_of(places, kind, 'stripe', CHUNK) as array:
        host = array.connect('stripe', 'c2', contexts=('base:allocation',))
        size = host.get_size()
        check(size // CHUNK > CHUNKS_TOLD, 'more chunks than one answer is about')
        written = sorted(random.sample(range(0, size // CHUNK, 2), 100))
        for chunk in written:
            host.pwrite(b'd' * CHUNK, chunk * CHUNK)
        host.flush()
        same(all_extents(host, size), [(chunk * CHUNK, CHUNK) for chunk in written], 'data')
        host.shutdown()


def main():
    libnbd()
    with folders() as places:
        for kind in (MEMORY, DISK):
            for layout in PARITIES:
                trimmed_parity_takes_no_room(places, kind, layout)
            extents_of_many_chunks(places, kind)


run(main)
