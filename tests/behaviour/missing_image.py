#!/usr/bin/python3
"""An array starts without the image of a redundant member where the configuration says that it may:
when it is missing, truncated, bare, damaged or another one's; what is there is not touched, and
another image is rebuilt in its place. Otherwise it is refused as ever."""
import os
import shutil
import subprocess

from rebuilding import (SAID, fields, is_right_without, load, members, reconnect, refused, replace,
                        safe, verb, work_until_over)
from testarray import (ANYPORT, DISK, MIB, PATIENCE, Array, check, folders, libnbd, note, run, same,
                       write_config)


def configure(array, **changes):
    array.fields.update(changes)
    write_config(array.home, array.fields)


def with_missing_ok(array, *indices):
    return [dict(one, **{'missing-ok': True}) if i in indices else one
            for i, one in enumerate(array.fields['elements'])]


def start_is_refused(array, says):
    done = subprocess.run([ANYPORT, 'run', array.config], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    same(done.returncode, 2, f'the status, with\n{done.stderr}')
    for words in says:
        check(words in done.stderr, f'{words!r} is not in\n{done.stderr}')


def spoil(image, other, how):
    """Makes the image unusable; what it is then."""
    if how == 'missing':
        os.unlink(image)
        return None
    if how == 'truncated':
        os.truncate(image, 4096)
    elif how == 'bare':
        os.unlink(image)
        with open(image, 'wb') as file:
            file.truncate(24 * MIB + 65536)
    elif how == 'damaged':
        with open(image, 'r+b') as file:
            for copy in range(2):
                file.seek((copy - 2) * 32768 + 500, os.SEEK_END)
                file.write(b'?')
    else:
        shutil.copyfile(other, image)
    with open(image, 'rb') as file:
        return file.read()


def starts_without(places, how, layout, count, victim, others):
    with Array(places, expected=SAID + '|allowed', **fields(places, layout, count)) as array:
        model = load(array)
        for host in model.hosts:
            host.shutdown()
        array.stop()
        images = [one['image'] for one in array.fields['elements']]
        left = spoil(images[victim], images[others[0]], how)
        start_is_refused(array, [f'disk{victim}', 'allowed'])
        elements = array.fields['elements']
        configure(array, elements=with_missing_ok(array, victim))
        array.start()
        same(members(array)[f'm{victim}'], 'failed', 'the member')
        same(array.element(victim)['state'], 'failed', 'its element')
        same(safe(array)['state'], 'degraded', 'the volume')
        reconnect(model, array)
        model.do(150)
        model.compare_all(0)
        if left is None:
            check(not os.path.exists(images[victim]), 'nothing was created')
            new = images[victim]  # the very place
        else:
            with open(images[victim], 'rb') as file:
                check(file.read() == left, 'what is there was not touched')
            refused(array, ['superblock'], 'replace', f'disk{victim}')
            refused(array, ['exists'], 'replace', f'disk{victim}', '--image', images[victim])
            new = os.path.join(places[DISK], 'new.img')
        replace(array, victim, new)
        work_until_over(array, model)
        is_right_without(array, model, others)
        same(len(elements), count, 'elements')
    note(f'{how}: {layout} starts without it')


def more_than_it_bears(places):
    with Array(places, expected=SAID + '|allowed', **fields(places, 'raid5', 3)) as array:
        array.stop()
        for index in (0, 2):
            os.unlink(array.fields['elements'][index]['image'])
        configure(array, elements=with_missing_ok(array, 0, 1, 2))
        start_is_refused(array, ['safe', 'm0', 'm2', 'raid5'])
        check(not os.path.exists(array.fields['elements'][0]['image']), 'nothing was created')
    note('more than a layout bears is refused')


def before_it_was_ever_started(places):
    """missing-ok changes nothing of a first start; a plain volume cannot do without its image."""
    wanted = fields(places, 'mirror', 2)
    wanted['elements'] = [dict(one, **{'missing-ok': True}) for one in wanted['elements']]
    wanted['volumes'] += [{'name': 'plain', 'element': 'disk0', 'size': '1MiB', 'offset': '16MiB'}]
    wanted['volumes'][0]['size'] = wanted['volumes'][1]['size'] = '16MiB'
    with Array(places, expected=SAID + '|allowed', **wanted) as array:
        same(set(members(array).values()), {'online'}, 'the members')
        verb(array, 'list')
        array.stop()
        os.unlink(array.fields['elements'][0]['image'])
        start_is_refused(array, ['disk0', 'plain', 'allowed'])
    note('images of a first start are created; a plain volume needs its image')


def main():
    libnbd()
    cases = [('missing', 'mirror', 2, 0, [1]), ('truncated', 'raid5', 3, 1, [0]),
             ('bare', 'raid6', 4, 2, [0, 1]), ('damaged', 'raid10', 4, 3, [2]),
             ('foreign', 'raid5', 3, 2, [1])]
    for case in cases:
        with folders() as places:
            starts_without(places, *case)
    for part in (more_than_it_bears, before_it_was_ever_started):
        with folders() as places:
            part(places)


run(main)
