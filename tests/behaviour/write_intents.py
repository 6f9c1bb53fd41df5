#!/usr/bin/python3
"""Before a write to a redundant volume begins, its members' images say where it may be. So after any
end it is known in which regions the members may differ, and they are made equal there, and nowhere
else; what a failed member lacks stays noted until it is made good."""
import os
import random
import re
import struct
import subprocess

from testarray import (ANYPORT, DISK, MEMORY, MIB, Array, check, folders, libnbd, note, run, same,
                       wait_until)

SUPERBLOCK, SECTOR, BITS = 64 << 10, 512, 4032
SIZE = 24 * MIB
RIGHT, AGREE = 1, 2  # states of a sector


def fields(places, layout):
    members = 2 if layout == 'mirror' else 3
    elements = [{'name': f'disk{i}', 'controller': i, 'size': str(SIZE),
                 'image': os.path.join(places[(MEMORY, DISK)[i % 2]], f'{layout}{i}.img')}
                for i in range(members)]
    volumes = [{'name': f'm{i}', 'element': f'disk{i}'} for i in range(members)]
    volumes.append({'name': 'safe', 'layout': layout, 'members': [f'm{i}' for i in range(members)],
                    **({} if layout == 'mirror' else {'chunk': '64KiB'})})
    return {'controllers': members, 'elements': elements, 'volumes': volumes,
            'intents': {'clear-after': '0s'}}  # what goes before (intents_cleared.py)


def images(array):
    return [element['image'] for element in array.fields['elements']]


def volume(array):
    return next(one for one in array.state()['volumes'] if one['name'] == 'safe')


def sector(image):
    """(regions, states) of the bitmap's first sector, or (none, both) where nothing was written."""
    with open(image, 'rb') as file:
        file.seek(-SUPERBLOCK - 4096, os.SEEK_END)
        found = file.read(SECTOR)
    if found == bytes(SECTOR):
        return set(), RIGHT | AGREE
    bits = int.from_bytes(found[:BITS // 8], 'little')
    return ({region for region in range(BITS) if bits >> region & 1},
            struct.unpack_from('<I', found, BITS // 8)[0])


def write(host, region, size=4096):
    host.pwrite(random.randbytes(size), region * MIB + random.randrange(MIB - size))


def are_on_the_image_before_the_answer(array, host):
    wanted = set()
    for region in random.sample(range(SIZE // MIB), 6):
        write(host, region)
        wanted.add(region)
        for image in images(array):
            same(sector(image), (wanted, 0), f'{image} after a write to region {region}')
    for act in (host.zero, host.trim):
        region = random.choice(sorted(set(range(SIZE // MIB)) - wanted))
        act(4096, region * MIB)
        wanted.add(region)
        for image in images(array):
            same(sector(image)[0], wanted, f'{image} after zeroes in region {region}')
    host.pwrite(bytes(3 * MIB), 7 * MIB)
    same(sector(images(array)[0])[0], wanted | {7, 8, 9}, 'a write across regions')
    return wanted | {7, 8, 9}


def poke(image, at, data):
    with open(image, 'r+b', buffering=0) as file:
        os.pwrite(file.fileno(), data, at)
        os.fsync(file.fileno())


def content(image, region):
    with open(image, 'rb') as file:
        file.seek(region * MIB)
        return file.read(MIB)


def made_equal(array):
    wait_until(lambda: volume(array)['resync'] == 0, 'the members are made equal')


def of_a_mirror(places):
    with Array(places, expected='was killed|made equal', **fields(places, 'mirror')) as array:
        same(volume(array)['resync'], 0, 'a new volume')
        host = array.connect('safe', 'c1')
        are_on_the_image_before_the_answer(array, host)
        host.shutdown()
        array.stop()
        for image in images(array):
            same(sector(image), (set(), RIGHT | AGREE), 'after an orderly end')
        array.start()
        same(volume(array)['resync'], 0, 'after an orderly end')
        host = array.connect('safe', 'c0')
        for region in (3, 5, 21):
            write(host, region)
        array.kill()
        for number, region in enumerate((3, 21, 20)):  # as writes leave it that were half done
            poke(images(array)[number % 2], region * MIB + 70000, random.randbytes(9000))
        array.start()
        made_equal(array)
        array.stop()
        first, second = images(array)
        for region in range(SIZE // MIB):
            same(content(first, region) == content(second, region), region != 20,
                 f'region {region} is equal, if it was being written')
        for image in images(array):
            same(sector(image), (set(), RIGHT | AGREE), 'after it was made equal')
        array.start()
        same(volume(array)['resync'], 0, 'and after the next start')


def row_is_right(array, region):
    parts = [int.from_bytes(content(image, region), 'little') for image in images(array)]
    return parts[0] ^ parts[1] ^ parts[2] == 0


def of_parity(places):
    """What was answered is not changed; parity is made to fit what is there."""
    with Array(places, expected='was killed|made equal', **fields(places, 'raid5')) as array:
        model = random.randbytes(8 * MIB)
        host = array.connect('safe', 'c0')
        for at in range(0, len(model), MIB):
            host.pwrite(model[at:at + MIB], at)
        array.kill()
        check(row_is_right(array, 1), 'parity, before')
        for chunk in range(16):  # of rows 16 to 31, one member each: P is on all of them in turn
            row = 16 + chunk
            parity = 2 - row % 3
            poke(images(array)[parity], row * (64 << 10), random.randbytes(500))
        check(not row_is_right(array, 1), 'half-done rows')
        array.start()
        made_equal(array)
        for port in ('c0', 'c2'):
            host = array.connect('safe', port)
            for at in range(0, len(model), MIB):
                check(host.pread(MIB, at) == model[at:at + MIB], 'what was answered')
            host.shutdown()
        array.stop()
        check(all(row_is_right(array, region) for region in range(4)), 'parity, after')


def anyport(*arguments):
    return subprocess.run([ANYPORT, *arguments], capture_output=True, text=True, timeout=60)


def is_refused(array):
    """Of a row not wholly written nobody can tell what a stale member held: it is said, by `run` and
    by `check`, which bytes, and nothing is changed."""
    before = [open(image, 'rb').read() for image in images(array)]
    for verb in ('check', 'run'):
        refused = anyport(verb, array.config)
        same(refused.returncode, 2, f'{verb} refuses')
        check(re.search(r'volume.*safe.*m2 is stale.*may be lost, of bytes 0 to 2097152, 33554432 to '
                        r'35651584; anyport run --force', refused.stderr), refused.stderr)
        same(refused.stdout, '', 'and nothing else')
    check(before == [open(image, 'rb').read() for image in images(array)], 'nothing is changed')


def of_parity_without_a_member(places):
    """Such an array starts when it is told to, and needs not be told again after an orderly end."""
    with Array(places, expected='failed|is stale|killed', **fields(places, 'raid5')) as array:
        host = array.connect('safe', 'c0')
        victim = images(array)[2]
        size = os.path.getsize(victim)
        os.truncate(victim, size - 1)
        host.pwrite(random.randbytes(MIB), 0)
        host.pwrite(random.randbytes(512), 33 * MIB)
        os.truncate(victim, size)
        array.kill()
        is_refused(array)
        array.start('--force')
        check('may be lost' in array.stderr(), 'it is said')
        host = array.connect('safe', 'c0')
        write(host, 11)
        array.kill()
        same(anyport('check', array.config).returncode, 2, 'it is doubtful again')
        array.start('--force')
        array.stop()
        array.start()
        same(volume(array)['resync'], 0, 'its members cannot contradict each other')
        check('may be lost' not in array.stderr(), 'it is not said again')


def what_a_failed_member_lacks(places):
    with Array(places, expected='failed|is stale', **fields(places, 'raid5')) as array:
        host = array.connect('safe', 'c0')
        host.pwrite(random.randbytes(MIB), 0)
        victim = images(array)[2]
        size = os.path.getsize(victim)
        os.truncate(victim, size - 1)
        write(host, 9)
        host.pwrite(random.randbytes(MIB), 30 * MIB)
        os.truncate(victim, size)
        same(volume(array)['state'], 'degraded', 'its state')
        host.shutdown()
        array.stop()
        said = [sector(image) for image in images(array)[:2]]
        same([states for _, states in said], 2 * [RIGHT | AGREE], 'the others agree')
        kept = said[0][0] | said[1][0]  # of a row, not all need have been written
        check({0, 15} <= kept and kept & {4, 5}, f'all say together what it lacks: {kept}')
        array.start()
        same(volume(array)['resync'], 0, 'nothing is to be made equal')
        host = array.connect('safe', 'c0')
        host.pwrite(b'x', 44 * MIB)
        host.shutdown()
        array.stop()
        now = set.union(*(sector(image)[0] for image in images(array)[:2]))
        same(now, kept | {22}, 'it goes on to be noted')


def after_a_controller_died(places):
    """It may have written to one member and not to the other."""
    with Array(places, expected='killed|stale|failed|made equal|is owned by|finished what',
               **fields(places, 'mirror')) as array:
        host = array.connect('safe', 'c0')
        write(host, 2)
        host.shutdown()
        os.kill(array.controller(1)['pid'], 9)
        wait_until(lambda: array.controller(1)['state'] == 'dead', 'it is gone')
        array.stop()
        array.status = 0
        regions, states = sector(images(array)[0])
        same(regions, {2}, 'what is kept')
        check(states & AGREE == 0, 'members may differ')
        array.start()
        made_equal(array)  # there is one left


def main():
    libnbd()
    for act in (of_a_mirror, of_parity, of_parity_without_a_member, what_a_failed_member_lacks,
                after_a_controller_died):
        note(act.__name__)
        with folders() as places:
            act(places)


run(main)
