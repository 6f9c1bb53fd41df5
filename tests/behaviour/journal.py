#!/usr/bin/python3
"""With a journal a loss of power leaves no row of a volume with parity half written: what was under way
is written once more at the next start, before anything else. A resync is not needed, and an array
that lacks a member starts without --force, and has what that member held.

A loss of power is made of a SIGKILL of everything, after which blocks of some images are put back to
what they were before: as a disk does that had them in its cache."""
import fcntl
import json
import os
import random
import subprocess

from testarray import (ANYPORT, DISK, MEMORY, MIB, Array, check, folders, libnbd, note, run, same,
                       wait_until)

SIZE, CHUNK, CONTROLLERS = 16 * MIB, 16 << 10, 2
JOURNAL_SIZE = 16 * MIB
BLOCK = 4096


def fields(places, layout, journal_kind):
    members = 3 if layout == 'raid5' else 4
    elements = [{'name': f'disk{i}', 'controller': i % CONTROLLERS, 'size': str(SIZE),
                 'image': os.path.join(places[(MEMORY, DISK)[i % 2]], f'{layout}-{journal_kind}-{i}.img')}
                for i in range(members)]
    volumes = [{'name': f'm{i}', 'element': f'disk{i}'} for i in range(members)]
    volumes.append({'name': 'safe', 'layout': layout, 'chunk': str(CHUNK),
                    'members': [f'm{i}' for i in range(members)]})
    return {'controllers': CONTROLLERS, 'elements': elements, 'volumes': volumes,
            'journal': os.path.join(places[journal_kind], f'{layout}.journal'),
            'journal-size': str(JOURNAL_SIZE)}


def images(array):
    return [element['image'] for element in array.fields['elements']]


def volume(array):
    return next(one for one in array.state()['volumes'] if one['name'] == 'safe')


def content(image):
    with open(image, 'rb') as file:
        return file.read(SIZE)


def put_back(image, before):
    """Some of the blocks that have changed were in the disk's cache only."""
    now = content(image)
    with open(image, 'r+b', buffering=0) as file:
        for at in range(0, SIZE, BLOCK):
            if now[at:at + BLOCK] != before[at:at + BLOCK] and random.random() < 0.5:
                os.pwrite(file.fileno(), before[at:at + BLOCK], at)


def write_some(array, host, expected):
    """Through two controllers, over each other, some of it zeroes."""
    other = array.connect('safe', 'c1')
    for number in range(60):
        length = random.choice((512, BLOCK, BLOCK, 3 * BLOCK, 40 << 10, 200 << 10))
        at = random.randrange((len(expected) - length) // 512) * 512
        if random.random() < 0.5:
            at %= 256 << 10 # so that they meet
        data = random.randbytes(length) if number % 5 else bytes(length)
        one = (host, other)[number % 2]
        if number % 5:
            one.pwrite(data, at)
        else:
            one.zero(length, at)
        expected[at:at + length] = data
    other.shutdown()


def parity_fits(array):
    """Of a raid5: all members together are nothing."""
    total = 0
    for image in images(array):
        total ^= int.from_bytes(content(image), 'little')
    return total == 0


def start(array, *options):
    array.start(*options)
    return array.connect('safe', 'c0')


def checkpoints(array):
    return sum(one['journal_checkpoints'] for one in array.state()['controllers'])


def write_without_checkpoint(array, host, expected):
    """What the members hold before. A checkpoint flushes them, so that a loss of power would not
    take back what put_back does; then it is another turn."""
    while True:
        host.flush()
        before, already = [content(image) for image in images(array)], checkpoints(array)
        write_some(array, host, expected)
        if checkpoints(array) == already:
            return before
        note('a checkpoint came in between')


def nothing_is_half_written(places, layout, kind):
    with Array(places, expected='was killed|replayed', **fields(places, layout, kind)) as array:
        host = array.connect('safe', 'c0')
        expected = bytearray(host.get_size())
        same(array.state()['journal'], {'state': 'good', 'size': JOURNAL_SIZE}, 'status')
        for turn in range(3):
            write_some(array, host, expected)
            before = write_without_checkpoint(array, host, expected)
            array.kill()
            for image, old in zip(images(array), before):
                put_back(image, old)
            check(layout != 'raid5' or not parity_fits(array), 'rows are half written')
            host = start(array)
            same(volume(array)['resync'], 0, 'no resync')
            check('replayed' in array.stderr(), 'it says so')
            check(host.pread(len(expected), 0) == bytes(expected), f'turn {turn}: the content')
            check(layout != 'raid5' or parity_fits(array), 'parity fits')
        records = sum(one['journal_records'] for one in array.state()['controllers'])
        note(f'{layout}, journal {kind}: {records} records in the last life')
        host.shutdown()
        array.stop()
        host = start(array)
        check('replayed' not in array.stderr(), 'nothing to replay after an orderly end')
        host.shutdown()


def a_missing_member_is_kept(places):
    with Array(places, expected='was killed|replayed|failed|stale|degraded|force|EIO|lost',
               **fields(places, 'raid5', DISK)) as array:
        host = array.connect('safe', 'c0')
        expected = bytearray(random.randbytes(host.get_size()))
        for at in range(0, len(expected), MIB):
            host.pwrite(expected[at:at + MIB], at)
        host.flush()
        subprocess.run([ANYPORT, 'element', 'fail', 'disk1', array.run_dir], check=True,
                       stdout=subprocess.DEVNULL)
        write_some(array, host, expected) # the member is marked
        before = write_without_checkpoint(array, host, expected)
        array.kill()
        for number in (0, 2):
            put_back(images(array)[number], before[number])
        host = start(array)
        same(volume(array)['state'], 'degraded', 'without the member')
        check(host.pread(len(expected), 0) == bytes(expected), 'what the member held')
        write_some(array, host, expected)
        array.kill()
        # Who takes the journal away is told what may be lost.
        for seat in range(CONTROLLERS):
            os.unlink(f'{array.fields["journal"]}.{seat}')
        said = refused(array, 'what that one held may be lost')
        check('--force' in said, said)
        host = start(array, '--force')
        host.shutdown()


def refused(array, what, code=None):
    """Of `run`: the message."""
    ended = subprocess.run([ANYPORT, 'run', array.config, '--run', 'true'], text=True,
                           stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, timeout=60)
    check(ended.returncode == code if code else ended.returncode != 0,
          f'{what}: exit status {ended.returncode}')
    check(what in ended.stderr, f'{what}: not in {ended.stderr}')
    return ended.stderr


def is_refused_as_it_is(array, path, what, damage):
    with open(path, 'rb') as file:
        good = file.read()
    damage(path, good)
    said = refused(array, what, code=2)
    check(f'{array.config}:' in said and ': journal: ' in said and path in said, said)
    with open(path, 'wb') as file:
        file.write(good)


def over(path, data):
    with open(path, 'wb') as file:
        file.write(data)


def what_is_wrong_is_said(places):
    with Array(places, **fields(places, 'raid6', MEMORY)) as array:
        path = array.fields['journal'] + '.1'
        array.stop()
        for made in (*images(array), path, array.fields['journal'] + '.0'):
            os.unlink(made)
        over(path, b'somebody\'s letters' * 600)
        check('smaller journal-size' in refused(array, 'it has 10800 bytes', code=2), 'too small')
        os.truncate(path, JOURNAL_SIZE)
        refused(array, 'it is no journal', code=2)
        same(os.path.exists(images(array)[0]), False, 'nothing was created')
        os.unlink(path)
        start(array).shutdown()
        array.stop()
        is_refused_as_it_is(array, path, 'its header is damaged', lambda path, good: over(
            path, bytes(b ^ 1 if at in (100, BLOCK + 100) else b
                        for at, b in enumerate(good[:2 * BLOCK])) + good[2 * BLOCK:]))
        is_refused_as_it_is(array, path, 'it is that of controller 0', lambda path, good: over(
            path, open(array.fields['journal'] + '.0', 'rb').read()))
        with open(path, 'rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            refused(array, 'journal: ' + path, code=2)
        for wrong in ('1MiB', 'much'):
            with open(array.config) as file:
                text = file.read()
            right = f'journal-size: {json.dumps(str(JOURNAL_SIZE))}'
            over(array.config, text.replace(right, f'journal-size: {wrong}', 1).encode())
            refused(array, 'journal-size', code=2)
            over(array.config, text.encode())
        start(array).shutdown()
        text = subprocess.run([ANYPORT, 'dump', array.run_dir], check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        check(f'journal: "{array.fields["journal"]}"' in text, text)
        shown = subprocess.run([ANYPORT, 'status', array.run_dir], check=True, text=True,
                               stdout=subprocess.PIPE).stdout
        check('journal good, 16' in shown, shown)


def a_ring_that_is_full_makes_writes_wait(places):
    with Array(places, **fields(places, 'raid6', DISK)) as array:
        host = array.connect('safe', 'c0')
        expected = bytearray(random.randbytes(host.get_size()))
        for turn in range(2):
            random.shuffle(starts := list(range(0, len(expected), MIB)))
            for at in starts:
                host.aio_pwrite(libnbd().Buffer.from_bytearray(expected[at:at + MIB]), at)
            host.flush()
        wait_until(lambda: not host.aio_in_flight() or host.poll(-1) is None, 'all are written')
        while host.aio_in_flight():
            host.poll(-1)
        check(host.pread(len(expected), 0) == bytes(expected), 'the content')
        one = array.controller(0)
        check(one['journal_bytes'] > 3 * JOURNAL_SIZE, 'it went round')
        check(one['journal_checkpoints'] > 0, 'room became free')
        note(f'{one["journal_batches"]} batches of {one["journal_records"]} records, '
             f'{one["journal_checkpoints"]} checkpoints, {one["waits_for_journal"]} waits')
        host.shutdown()


def a_seat_goes_on_with_its_journal(places):
    with Array(places, expected='was killed|taken over|owned by|finished what|replayed',
               **fields(places, 'raid5', MEMORY)) as array:
        host = array.connect('safe', 'c0')
        expected = bytearray(host.get_size())
        write_some(array, host, expected)
        subprocess.run([ANYPORT, 'controller', 'kill', '1', '--force', array.run_dir], check=True,
                       stdout=subprocess.DEVNULL)
        wait_until(lambda: array.controller(1)['state'] != 'running', 'it is dead')
        subprocess.run([ANYPORT, 'controller', 'start', '1', array.run_dir], check=True,
                       stdout=subprocess.DEVNULL)
        host.flush()
        before = [content(image) for image in images(array)]
        write_some(array, host, expected)
        array.kill()
        for image, old in zip(images(array), before):
            put_back(image, old)
        host = start(array)
        same(volume(array)['resync'], 0, 'no resync')
        check(host.pread(len(expected), 0) == bytes(expected), 'the content')
        check(parity_fits(array), 'parity fits')
        host.shutdown()


def main():
    with folders() as places:
        for layout, kind in (('raid5', MEMORY), ('raid6', DISK)):
            nothing_is_half_written(places, layout, kind)
        a_missing_member_is_kept(places)
    with folders() as places:
        what_is_wrong_is_said(places)
    with folders() as places:
        a_ring_that_is_full_makes_writes_wait(places)
        a_seat_goes_on_with_its_journal(places)


run(main)
