#!/usr/bin/python3
"""While an array runs, write intents of regions that are left alone go, on all members and only when
all of them hold all that was written: so after everything is killed, next to nothing has to be made
equal. A region that is written stays noted; so does what a failed member lacks, and what nobody
reserves."""
import os
import random
import threading

from testarray import (DISK, LONG, MEMORY, MIB, Array, check, fails_with, folders, libnbd, note, run,
                       same, wait_until)

SUPERBLOCK, SECTOR, BITS = 64 << 10, 512, 4032
SIZE = 24 * MIB
SOON = {'clear-after': '200ms'}
COLUMNS = {'mirror': 1, 'raid10': 2, 'raid5': 2, 'raid6': 2}
MEMBERS = {'mirror': 2, 'raid10': 4, 'raid5': 3, 'raid6': 4}


def fields(places, layout, checksums=False, **more):
    members = MEMBERS[layout]
    elements = [{'name': f'disk{i}', 'controller': i % 3, 'size': str(SIZE), 'checksums': checksums,
                 'image': os.path.join(places[(MEMORY, DISK)[i % 2]], f'{layout}{i}.img')}
                for i in range(members)]
    volumes = [{'name': f'm{i}', 'element': f'disk{i}'} for i in range(members)]
    volumes.append({'name': 'safe', 'layout': layout, 'members': [f'm{i}' for i in range(members)],
                    **({} if layout == 'mirror' else {'chunk': '64KiB'})})
    return {'controllers': 3, 'elements': elements, 'volumes': volumes, 'intents': SOON, **more}


def images(array):
    return [element['image'] for element in array.fields['elements']]


def volume(array):
    return next(one for one in array.state()['volumes'] if one['name'] == 'safe')


def noted(image):
    """Regions that the bitmap's first sector means."""
    with open(image, 'rb') as file:
        file.seek(-SUPERBLOCK - 4096, os.SEEK_END)
        found = file.read(SECTOR)
    bits = int.from_bytes(found[:BITS // 8], 'little')
    return {region for region in range(BITS) if bits >> region & 1}


def all_noted(array):
    return set.union(*(noted(image) for image in images(array)))


def content(image):
    with open(image, 'rb') as file:
        return file.read(SIZE)


def scribble(host, model, count):
    for _ in range(count):
        length = random.choice((512, 4096, 70000))
        at = random.randrange(len(model) - length)
        data = random.randbytes(length)
        host.pwrite(data, at)
        model[at:at + length] = data


def holds(array, model, ports=('c0', 'c2')):
    for port in ports:
        host = array.connect('safe', port)
        for at in range(0, len(model), MIB):
            check(host.pread(MIB, at) == model[at:at + MIB], f'what {port} reads at {at}')
        host.shutdown()


def after_a_load_and_a_rest(places, layout, mode, checksums):
    """Everything is killed: only what was written last is to be made equal."""
    with Array(places, expected='was killed|made equal|flushed writes are lost',
               **fields(places, layout, checksums, cache={'mode': mode, 'in-memory': True})) as array:
        model = bytearray(COLUMNS[layout] * SIZE)
        host = array.connect('safe', 'c1')
        scribble(host, model, 60)
        host.flush()
        check(len(all_noted(array)) > 15, 'the load is noted')
        wait_until(lambda: not all_noted(array), 'nothing is noted any more')
        array.wait_quiet()
        length = 4096
        at = random.randrange(SIZE // MIB) * MIB
        model[at:at + length] = random.randbytes(length)
        host.pwrite(bytes(model[at:at + length]), at)
        host.flush()
        last = all_noted(array)
        same(len(last), 1, 'what was written last is noted')
        array.kill()
        array.start()
        check(volume(array)['resync'] <= 1, 'at most one region is to be made equal')
        wait_until(lambda: volume(array)['resync'] == 0, 'the members are made equal')
        holds(array, model)
        wait_until(lambda: not all_noted(array), 'what was made equal is not noted any more')
        array.kill()
        array.start()
        same(volume(array)['resync'], 0, 'nothing is to be made equal')
        holds(array, model)
    if layout == 'mirror':
        first, second = images(array)
        check(content(first) == content(second), 'the copies are equal')


def under_writes(places):
    """A region that is written again and again stays noted at all times."""
    with Array(places, expected='was killed|made equal', **fields(places, 'mirror')) as array:
        host = array.connect('safe', 'c0')
        scribble(host, bytearray(SIZE), 40)
        stop, gaps, looks = threading.Event(), [], [0]

        def write():
            hosts = [array.connect('safe', port) for port in ('c1', 'c2')]
            while not stop.is_set():
                for one in hosts:
                    one.pwrite(random.randbytes(512), 3 * MIB + random.randrange(2000) * 512)
                    for image in images(array):
                        looks[0] += 1
                        if 3 not in noted(image):
                            gaps.append(image)
                stop.wait(random.random() * 0.15)  # less than a region has to be left alone

        writer = threading.Thread(target=write)
        host.pwrite(b'x', 3 * MIB)
        writer.start()
        wait_until(lambda: all_noted(array) == {3}, 'the others are not noted any more')
        stop.wait(3 if LONG else 1)
        stop.set()
        writer.join()
        check(looks[0] > 10, 'it was looked at')
        same(gaps, [], 'what is written is noted')
        wait_until(lambda: not all_noted(array), 'it is left alone, and not noted any more')


def deaths(places):
    """Whoever clears, or owns a member, dies in the middle of it: what goes is never needed."""
    with Array(places, expected='killed|made equal|is owned by|finished|lost|restarted|started|again',
               **fields(places, 'raid5', cache={'mode': 'write-back', 'in-memory': True},
                        restart='on-death')) as array:
        model = bytearray(2 * SIZE)
        for turn in range(8 if LONG else 3):
            host = array.connect('safe', f'c{(turn + 1) % 3}')
            scribble(host, model, 30)
            host.shutdown()
            threading.Event().wait(random.random() * 0.5)  # somewhere in a look, or between two
            pid = array.controller(turn % 3)['pid']
            os.kill(pid, 9)
            wait_until(lambda: array.controller(turn % 3)['state'] == 'running' and
                       array.controller(turn % 3)['pid'] != pid, 'it runs again')
            holds(array, model, (f'c{(turn + 2) % 3}',))
        array.connect('safe', 'c0').flush()  # what is dirty goes with the last of them
        wait_until(lambda: not all_noted(array), 'nothing is noted any more')
        array.kill()
        array.start()
        same(volume(array)['resync'], 0, 'nothing is to be made equal')
        holds(array, model)


def what_must_stay(places):
    """What a failed member lacks; what is written without a reservation; all, where it is said so."""
    for what, more in (('none', {'coordination': {'policy': 'none'}}),
                       ('never', {'intents': {'clear-after': '0s'}})):
        with Array(places, **fields(places, 'mirror', **more)) as array:
            host = array.connect('safe', 'c0')
            host.pwrite(b'x', 5 * MIB)
            threading.Event().wait(0.9)  # more than two looks
            same(all_noted(array), {5}, what)
    with Array(places, expected='failed', **fields(places, 'raid5')) as array:
        host = array.connect('safe', 'c0')
        host.pwrite(b'x', 7 * MIB)
        victim = images(array)[2]
        size = os.path.getsize(victim)
        os.truncate(victim, size - 1)
        host.pwrite(random.randbytes(MIB), 0)
        os.truncate(victim, size)
        same(volume(array)['state'], 'degraded', 'its state')
        before = all_noted(array)
        threading.Event().wait(0.9)  # more than two looks
        same(all_noted(array), before, 'without a member')


def beside_checksums(places):
    """A plain volume's too, and then damage is noticed after everything was killed."""
    path = os.path.join(places[DISK], 'plain.img')
    elements = [{'name': 'disk0', 'image': path, 'size': str(SIZE), 'controller': 0,
                 'checksums': True}]
    with Array(places, expected='was killed|does not fit', controllers=1, cache={'mode': 'off'},
               elements=elements, volumes=[{'name': 'vol', 'element': 'disk0'}],
               intents=SOON) as array:
        host = array.connect('vol', 'c0')
        for region in range(24):
            host.pwrite(random.randbytes(8192), region * MIB)
        wait_until(lambda: not noted(path), 'nothing is noted any more')
        array.kill()
        with open(path, 'r+b', buffering=0) as file:
            os.pwrite(file.fileno(), b'damage', 9 * MIB + 4096)
        array.start()
        host = array.connect('vol', 'c0')
        for region in range(24):
            if region == 9:
                fails_with(5, 'damage is noticed', host.pread, 8192, region * MIB)
            else:
                host.pread(8192, region * MIB)


def main():
    libnbd()
    loads = [('mirror', 'write-back', False), ('raid5', 'write-through', True)]
    if LONG:
        loads = [(layout, mode, checksums) for layout in MEMBERS
                 for mode in ('off', 'write-through', 'write-back') for checksums in (False, True)]
    for load in loads:
        note(f'after_a_load_and_a_rest {load}')
        with folders() as places:
            after_a_load_and_a_rest(places, *load)
    for act in (under_writes, deaths, what_must_stay, beside_checksums):
        note(act.__name__)
        with folders() as places:
            act(places)


run(main)
