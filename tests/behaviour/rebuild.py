#!/usr/bin/python3
"""A member whose element failed is rebuilt on a new image while hosts work through all ports; then
as many of the other members fail as the layout bears, and every byte is still right."""
import os
import random

from rebuilding import (SAID, fields, is_right_without, job, load, members, refused, replace, safe,
                        verb, work_until_over)
from testarray import (DISK, LONG, MEMORY, MIB, Array, check, folders, libnbd, note, run, same,
                       wait_until)

# layout, members, who fails and is rebuilt, who fails then
CASES = [('mirror', 3, [1], [0, 2]), ('raid10', 4, [0], [1, 2]), ('raid10', 4, [1, 2], [0, 3]),
         ('raid5', 4, [2], [0]), ('raid6', 5, [4], [0, 1]), ('raid6', 5, [0, 3], [1, 4])]


def rebuilt_under_load(places, layout, count, victims, others, **settings):
    with Array(places, expected=SAID, **fields(places, layout, count, **settings)) as array:
        model = load(array)
        for victim in victims:
            verb(array, 'fail', f'disk{victim}')
        same([members(array)[f'm{victim}'] for victim in victims], ['failed'] * len(victims),
             'the members that failed')
        model.do(100)
        for victim in victims:
            replace(array, victim, os.path.join(places[DISK], f'{layout}{victim}.new'))
        for _ in victims:
            work_until_over(array, model)
        wait_until(lambda: safe(array)['state'] == 'online', 'the volume is online')
        same(set(members(array).values()), {'online'}, 'the members')
        same(job(array)['position'], job(array)['end'], 'the job')
        is_right_without(array, model, others)
        for host in model.hosts:
            host.shutdown()
        array.wait_quiet()
    for name in os.listdir(places[DISK]) + os.listdir(places[MEMORY]):
        for place in places.values():
            if os.path.exists(os.path.join(place, name)):
                os.unlink(os.path.join(place, name))
    note(f'{layout}: {victims} rebuilt under load, right without {others}')


def fails_again(places):
    """A member that fails while it is rebuilt: hosts notice nothing, and it is rebuilt once more."""
    with Array(places, expected=SAID, **fields(places, 'raid5', 3, rebuild={'rate': '8MiB'})) \
            as array:
        model = load(array)
        verb(array, 'fail', 'disk1')
        model.do(50)
        first, second = (os.path.join(places[DISK], f'{name}.img') for name in ('first', 'second'))
        replace(array, 1, first)
        same(members(array)['m1'], 'rebuilding', 'the member')
        model.do(50)
        os.truncate(first, 4096)
        while job(array)['state'] == 'running':
            model.do(20)
        same(job(array)['state'], 'failed', 'the job')
        same(members(array)['m1'], 'failed', 'the member after that')
        model.compare_all(1)
        replace(array, 1, second)
        work_until_over(array, model)
        is_right_without(array, model, [2])
    note('a member that fails while it is rebuilt is rebuilt once more')


def the_same_image_again(places):
    """The disk comes back: what it holds is not trusted, and made anew."""
    with Array(places, expected=SAID, **fields(places, 'mirror', 2, kinds=(DISK,))) as array:
        model = load(array)
        verb(array, 'fail', 'disk0')
        model.do(300)
        verb(array, 'replace', 'disk0')
        work_until_over(array, model)
        is_right_without(array, model, [1])
    note('the same image again is made anew')


def many_volumes(places):
    """An element may have members of more volumes than are rebuilt at once: all have their turn."""
    count, size = 80, 256 << 10
    elements = [{'name': f'disk{i}', 'controller': i, 'size': str(count * size),
                 'image': os.path.join(places[DISK], f'many{i}.img')} for i in range(2)]
    volumes = [{'name': f'm{i}x{j}', 'element': f'disk{i}', 'offset': str(j * size),
                'size': str(size)} for i in range(2) for j in range(count)]
    mirrors = [{'name': f'v{j}', 'layout': 'mirror', 'members': [f'm0x{j}', f'm1x{j}']}
               for j in range(count)]
    with Array(places, controllers=2, elements=elements, volumes=volumes + mirrors,
               expected=SAID) as array:
        def states():
            return [one['state'] for one in array.state()['volumes'] if one['name'][0] == 'v']

        verb(array, 'fail', 'disk0')
        same(states(), ['degraded'] * count, 'the volumes')
        verb(array, 'replace', 'disk0')
        wait_until(lambda: states() == ['online'] * count, 'all are rebuilt', 20)
    note(f'{count} volumes of one element are rebuilt')


def refusals(places):
    one = fields(places, 'mirror', 2)
    one['elements'].append({'name': 'disk2', 'image': os.path.join(places[DISK], 'plain.img'),
                            'size': '8MiB', 'controller': 0})
    one['volumes'].append({'name': 'plain', 'element': 'disk2'})
    new, there = (os.path.join(places[DISK], name) for name in ('new.img', 'there.img'))
    with open(there, 'wb') as file:
        file.write(b'mine')
    with Array(places, expected=SAID, **one) as array:
        refused(array, ['has not failed', 'allowed'], 'replace', 'disk0', '--image', new)
        refused(array, ['plain', '--force'], 'fail', 'disk2')
        verb(array, 'fail', 'disk2', '--force')
        refused(array, ['no superblock'], 'replace', 'disk2', '--image', new)
        verb(array, 'fail', 'disk0')
        refused(array, ['safe', '--force'], 'fail', 'disk1')
        refused(array, ['no element disk9'], 'replace', 'disk9', '--image', new)
        refused(array, ['there.img exists', 'allowed'], 'replace', 'disk0', '--image', there)
        same(open(there, 'rb').read(), b'mine', 'what is there')
        refused(array, ['reach to', 'allowed'], 'replace', 'disk0', '--image', new, '--size', '8MiB')
        refused(array, ['cannot be created'], 'replace', 'disk0', '--image',
                os.path.join(places[DISK], 'nowhere', 'new.img'))
        check(not os.path.exists(new), 'nothing was created')
        same(members(array)['m0'], 'failed', 'the member')
        replace(array, 0, new)
        refused(array, ['has not failed'], 'replace', 'disk0', '--image', new + '2')
        wait_until(lambda: job(array)['state'] == 'done', 'it is rebuilt')
        verb(array, 'fail', 'disk0')
        refused(array, ['new.img exists'], 'replace', 'disk0', '--image', new)
        replace(array, 0, new + '2')
        wait_until(lambda: job(array)['state'] == 'done', 'it is rebuilt again')
        verb(array, 'fail', 'disk0')
        verb(array, 'fail', 'disk1', '--force')
        refused(array, ['safe is lost'], 'replace', 'disk1', '--image', new + '3')
    note('refused with a reason: what is not failed, not redundant, too small, in the way, lost')


def main():
    libnbd()
    for layout, count, victims, others in CASES if LONG else random.sample(CASES, 3):
        with folders() as places:
            rebuilt_under_load(places, layout, count, victims, others)
    for policy in ('writes', 'none') if LONG else ('none',):
        for layout, count, victims, others in CASES if LONG else random.sample(CASES, 1):
            with folders() as places:
                rebuilt_under_load(places, layout, count, victims, others,
                                   coordination={'policy': policy})
    for part in (fails_again, the_same_image_again, many_volumes, refusals):
        with folders() as places:
            part(places)


run(main)
