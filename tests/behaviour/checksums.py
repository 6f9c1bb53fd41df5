#!/usr/bin/python3
"""With checksums no byte that changed on an image reaches a host: whichever bit was flipped and
whichever blocks were swapped, under an array that runs or one that is stopped, a plain volume ends
reads of them with EIO, and a redundant one reads another member. Nothing that was written is ever
taken for damage: not what is read while it is written, and not what a crash left."""
import contextlib
import errno
import os
import random
import threading

from fuse_file import FailingFile
from testarray import (DISK, LONG, MEMORY, MIB, Array, Skip, check, fails_with, folders, libnbd, note,
                       run, same, write_config)

BLOCK = 4096
SIZE = 4 * MIB
BLOCKS = SIZE // BLOCK
DAMAGE = 'does not fit its checksum'
LOST = 'does not fit its checksum|was killed|stale|made equal'


# A cache would answer what does not fit on the image any more.
NO_CACHE = {'mode': 'off'}
SMALL_CACHES = [{'mode': mode, 'size': '1MiB', 'in-memory': True}
                for mode in ('write-through', 'write-back')]


def plain(places, kind, **more):
    elements = [{'name': 'disk0', 'image': os.path.join(places[kind], 'plain.img'),
                 'size': str(SIZE), 'controller': 0, 'checksums': True, **more}]
    return {'controllers': 2, 'elements': elements, 'cache': NO_CACHE,
            'volumes': [{'name': 'vol', 'element': 'disk0'}]}


def redundant(places, layout, kinds=(MEMORY, DISK)):
    members = 2 if layout == 'mirror' else 4
    elements = [{'name': f'disk{i}', 'controller': i % 2, 'size': str(SIZE), 'checksums': True,
                 'image': os.path.join(places[kinds[i % 2]], f'{layout}{i}.img')}
                for i in range(members)]
    volumes = [{'name': f'm{i}', 'element': f'disk{i}'} for i in range(members)]
    volumes.append({'name': 'vol', 'layout': layout, 'members': [f'm{i}' for i in range(members)],
                    **({} if layout == 'mirror' else {'chunk': '16KiB'})})
    return {'controllers': 2, 'elements': elements, 'cache': NO_CACHE, 'volumes': volumes}


def image(array, element=0):
    return array.fields['elements'][element]['image']


def forget(array):
    for i in range(len(array.fields['elements'])):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(image(array, i))


def volume(array, name='vol'):
    return next(one for one in array.state()['volumes'] if one['name'] == name)


# --- damage ---

@contextlib.contextmanager
def opened(path):
    with open(path, 'r+b', buffering=0) as file:
        yield file
        os.fsync(file.fileno())  # what the page cache holds is not what O_DIRECT reads


def flip(path, block):
    with opened(path) as file:
        at = block * BLOCK + random.randrange(BLOCK)
        byte = os.pread(file.fileno(), 1, at)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1 << random.randrange(8)]), at)


def swap(path, one, other):
    with opened(path) as file:
        contents = [os.pread(file.fileno(), BLOCK, block * BLOCK) for block in (one, other)]
        os.pwrite(file.fileno(), contents[0], other * BLOCK)
        os.pwrite(file.fileno(), contents[1], one * BLOCK)


def damage(path, written, never):
    """Flipped bits and two blocks in each other's place; the numbers of all that are wrong now."""
    blocks = random.sample(written, 12)
    for block in blocks[:10]:
        flip(path, block)
    swap(path, *blocks[10:])
    holes = random.sample(never, 2)
    for block in holes:
        flip(path, block)
    return set(blocks + holes)


def fill(host, model, blocks):
    for block in blocks:
        data = random.randbytes(BLOCK)
        host.pwrite(data, block * BLOCK)
        model[block * BLOCK:(block + 1) * BLOCK] = data


def is_found(array, model, wrong, ports):
    """Each block that is wrong, by whole blocks, in parts, and among others; all others are right."""
    for port in ports:
        host = array.connect('vol', port)
        for block in range(BLOCKS):
            at, length = random.choice([(0, BLOCK), (17, 1000), (0, 1), (BLOCK - 3, 3)])
            at += block * BLOCK
            if block in wrong:
                fails_with(errno.EIO, f'block {block} through {port}', host.pread, length, at)
            else:
                check(host.pread(length, at) == model[at:at + length], f'block {block} is right')
        for block in wrong:
            first = max(0, block - random.randrange(4)) * BLOCK
            fails_with(errno.EIO, 'a longer read', host.pread,
                       min(5 * BLOCK, SIZE - first), first)
        host.shutdown()


def is_mended(array, model, wrong):
    """A part of a block that is wrong cannot be written: the rest would become right. All can."""
    host = array.connect('vol', 'c1')
    for number, block in enumerate(sorted(wrong)):
        at = block * BLOCK
        fails_with(errno.EIO, 'a write of a part', host.pwrite, b'x' * 100, at + 7)
        fails_with(errno.EIO, 'as before', host.pread, BLOCK, at)
        if number % 3 == 0:
            fill(host, model, [block])
        else:
            (host.zero if number % 3 == 1 else host.trim)(BLOCK, at)
            model[at:at + BLOCK] = bytes(BLOCK)
    check(host.pread(SIZE, 0) == model, 'all that was written anew')
    host.shutdown()


def of_a_plain_volume(places, kind, stopped):
    with Array(places, expected=DAMAGE, **plain(places, kind)) as array:
        same(array.element(0)['io'], 'inline' if kind == MEMORY else 'direct', 'how it is read')
        check(array.element(0)['checksums'], 'status says that it has checksums')
        model = bytearray(SIZE)
        host = array.connect('vol', 'c0')
        written = random.sample(range(BLOCKS), BLOCKS // 2)
        fill(host, model, written)
        host.shutdown()
        if stopped:
            array.stop()
        wrong = damage(image(array), written, sorted(set(range(BLOCKS)) - set(written)))
        if stopped:
            array.start()
        is_found(array, model, wrong, ['c0', 'c1'])
        same(array.element(0)['checksum_errors'], volume(array)['checksum_errors'], 'both count')
        same(array.element(0)['checksum_errors'], 4 * len(wrong), 'each read is counted')
        is_mended(array, model, wrong)
        same(array.element(0)['state'], 'online', 'the element is none the worse')
        array.stop()
        array.start()
        host = array.connect('vol', 'c0')
        check(host.pread(SIZE, 0) == model, 'after the next start')
        host.shutdown()
        forget_after(array)


def forget_after(array):
    if array.process is not None:
        array.stop()
    forget(array)


def of_a_redundant_volume(places, layout, stopped):
    """A member that gives wrong bytes is not read for them, and is not left out for it."""
    with Array(places, expected=DAMAGE, **redundant(places, layout)) as array:
        size = volume(array)['size']
        model = bytearray(random.randbytes(size))
        host = array.connect('vol', 'c0')
        host.pwrite(bytes(model), 0)
        host.shutdown()
        if stopped:
            array.stop()
        # Many in each read, on all members, but no two that hold the same or the same row's.
        members = len(array.fields['elements'])
        for block in random.sample(range(SIZE // BLOCK), 30):
            if block not in (100, 101):
                flip(image(array, random.randrange(members)), block)
        swap(image(array, 1), 100, 101)
        if stopped:
            array.start()
        for port in ('c0', 'c1'):
            host = array.connect('vol', port)
            for at in range(0, size, MIB):
                odd = random.randrange(5000)
                check(host.pread(MIB - odd, at + odd) == model[at + odd:at + MIB],
                      f'{layout}: at {at} + {odd} through {port}')
            host.shutdown()
        check(sum(one['checksum_errors'] for one in array.state()['elements']) > 0, 'it was met')
        same(volume(array)['state'], 'online', 'its state')
        forget_after(array)


def parts_of_damaged_blocks(places, layout):
    """The write is done, no member is left out for it, and what one holds there is not believed: not
    the rest of the block, and not for computing parity."""
    with Array(places, expected=DAMAGE, **redundant(places, layout)) as array:
        model = bytearray(random.randbytes(MIB))
        host = array.connect('vol', 'c0')
        host.pwrite(bytes(model), 0)
        for block in range(0, 60, 4):
            flip(image(array, random.randrange(len(array.fields['elements']))), block)
        for block in random.sample(range(len(model) // BLOCK), 150):
            at, length = random.choice([(50, 4), (0, BLOCK), (4000, 5000)])
            at += block * BLOCK
            data = random.randbytes(min(length, len(model) - at))
            host.pwrite(data, at)
            model[at:at + len(data)] = data
        for port in ('c0', 'c1'):
            other = array.connect('vol', port)
            for _ in range(2):
                check(other.pread(len(model), 0) == model, f'{layout}: read through {port}')
            other.shutdown()
        same(volume(array)['state'], 'online', f'the state of the {layout}')
        host.shutdown()
        forget_after(array)


# --- nothing right is taken for wrong ---

class Writer(threading.Thread):
    """Writes, zeroes, trims and reads at random in a small range, with others who do the same."""

    def __init__(self, host, rounds):
        super().__init__()
        self.host, self.rounds, self.failure = host, rounds, None
        self.random = random.Random(random.randrange(1 << 32))

    def one(self):
        at = self.random.randrange(16 * BLOCK)
        length = self.random.choice([1, 500, BLOCK, 3 * BLOCK, 9000])
        if self.random.random() < 0.5:
            at -= at % BLOCK
            length = max(BLOCK, length - length % BLOCK)
        act = self.random.random()
        if act < 0.4:
            self.host.pwrite(self.random.randbytes(length), at)
        elif act < 0.8:
            self.host.pread(length, at)
        elif act < 0.9:
            self.host.zero(length, at)
        else:
            self.host.trim(length, at)

    def run(self):
        try:
            for _ in range(self.rounds):
                self.one()
        except Exception as error:  # told by the thread that waits for us
            self.failure = error


def work_together(array, count, rounds):
    writers = [Writer(array.connect('vol', f'c{i % 2}'), rounds) for i in range(count)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        check(writer.failure is None, f'among others: {writer.failure}')
        writer.host.shutdown()


def reads_all(array, what, size=SIZE):
    host = array.connect('vol', 'c0')
    found = host.pread(size, 0)
    host.shutdown()
    same(sum(one['checksum_errors'] for one in array.state()['elements']), 0, what)
    return found


def among_others(places, kind, cache):
    with Array(places, **{**plain(places, kind), 'cache': cache}) as array:
        work_together(array, 6, 3000 if LONG else 300)
        before = reads_all(array, 'while many wrote the same blocks')
        array.stop()
        array.start()
        check(reads_all(array, 'after an orderly end') == before, 'the same as before the end')
        forget_after(array)


def after_a_crash(places, fields):
    """What was answered is there, and is believed; what nobody wrote since is checked as before."""
    with Array(places, expected=LOST, **fields) as array:
        size = volume(array)['size']
        model = bytearray(size)
        host = array.connect('vol', 'c1')
        for at in range(0, size, MIB):
            model[at:at + MIB] = random.randbytes(min(MIB, size - at))
            host.pwrite(bytes(model[at:at + MIB]), at)
        host.shutdown()
        array.stop()
        for _ in range(10 if LONG else 3):
            array.start()
            host = array.connect('vol', 'c0')
            for _ in range(50):
                at = random.randrange(size // 4)
                data = random.randbytes(random.randrange(1, 20000))
                host.pwrite(data, at)
                model[at:at + len(data)] = data
            array.kill()
            array.start()
            check(reads_all(array, 'after a crash', size) == model, 'what was answered')
            array.stop()
        forget_after(array)


def what_was_not_written_is_checked_after_a_crash(places):
    """A region that nobody wrote before the end has its checksums; the one that was written has not,
    until it is read or written."""
    with Array(places, expected=LOST, **plain(places, DISK)) as array:
        host = array.connect('vol', 'c0')
        host.pwrite(b'a' * SIZE, 0)
        host.shutdown()
        array.stop()
        array.start()
        host = array.connect('vol', 'c0')
        host.pwrite(b'b' * BLOCK, 2 * MIB)
        array.kill()
        flip(image(array), 1)
        flip(image(array), 3 * MIB // BLOCK)
        flip(image(array), 2 * MIB // BLOCK + 1)
        array.start()
        host = array.connect('vol', 'c0')
        fails_with(errno.EIO, 'in a region that was not written', host.pread, BLOCK, BLOCK)
        fails_with(errno.EIO, 'in another', host.pread, BLOCK, 3 * MIB)
        at = 2 * MIB + BLOCK
        found = host.pread(BLOCK, at)
        check(found != b'a' * BLOCK, 'what a crash left is taken as it is')
        same(host.pread(BLOCK, at), found, 'from then on it is known')
        flip(image(array), at // BLOCK)
        fails_with(errno.EIO, 'and checked', host.pread, BLOCK, at)
        host.shutdown()
        forget_after(array)


# --- what the image says and what the configuration says ---

def refusals(places):
    with Array(places, **plain(places, DISK)) as array:
        element = array.fields['elements'][0]

        def starts(says, **changes):
            array.config = write_config(array.home, dict(array.fields,
                                                         elements=[{**element, **changes}]))
            if says is None:
                array.start()
                array.stop()
                return
            try:
                array.start()
            except AssertionError as failure:
                check(says in str(failure), f'{says!r} is not in {failure}')
            else:
                raise AssertionError(f'it started, without {says!r}')
            array.log.close()
            array.process.stdout.close()
            array.process = None

        array.stop()
        starts('created with checksums', checksums=False, superblock=True)
        starts(None)
        os.unlink(element['image'])
        starts(None, checksums=False, superblock=True)
        starts('created without')
        starts(None, checksums=False, superblock=True)
        forget(array)
        array.config = write_config(array.home, array.fields)
        array.start()


def on_a_file_system_of_a_process(places):
    """The same by FUSE, where reads can be made to fail."""
    with Array(places, **plain(places, DISK)) as array:
        host = array.connect('vol', 'c0')
        model = bytearray(random.randbytes(SIZE))
        host.pwrite(bytes(model), 0)
        host.shutdown()
        array.stop()
        path = image(array)
        size = os.path.getsize(path)
        file = FailingFile(places[MEMORY], size)
        with open(path, 'rb') as old, open(os.path.join(file.folder, 'data'), 'r+b') as new:
            new.write(old.read())
        flip(os.path.join(file.folder, 'data'), 7)
        array.expected = None
        with file.served():
            elements = [dict(array.fields['elements'][0], image=file.path)]
            with Array(places, expected=DAMAGE, **dict(array.fields, elements=elements)) as other:
                note(f'by FUSE: {other.element(0)["io"]}')
                host = other.connect('vol', 'c0')
                fails_with(errno.EIO, 'a flipped bit', host.pread, BLOCK, 7 * BLOCK)
                check(host.pread(6 * BLOCK, 99) == model[99:99 + 6 * BLOCK], 'others are right')
                host.pwrite(b'odd' * 3000, 12345)
                model[12345:12345 + 9000] = b'odd' * 3000
                file.fail('pread')
                fails_with(errno.EIO, 'a read that fails', host.pread, BLOCK, 0)
                file.heal('pread')
                check(host.pread(4 * BLOCK, 0) == model[:4 * BLOCK], 'it did not change a checksum')
                host.shutdown()
        array.start()
        forget_after(array)


def main():
    libnbd()
    with folders() as places:
        for kind in (MEMORY, DISK):
            for stopped in (False, True):
                note(f'flipped and swapped, {kind}, {"stopped" if stopped else "running"}')
                of_a_plain_volume(places, kind, stopped)
            note(f'many at once, {kind}')
            for cache in (NO_CACHE, *SMALL_CACHES):
                among_others(places, kind, cache)
        for layout in ('mirror', 'raid10', 'raid5', 'raid6'):
            for stopped in (False, True):
                note(f'{layout}, {"stopped" if stopped else "running"}')
                of_a_redundant_volume(places, layout, stopped)
            parts_of_damaged_blocks(places, layout)
        note('crashes')
        after_a_crash(places, plain(places, DISK))
        after_a_crash(places, redundant(places, 'mirror'))
        what_was_not_written_is_checked_after_a_crash(places)
        refusals(places)
        try:
            on_a_file_system_of_a_process(places)
        except Skip as skip:
            note(f'left out: {skip}')


run(main)
