#!/usr/bin/python3
"""A scrub finds every block that was changed under the array, on every layout with redundancy;
with --repair the members agree afterwards; hosts go on meanwhile, and nothing is found where nothing
was changed."""
import os
import random
import signal
import threading

from testarray import (ANYPORT, DISK, LONG, MEMORY, MIB, PATIENCE, TAKEN, Array, Bystander, check, command,
                       folders, note, run, same, wait_until)

BLOCK = 4096
CHUNK = 16 << 10
MEMBER = 2 * MIB
# layout: members, members that hold each byte of a place
LAYOUTS = {'mirror': 3, 'raid10': 4, 'raid5': 4, 'raid6': 5}
ELEMENTS = 5


def scrub(array, volume, *options, status=0):
    """The exit status must be this; what it printed."""
    words = [ANYPORT, 'scrub', *options, volume, array.run_dir]
    if status == 0:
        return command(*words)
    said = command('/bin/sh', '-c', '"$@"; test $? = ' + str(status), 'sh', *words)
    return said


def lab(places, layouts=LAYOUTS, member=MEMBER, element=None, **more):
    kinds = (MEMORY, DISK)
    elements = [{'name': f'e{i}', 'size': str(member * len(LAYOUTS)), 'controller': i % 3,
                 'image': os.path.join(places[kinds[i % len(kinds)]], f'e{i}.img'),
                 **(element or {})} for i in range(ELEMENTS)]
    volumes = []
    for n, (layout, count) in enumerate(layouts.items()):
        members = [f'{layout}-{i}' for i in range(count)]
        volumes += [{'name': name, 'element': f'e{i}', 'offset': str(n * member),
                     'size': str(member)} for i, name in enumerate(members)]
        chunk = {} if layout == 'mirror' else {'chunk': str(CHUNK)}
        volumes.append({'name': layout, 'layout': layout, 'members': members, **chunk})
    return Array(places, controllers=3, elements=elements, volumes=volumes, **more)


def fill(array, volume):
    host = array.connect(volume)
    data = random.randbytes(host.get_size())
    for at in range(0, len(data), MIB):
        host.pwrite(data[at:at + MIB], at)
    host.flush()
    host.shutdown()
    return data


def whole(array, volume, port='c2'):
    host = array.connect(volume, port)
    size = host.get_size()
    data = b''.join(host.pread(min(MIB, size - at), at) for at in range(0, size, MIB))
    host.shutdown()
    return data


def flip(array, element, offset):
    """A byte of the image, behind the array's back."""
    with open(array.fields['elements'][element]['image'], 'r+b', buffering=0) as image:
        image.seek(offset)
        byte = image.read(1)[0]
        image.seek(offset)
        image.write(bytes([byte ^ random.randrange(1, 256)]))
        os.fsync(image.fileno())


def places_of(layout, count, members):
    """`count` places of one member each, no two at the same block: of a raid10 in any set."""
    blocks = random.sample(range(MEMBER // BLOCK), count)
    return [(random.choice(members), block) for block in sorted(blocks)]


def job(array, volume):
    return next(one for one in array.state()['volumes'] if one['name'] == volume)['job']


def finds_and_mends(places):
    flips = 200 if LONG else 40
    said = r'copies differ|parity does not fit|fits neither|members that do not agree'
    with lab(places, cache={'mode': 'off'}, expected=said) as array:
        for n, (layout, count) in enumerate(LAYOUTS.items()):
            data = fill(array, layout)
            same(scrub(array, layout, '--wait'),
                 f'volume {layout}: 0 blocks differed, 0 repaired\n', 'nothing was changed')
            flipped = places_of(layout, flips, range(count))
            for member, block in flipped:
                flip(array, member, n * MEMBER + block * BLOCK + random.randrange(BLOCK))
            same(scrub(array, layout, '--wait', status=3),
                 f'volume {layout}: {flips} blocks differed, 0 repaired\n', 'what was changed')
            same(scrub(array, layout, '--wait', status=3),
                 f'volume {layout}: {flips} blocks differed, 0 repaired\n', 'still the same')
            same(scrub(array, layout, '--wait', '--repair', status=3),
                 f'volume {layout}: {flips} blocks differed, {flips} repaired\n', 'repairing')
            same(scrub(array, layout, '--wait'),
                 f'volume {layout}: 0 blocks differed, 0 repaired\n', 'what was repaired')
            if layout in ('mirror', 'raid6'): # two of three know better; P and Q do
                check(whole(array, layout) == data, f'the data of the {layout}')
            found = job(array, layout)
            same([found[key] for key in ('kind', 'state', 'position', 'end', 'found')],
                 ['scrub', 'done', MEMBER, MEMBER, 0], f'the job of {layout}')
        array.wait_quiet()


def under_load(places):
    """Hosts write and read through every port; nothing is found, or disturbed."""
    with lab(places) as array:
        for layout in LAYOUTS:
            fill(array, layout)
            with Bystander(array, layout, 'c0', seconds=PATIENCE):
                for options in (('--wait',), ('--wait', '--repair')):
                    same(scrub(array, layout, *options),
                         f'volume {layout}: 0 blocks differed, 0 repaired\n', 'under load')


def where_nothing_is_reserved(places):
    """Hosts that keep apart by themselves: a scrub finds what is wrong, and nothing that is being
    written."""
    size = 16 * MIB
    with lab(places, {'mirror': 3}, member=size, coordination={'policy': 'none'},
             expected='copies differ|do not agree') as array:
        fill(array, 'mirror')
        stop, failures = threading.Event(), []

        def write(port, begin, end):
            host = array.connect('mirror', port)
            while not stop.is_set():
                length = random.choice((4096, MIB, MIB))  # under way for long
                at = random.randrange(begin, end - length)
                data = random.randbytes(length)
                host.pwrite(data, at)
                if host.pread(length, at) != data:
                    failures.append(f'{port}: {length} bytes at {at}')

        writers = [threading.Thread(target=write, args=(f'c{i}', i * size // 4, (i + 1) * size // 4))
                   for i in range(3)]
        for writer in writers:
            writer.start()
        for options in 3 * [('--wait',)] + [('--wait', '--repair')]:
            same(scrub(array, 'mirror', *options), 'volume mirror: 0 blocks differed, 0 repaired\n',
                 'while hosts write')
        for block in range(3 * size // 4 // BLOCK + 1, size // BLOCK, 7)[:4]:
            flip(array, 1, block * BLOCK)
        same(scrub(array, 'mirror', '--wait', '--repair', status=3),
             'volume mirror: 4 blocks differed, 4 repaired\n', 'and what is wrong')
        stop.set()
        for writer in writers:
            writer.join()
        same(failures, [], 'what was written is read')
        same(scrub(array, 'mirror', '--wait'), 'volume mirror: 0 blocks differed, 0 repaired\n', 'after')


def with_checksums(places):
    """Which block is wrong is known: the data comes back, also of a mirror of two and of raid5."""
    said = r'cannot be read|checksum|copies differ|parity does not fit|fits neither|do not agree|wrong|block'
    layouts = {'mirror': 2, 'raid5': 3, 'raid6': 4}
    with lab(places, layouts, element={'checksums': True}, expected=said) as array:
        for n, (layout, count) in enumerate(layouts.items()):
            data = fill(array, layout)
            flipped = places_of(layout, 20, range(count))
            for member, block in flipped:
                flip(array, member, n * MEMBER + block * BLOCK + random.randrange(BLOCK))
            same(scrub(array, layout, '--wait', '--repair', status=3),
                 f'volume {layout}: 20 blocks differed, 20 repaired\n', 'repairing')
            same(scrub(array, layout, '--wait'),
                 f'volume {layout}: 0 blocks differed, 0 repaired\n', 'what was repaired')
            check(whole(array, layout) == data, f'the data of {layout}')


def repaired(array):
    return sum(one['repaired'] for one in array.state()['controllers'])


def read_repair(places):
    """A read that meets a wrong block is answered from others, and the block is written anew. What
    no read has met, a scrub finds."""
    said = r'checksum|copies differ|parity does not fit|fits neither|do not agree|wrong|block'
    layouts = {'mirror': 2, 'raid5': 3, 'raid6': 4}
    with lab(places, layouts, element={'checksums': True}, cache={'mode': 'off'},
             expected=said) as array:
        for n, (layout, count) in enumerate(layouts.items()):
            data, before = fill(array, layout), repaired(array)
            for member, block in places_of(layout, 20, range(count)):
                flip(array, member, n * MEMBER + block * BLOCK + random.randrange(BLOCK))
            check(whole(array, layout) == data, f'the data of {layout}')
            wait_until(lambda: repaired(array) > before, f'{layout} is repaired')
            said = command('/bin/sh', '-c', '"$@"; true', 'sh', ANYPORT, 'scrub', '--wait', layout,
                           array.run_dir)
            same(int(said.split()[2]) + repaired(array) - before, 20,
                 f'what a scrub of {layout} finds, and what was repaired before')


def refusals(places):
    with lab(places, {'raid5': 3, 'mirror': 2}) as array:
        for why, *words in (('there is no such volume', 'nobody'),
                            ('it has nothing to compare; allowed: a mirror, raid10, raid5 or raid6',
                             'raid5-0')):
            said = command(ANYPORT, 'scrub', *words, array.run_dir, fails=True)
            check(said.endswith(f'volume {words[0]}: {why}\n'), said)


def degraded(places):
    """What is left is compared: two of three copies, raid6 with a lost member; of raid5 nothing."""
    expected = r'failed|degraded|EIO|copies differ|parity does not fit|fits neither|do not agree'
    with lab(places, expected=expected) as array:
        for layout in LAYOUTS:
            fill(array, layout)
        command(ANYPORT, 'element', 'fail', 'e0', array.run_dir)
        for layout, count in (('mirror', 5), ('raid5', 0), ('raid6', 5)):
            n = list(LAYOUTS).index(layout)
            flipped = places_of(layout, 5, range(1, LAYOUTS[layout]))
            for member, block in flipped:
                flip(array, member, n * MEMBER + block * BLOCK)
            said = scrub(array, layout, '--wait', status=3 if count else 0)
            check(said.startswith(f'volume {layout}: '), said)
            found = int(said.split()[2])
            same(found, count, f'{layout} without a member')
        array.wait_quiet()


def runner_dies(places):
    """The controller that runs it is killed: another one goes on to the end."""
    expected = r'was killed|commands for its elements|degraded|agree|' + TAKEN
    with lab(places, {'raid6': 5}, member=64 * MIB, expected=expected) as array:
        fill(array, 'raid6')
        scrub(array, 'raid6')
        runner = wait_until(lambda: job(array, 'raid6').get('controller', -1) + 1, 'it runs') - 1
        os.kill(array.controller(runner)['pid'], signal.SIGKILL)
        wait_until(lambda: job(array, 'raid6')['state'] != 'running' or
                   job(array, 'raid6')['controller'] != runner, 'another one goes on')
        wait_until(lambda: job(array, 'raid6')['state'] in ('done', 'failed'), 'the scrub ends')
        found = job(array, 'raid6')
        same([found['state'], found['position']], ['done', 64 * MIB], 'the scrub')


def main():
    for test in (finds_and_mends, under_load,
                 where_nothing_is_reserved, with_checksums, read_repair, degraded, refusals, runner_dies):
        note(test.__name__)
        with folders() as places:
            test(places)


run(main)
