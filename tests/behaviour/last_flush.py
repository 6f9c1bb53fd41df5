#!/usr/bin/python3
"""Storage that fails at the last flush, at the end of an array. A plain volume has lost something by
that, and the exit status says so. A redundant one has not: the member is stale at the next start,
whatever its image has kept, and what was answered is read from the others; the exit status is 0."""
import os
import random

from fuse_file import FailingFile
from testarray import DISK, MEMORY, MIB, Array, check, folders, libnbd, note, run, same

SIZE = 2 * MIB
NO_CACHE = {'mode': 'off'}


def of_a_plain_volume(places):
    with FailingFile(places[MEMORY], SIZE).served() as file:
        with Array(places, controllers=2, cache=NO_CACHE, status=1,
                   elements=[{'name': 'bad', 'image': file.path, 'controller': 1}],
                   volumes=[{'name': 'vol', 'element': 'bad'}],
                   expected='element bad failed: the last flush|exited with status 1|lacks something') as array:
            host = array.connect('vol')
            host.pwrite(b'x' * 4096, 0)
            host.shutdown()
            file.fail('flush')
    note('a plain volume: exit status 1')


def lab(places, layout, members, images, **more):
    elements = [{'name': f'e{i}', 'image': image, 'size': str(SIZE), 'controller': i}
                for i, image in enumerate(images)]
    volumes = [{'name': f'm{i}', 'element': f'e{i}'} for i in range(members)]
    volumes.append({'name': 'safe', 'layout': layout, 'members': [f'm{i}' for i in range(members)]})
    return Array(places, controllers=members, cache=NO_CACHE, elements=elements, volumes=volumes,
                 **more)


def copy(source, target, length=-1):
    with open(source, 'rb') as old, open(target, 'r+b') as new:
        new.write(old.read(length))


def write_all(array):
    host = array.connect('safe')
    data = random.randbytes(host.get_size())
    for at in range(0, len(data), MIB):
        host.pwrite(data[at:at + MIB], at)
    host.shutdown()
    return data


def of_a_redundant_volume(places, layout, members, victim, *acts):
    """The image has what it had before: writes that the kernel took and did not bring to it. Where
    nothing can be written to it any more either, others must say that it lacks something; and they
    are told while they are still there."""
    images = [os.path.join(places[DISK], f'{layout}{i}.img') for i in range(members)]
    said = r'element e\d failed: a flush of it failed|failed; the volume|is stale|cannot be written'
    with lab(places, layout, members, images) as array:
        write_all(array)
    old, file = images[victim], FailingFile(places[MEMORY], os.path.getsize(images[victim]))
    data_of_file = os.path.join(file.folder, 'data')
    copy(old, data_of_file)
    images[victim] = file.path
    with file.served(), lab(places, layout, members, images, expected=said) as array:
        data = write_all(array)
        for act in acts:
            file.fail(act)
        array.stop()
        copy(old, data_of_file, SIZE)
        for act in acts:
            file.heal(act)
        array.start()
        state = next(one for one in array.state()['volumes'] if one['name'] == 'safe')
        same([one['state'] for one in state['members']],
             ['failed' if i == victim else 'online' for i in range(members)], 'members')
        host = array.connect('safe', f'c{victim}')
        for at in range(0, len(data), MIB):
            check(host.pread(min(MIB, len(data) - at), at) == data[at:at + MIB],
                  f'{layout}: what was answered')
        host.shutdown()
    note(f'{layout}, {" and ".join(acts)}: member {victim} is stale, exit status 0')


def main():
    libnbd()
    for part, *given in ((of_a_plain_volume,), (of_a_redundant_volume, 'mirror', 2, 0, 'flush'),
                         (of_a_redundant_volume, 'raid5', 3, 1, 'flush'),
                         (of_a_redundant_volume, 'mirror', 2, 1, 'flush', 'pwrite'),
                         (of_a_redundant_volume, 'raid5', 3, 0, 'flush', 'pwrite')):
        with folders() as places:
            part(places, *given)


run(main)
