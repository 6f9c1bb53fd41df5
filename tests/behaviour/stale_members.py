#!/usr/bin/python3
"""A member of a redundant volume that missed a write is not read again after the array was started
anew, however it ended; and an image that is not what the configuration takes it for is refused."""
import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import time

from testarray import (ANYPORT, DISK, LONG, MEMORY, MIB, PATIENCE, Array, check, folders, libnbd,
                       note, processes_of_session, run, same, wait_until, write_config)

SUPERBLOCK, COPY = 64 << 10, 32 << 10
INTENTS = 4096  # of a small element
SIZE = 8 * MIB
BLOCK = 4096
ROW_BLOCKS = 8  # in a row of the layouts with parity below
LAYOUTS = {'mirror': {}, 'raid10': {'chunk': '64KiB'}, 'raid5': {'chunk': '16KiB'},
           'raid6': {'chunk': '16KiB'}}


def fields(places, layout='mirror', members=2, kinds=(MEMORY, DISK), array='test', **more):
    """One virtual volume, `safe`, with a member at each controller."""
    elements = [{'name': f'disk{i}', 'controller': i, 'size': str(SIZE),
                 'image': os.path.join(places[kinds[i % len(kinds)]], f'{array}{layout}{i}.img')}
                for i in range(members)]
    volumes = [{'name': f'm{i}', 'element': f'disk{i}'} for i in range(members)]
    safe = {'name': 'safe', 'layout': layout, 'members': [f'm{i}' for i in range(members)],
            **LAYOUTS[layout]}
    return {'array': array, 'controllers': members, 'elements': elements,
            'volumes': volumes + [safe], **more}


def images(array):
    return [element['image'] for element in array.fields['elements']]


def forget(array):
    for image in images(array):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(image)


@contextlib.contextmanager
def running(array, *options):
    array.start(*options)
    yield
    array.stop()


def volume(array, name='safe'):
    return next(one for one in array.state()['volumes'] if one['name'] == name)


def failed_members(array, name='safe'):
    return [member['name'] for member in volume(array, name)['members']
            if member['state'] != 'online']


def superblock(image):
    """(run, mask of failed members) of the first record of the newer copy."""
    with open(image, 'rb') as file:
        file.seek(-SUPERBLOCK, os.SEEK_END)
        copies = [file.read(COPY), file.read(COPY)]
    newest = max(copies, key=lambda copy: struct.unpack_from('<Q', copy, 16)[0])
    same(newest[:8], b'anyportS', f'the superblock of {image}')
    return struct.unpack_from('<Q', newest, 256 + 104)[0], struct.unpack_from('<I', newest, 340)[0]


@contextlib.contextmanager
def shortened(image):
    """One byte shorter, which fails the element and loses nothing: the byte was 0."""
    size = os.path.getsize(image)
    os.truncate(image, size - 1)
    yield
    os.truncate(image, size)


STALE = 'truncated|failed; the volume|is stale'


def write_pattern(host, fill, size):
    for offset in range(0, size, MIB):
        host.pwrite(bytes([fill]) * min(MIB, size - offset), offset)


def reads_pattern(array, fill, size):
    for port in array.ports:
        host = array.connect('safe', port)
        for offset in range(0, size, MIB):
            length = min(MIB, size - offset)
            check(host.pread(length, offset) == bytes([fill]) * length,
                  f'{array.fields["volumes"][-1]["layout"]}: what {port} reads at {offset}')
        host.shutdown()


def is_not_read_again(places, layout, members, victims, kill):
    """Written with all members, then without the victims; ended; begun again with their images."""
    with Array(places, expected=STALE, **fields(places, layout, members)) as array:
        host = array.connect('safe', 'c0')
        size = volume(array)['size']
        write_pattern(host, 0x11, size)
        host.flush()
        with contextlib.ExitStack() as short:
            for victim in victims:
                short.enter_context(shortened(images(array)[victim]))
            host.pwrite(b'\x22' * 512, 0)
            write_pattern(host, 0x22, size)
            mask = sum(1 << victim for victim in victims)
            for i, image in enumerate(images(array)):
                if i not in victims:
                    same(superblock(image), (1, mask), f'marked in {image} when it was answered')
            names = [f'm{victim}' for victim in victims]
            same(failed_members(array), names, 'failed members')
            if not kill:
                host.shutdown()
                array.stop()
            else:
                array.kill()
        with running(array, *(['--force'] if kill else [])):
            same(failed_members(array), names, 'stale members after the start')
            same(volume(array)['state'], 'degraded', 'the state after the start')
            check(f'member {names[0]} is stale' in array.stderr(), 'it is said on stderr')
            reads_pattern(array, 0x22, size)
        with running(array):
            same(failed_members(array), names, 'stale members after another start')
    forget(array)


def stale_members(places):
    is_not_read_again(places, 'mirror', 2, [1], kill=False)
    is_not_read_again(places, 'mirror', 2, [0], kill=True)
    is_not_read_again(places, 'raid10', 4, [1, 2], kill=True)
    is_not_read_again(places, 'raid5', 3, [1], kill=True)
    is_not_read_again(places, 'raid6', 4, [0, 3], kill=True)
    note('what missed a write is stale for ever')


# --- killed at any instant ---

class Writer(threading.Thread):
    """Writes numbers that grow to blocks of its own; knows which were begun and which answered."""

    def __init__(self, array, port, blocks):
        super().__init__()
        self.host = array.connect('safe', port)
        self.begun, self.answered = dict.fromkeys(blocks, 0), dict.fromkeys(blocks, 0)

    def run(self):
        number = 0
        with contextlib.suppress(libnbd().Error):
            while True:
                number += 1
                block = random.choice(list(self.begun))
                self.begun[block] = number
                self.host.pwrite(struct.pack('<I', number) * (BLOCK // 4), block * BLOCK)
                self.answered[block] = number


def killed_at_any_instant(places, layout, members):
    with Array(places, expected=STALE, **fields(places, layout, members)) as array:
        write_pattern(array.connect('safe'), 0, volume(array)['size'])
        # One block in each row: what of a row was half written when everything was killed leaves
        # its parity wrong, and with it what a stale member held of the other blocks of the row.
        writers = [Writer(array, f'c{i % members}', range(i * 64, i * 64 + 64, ROW_BLOCKS))
                   for i in range(4)]
        for writer in writers:
            writer.start()
        victim = random.randrange(members)
        time.sleep(random.random() / 10)
        with shortened(images(array)[victim]):
            time.sleep(random.random() / random.choice((50, 500, 5000)))
            array.kill()
            for writer in writers:
                writer.join()
        array.start('--force')
        for port in array.ports:
            host = array.connect('safe', port)
            for writer in writers:
                for block in writer.begun:
                    data = host.pread(BLOCK, block * BLOCK)
                    found = struct.unpack_from('<I', data)[0]
                    check(data == data[:4] * (BLOCK // 4), f'block {block} is whole')
                    check(writer.answered[block] <= found <= writer.begun[block],
                          f'block {block} of {layout} through {port}: {found}, answered '
                          f'{writer.answered[block]}, begun {writer.begun[block]}')
            host.shutdown()
        stale = failed_members(array)
        check(stale in ([], [f'm{victim}']), f'{stale} are stale, not m{victim}')
    forget(array)
    return bool(stale)


def killed_while_starting(places):
    """Half of a start makes no member stale."""
    with begun(places, layout='raid5', members=3) as array:
        for _ in range(200 if LONG else 8):
            process = subprocess.Popen([ANYPORT, 'run', array.config], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, start_new_session=True)
            time.sleep(random.random() / 10)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            wait_until(lambda: not processes_of_session(process.pid), 'all are dead')
            shutil.rmtree(array.run_dir, ignore_errors=True)
        runs = {superblock(image)[0] for image in images(array)}
        note(f'killed while starting: runs {runs}')
        with running(array):
            same(failed_members(array), [], 'stale members')
            reads_what_begun_wrote(array)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def announce(image):
    """Of the first record, as a start would that is killed then."""
    with open(image, 'r+b') as file:
        file.seek(-SUPERBLOCK, os.SEEK_END)
        copies = [bytearray(file.read(COPY)) for _ in range(2)]
        newest = max((0, 1), key=lambda i: struct.unpack_from('<Q', copies[i], 16)[0])
        copy = copies[newest]
        run, following = struct.unpack_from('<QQ', copy, 256 + 104)
        same(following, 0, 'the next run')
        struct.pack_into('<Q', copy, 256 + 112, run + 1)
        struct.pack_into('<I', copy, 12, 0)
        struct.pack_into('<I', copy, 12, crc32c(copy))
        file.seek((newest - 2) * COPY, os.SEEK_END)
        file.write(copy)


def away_while_another_was_started(places):
    """A volume whose start was killed, and which was then taken out of the configuration for a time:
    starting another volume on the same images does not make its members stale."""
    with begun(places) as array:
        both = array.fields['volumes']
        first = [dict(one, size='4MiB') for one in both[:2]] + both[2:]
        second = [{'name': f'n{i}', 'element': f'disk{i}', 'offset': '4MiB'} for i in range(2)]
        second.append({'name': 'other', 'layout': 'mirror', 'members': ['n0', 'n1']})
        forget(array)
        configure(array, volumes=first + second)
        with running(array):
            host = array.connect('safe')
            host.pwrite(b'\x33' * MIB, 0)
            host.shutdown()
        announce(images(array)[0])
        configure(array, volumes=second)
        with running(array):
            pass
        configure(array, volumes=first + second)
        with running(array):
            same(failed_members(array), [], 'stale members')
            reads_what_begun_wrote(array)


# --- images that are refused ---

def contents(paths):
    found = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError), open(path, 'rb') as file:
            found.append((path, file.read()))
    return found


def refused(array, says, what):
    """`check` and `run` refuse it in one line, and change nothing."""
    before = contents(images(array))
    for verb in ('check', 'run'):
        done = subprocess.run([ANYPORT, verb, array.config], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        same(done.returncode, 2, f'{what}: the status of {verb}, with\n{done.stderr}')
        same(done.stderr.count('\n'), 1, f'{what}: lines of\n{done.stderr}')
        for words in says + ['allowed']:
            check(words in done.stderr, f'{what}: {words!r} is not in\n{done.stderr}')
    check(contents(images(array)) == before, f'{what}: an image was changed')


@contextlib.contextmanager
def begun(places, **more):
    """An array that was started once, with something written, and stopped."""
    with Array(places, expected=STALE, **fields(places, **more)) as array:
        host = array.connect('safe', 'c0')
        host.pwrite(b'\x33' * MIB, 0)
        host.shutdown()
        array.stop()
        yield array
        forget(array)


def reads_what_begun_wrote(array):
    for port in array.ports:
        host = array.connect('safe', port)
        check(host.pread(MIB, 0) == b'\x33' * MIB, f'what {port} reads')
        host.shutdown()


def configure(what, **changes):
    what.fields.update(changes)
    write_config(what.home, what.fields)


@contextlib.contextmanager
def saved(array):
    """Copies of the images; gives the way to put one in an image's place."""
    copies = [image + '.saved' for image in images(array)]
    for image, copy in zip(images(array), copies):
        shutil.copyfile(image, copy)
    places = images(array)
    yield lambda source, target: shutil.copyfile(copies[source], places[target])
    for copy in copies:
        os.unlink(copy)


def refused_images(array, put_back, other):
    first, second = images(array)
    put_back(1, 0)
    put_back(0, 1)
    refused(array, ['disk0', 'element disk1 of array test', 'that of element disk0'], 'swapped')
    put_back(0, 0)
    refused(array, ['disk1', 'element disk0 of array test'], 'a copy of the other')
    os.unlink(second)
    refused(array, ['disk1', 'does not exist', 'started 1 times'], 'a missing image')
    check(not os.path.exists(second), 'it was not created')
    with open(second, 'wb') as file:
        file.truncate(SIZE + SUPERBLOCK)
    refused(array, ['disk1', 'no superblock', 'safe'], 'a bare image')
    shutil.copyfile(other, second)
    refused(array, ['disk1', 'another array'], 'an image of an array of the same name')
    put_back(1, 1)
    with open(second, 'r+b') as file:
        for copy in range(2):
            file.seek((copy - 2) * COPY + 500, os.SEEK_END)
            file.write(b'?')
    refused(array, ['disk1', 'damaged'], 'both copies damaged')
    put_back(1, 1)


def refused_configurations(array):
    elements, volumes = array.fields['elements'], array.fields['volumes']
    first, second = images(array)

    def spoilt(says, what, **changes):
        configure(array, **changes)
        refused(array, says, what)
        configure(array, array='test', elements=elements, volumes=volumes)

    spoilt(['disk0', 'element disk1'], 'swapped images',
           elements=[dict(elements[0], image=second), dict(elements[1], image=first)])
    spoilt(['member 1 of 2 of the mirror safe', 'allowed: member 0 of 2'], 'other places',
           volumes=volumes[:2] + [dict(volumes[2], members=['m1', 'm0'])])
    spoilt(['mirror safe', 'mirror other'], 'another volume',
           volumes=volumes[:2] + [dict(volumes[2], name='other')])
    spoilt([str(SIZE), str(4 * MIB)], 'another size of a member',
           volumes=[dict(volumes[0], size='4MiB')] + volumes[1:])
    spoilt(['array test', 'array renamed'], 'an array of another name', array='renamed')
    spoilt(['volumes[2].members', 'm0', 'superblock: false'], 'no superblock wanted',
           elements=[dict(elements[0], superblock=False), elements[1]])


def refusals(places):
    with begun(places) as array, saved(array) as put_back:
        with begun(places, kinds=(DISK, MEMORY)) as other:
            refused_images(array, put_back, images(other)[1])
        refused_configurations(array)
        with running(array):
            reads_what_begun_wrote(array)
            same(failed_members(array), [], 'stale members in the end')
    note('swapped, foreign, bare, missing and damaged images are refused')


def an_older_image_is_stale(places):
    with begun(places, layout='raid5', members=3) as array, saved(array) as put_back:
        with running(array):
            pass
        put_back(0, 0)
        with running(array):
            same(failed_members(array), ['m0'], 'an image from before the last start')
            reads_what_begun_wrote(array)
        put_back(1, 1)
        refused(array, ['safe', 'm0', 'm1', 'raid5'], 'two of three are stale')
    note('an image from a backup is stale')


def of_a_read_only_volume_nothing_is_written(places):
    with begun(places) as array:
        before = contents(images(array))
        elements, volumes = array.fields['elements'], array.fields['volumes']
        configure(array, elements=[dict(one, **{'read-only': True}) for one in elements],
                  volumes=volumes[:2] + [dict(volumes[2], **{'read-only': True})])
        with running(array):
            reads_what_begun_wrote(array)
        configure(array, elements=elements)
        with running(array):
            reads_what_begun_wrote(array)
        check(contents(images(array)) == before, 'an image was written to')
        configure(array, elements=elements, volumes=volumes)
        with running(array):
            same(failed_members(array), [], 'stale members')


# --- what has no superblock, and what may have ---

def plain_images_are_as_they_were(places):
    elements = [{'name': 'bare', 'image': os.path.join(places[DISK], 'bare.img'), 'size': '1MiB'},
                {'name': 'said', 'image': os.path.join(places[DISK], 'said.img'), 'size': '1MiB',
                 'superblock': True},
                {'name': 'old', 'image': os.path.join(places[DISK], 'old.img')}]
    volumes = [{'name': name, 'element': name} for name in ('bare', 'said', 'old')]
    volumes.append({'name': 'row', 'layout': 'concat', 'members': ['bare', 'old']})
    with open(elements[2]['image'], 'wb') as file:
        file.write(b'o' * 300000)
    with Array(places, controllers=1, elements=elements, volumes=volumes) as array:
        for _ in range(2):
            same([os.path.getsize(one['image']) for one in elements],
                 [MIB, MIB + INTENTS + SUPERBLOCK, 300000], 'sizes of images')
            same([volume(array, name)['size'] for name in ('bare', 'said', 'old')],
                 [MIB, MIB, 300000], 'sizes of volumes')
            array.stop()
            elements[1].pop('size', None)
            configure(array)
            array.start()
    for one in elements:
        os.unlink(one['image'])
    note('plain images have no superblock unless it is asked for')


def taken_apart_and_put_together(places):
    """A member that was used by itself meanwhile is not up to date any more."""
    with begun(places) as array:
        volumes = array.fields['volumes']
        configure(array, volumes=volumes[:1] + [dict(volumes[1], **{'read-only': True})])
        with running(array):
            same([volume(array, name)['size'] for name in ('m0', 'm1')], [SIZE, SIZE], 'sizes')
        configure(array, volumes=volumes)
        with running(array):
            same(failed_members(array), ['m0'], 'stale members')
            reads_what_begun_wrote(array)
    note('a member that was used by itself is stale')


def main():
    libnbd()
    with folders() as places:
        stale_members(places)
        marked = 0
        for i in range(60 if LONG else 3):
            layout, members = random.choice([('mirror', 2), ('mirror', 3), ('raid10', 4),
                                             ('raid5', 3), ('raid6', 4)])
            marked += killed_at_any_instant(places, layout, members)
        note(f'killed at any instant; in {marked} cases a member was stale')
        killed_while_starting(places)
        away_while_another_was_started(places)
        refusals(places)
        an_older_image_is_stale(places)
        of_a_read_only_volume_nothing_is_written(places)
        plain_images_are_as_they_were(places)
        taken_apart_and_put_together(places)


run(main)
