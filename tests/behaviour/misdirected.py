#!/usr/bin/python3
"""Blocks that were written to the wrong place: each holds good data, with a checksum that was good
where it belongs. A scrub of members with checksums finds every one of them, on every layout with
redundancy, and mends it; what was answered is read afterwards. So it does for blocks that were
exchanged, and for those of which a write was lost."""
import os
import random
import subprocess

from testarray import (ANYPORT, DISK, LONG, MEMORY, MIB, PATIENCE, Array, check, folders, libnbd,
                       note, run, same)

BLOCK = 4096
CHUNK = 16 << 10
MEMBER = 2 * MIB
LAYOUTS = {'mirror': 2, 'raid10': 4, 'raid5': 3, 'raid6': 4}
SAID = r'checksum|copies differ|parity does not fit|do not agree|wrong|block'
EACH = 60 if LONG else 12 # blocks of each kind of damage


def lab(places, layout, count):
    elements = [{'name': f'e{i}', 'size': str(MEMBER), 'controller': i % 2, 'checksums': True,
                 'image': os.path.join(places[(MEMORY, DISK)[i % 2]], f'{layout}{i}.img')}
                for i in range(count)]
    volumes = [{'name': f'm{i}', 'element': f'e{i}'} for i in range(count)]
    safe = {'name': 'safe', 'layout': layout, 'members': [one['name'] for one in volumes]}
    if layout != 'mirror':
        safe['chunk'] = str(CHUNK)
    return Array(places, controllers=2, elements=elements, volumes=volumes + [safe], expected=SAID,
                 cache={'mode': 'off'})


def fill(array):
    host = array.connect('safe')
    data = random.randbytes(host.get_size())
    for at in range(0, len(data), MIB):
        host.pwrite(data[at:at + MIB], at)
    host.flush()
    host.shutdown()
    return data


def whole(array):
    host = array.connect('safe', 'c1')
    size = host.get_size()
    data = b''.join(host.pread(min(MIB, size - at), at) for at in range(0, size, MIB))
    host.shutdown()
    return data


class Image:
    """A member's, behind the array's back."""

    def __init__(self, array, member):
        self.file = open(array.fields['elements'][member]['image'], 'r+b', buffering=0)

    def read(self, block):
        return os.pread(self.file.fileno(), BLOCK, block * BLOCK)

    def write(self, block, data):
        os.pwrite(self.file.fileno(), data, block * BLOCK)

    def all(self):
        return [self.read(block) for block in range(MEMBER // BLOCK)]

    def close(self):
        os.fsync(self.file.fileno()) # what the page cache holds is not what O_DIRECT reads
        self.file.close()


def misdirect(images, old):
    """Each place is damaged on one member at most, so that the others can tell what it held. `old`
    is what was there before the last write of each block."""
    places = random.sample(range(MEMBER // BLOCK), 2 * EACH)
    for number in range(EACH):
        member = random.randrange(len(images))
        image, one, other = images[member], places.pop(), places.pop()
        if number % 4 == 0: # what was meant for one place came to another
            image.write(other, image.read(one))
            image.write(one, old[member][one])
        elif number % 4 == 1: # exchanged
            first, second = image.read(one), image.read(other)
            image.write(one, second)
            image.write(other, first)
        elif number % 4 == 2: # what was meant for another member
            image.write(one, images[member - 1].read(other))
        else: # never came
            image.write(one, old[member][one])


def scrub(array, wrong, repaired, *options):
    done = subprocess.run([ANYPORT, 'scrub', '--wait', *options, 'safe', array.run_dir], text=True,
                          stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    same(done.stdout, f'volume safe: {wrong} blocks differed, {repaired} repaired\n', 'the scrub')
    same(done.returncode, 3 if wrong else 0, 'its status')


def is_found_and_mended(places, layout, count, stopped):
    with lab(places, layout, count) as array:
        fill(array)
        images = [Image(array, member) for member in range(count)]
        old = [image.all() for image in images]
        data = fill(array)
        scrub(array, 0, 0)
        if stopped:
            array.stop()
        good = [image.all() for image in images]
        misdirect(images, old)
        bad = [image.all() for image in images]
        wrong = sum(one != other for before, after in zip(good, bad)
                    for one, other in zip(before, after))
        check(wrong >= EACH, f'only {wrong} blocks are wrong')
        for image in images:
            image.close()
        if stopped:
            array.start()
        scrub(array, wrong, 0)
        scrub(array, wrong, wrong, '--repair')
        scrub(array, 0, 0)
        check(whole(array) == data, f'{layout}: what was written')
    note(f'{layout}, {"stopped" if stopped else "running"}: {wrong} blocks found and mended')


def main():
    libnbd()
    for layout, count in LAYOUTS.items():
        for stopped in (False, True):
            with folders() as places:
                is_found_and_mended(places, layout, count, stopped)


run(main)
