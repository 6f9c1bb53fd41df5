#!/usr/bin/python3
"""Before a write to a redundant volume begins, its members' images say where it may be. So after any
end it is known in which regions the members may differ, and after an orderly one that they do not
differ anywhere; what a failed member lacks stays noted until it is made good."""
import os
import random
import struct

from testarray import DISK, MEMORY, MIB, Array, check, folders, libnbd, note, run, same, wait_until

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
    return {'controllers': members, 'elements': elements, 'volumes': volumes}


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


def of_a_mirror(places):
    with Array(places, expected='was killed', **fields(places, 'mirror')) as array:
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
        array.start()
        same(volume(array)['resync'], 3, 'after everything was killed')
        host = array.connect('safe', 'c0')
        write(host, 11)
        host.shutdown()
        array.stop()
        for image in images(array):  # nobody has made them equal
            regions, states = sector(image)
            same(regions, {3, 5, 11, 21}, 'after an orderly end that follows')
            check(states & AGREE == 0, 'and it does not say that members agree')
        array.start()
        check(volume(array)['resync'] >= 3, 'and still after it')


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
    with Array(places, status=1, expected='killed|stale|failed', **fields(places, 'mirror')) as array:
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
        check(volume(array)['resync'] > 0, 'the next start knows')


def main():
    libnbd()
    for act in (of_a_mirror, what_a_failed_member_lacks, after_a_controller_died):
        note(act.__name__)
        with folders() as places:
            act(places)


run(main)
