#!/usr/bin/python3
"""A file system written through one controller is read back, identical, through every other."""
import filecmp
import os

from testarray import DISK, LONG, MEMORY, Array, command, folders, need, note, run, same


def fill_tree(root, wanted_bytes):
    """A directory tree of real files, some small, some large, of about so many bytes."""
    total = 0
    for folder, _, names in os.walk('/usr/lib'):
        for name in names:
            source = os.path.join(folder, name)
            if os.path.islink(source) or not os.access(source, os.R_OK):
                continue
            target = root + folder
            os.makedirs(target, exist_ok=True)
            with open(source, 'rb') as file, open(os.path.join(target, name), 'wb') as copy:
                total += copy.write(file.read(wanted_bytes - total))
            if total >= wanted_bytes:
                return


def make_image(folder, tree_mib):
    tree = os.path.join(folder, 'tree')
    os.mkdir(tree)
    fill_tree(tree, tree_mib << 20)
    image = os.path.join(folder, 'ext4.img')
    command('mkfs.ext4', '-q', '-d', tree, image, f'{tree_mib * 3 // 2}M')
    return image


def check_clean(image):
    command('e2fsck', '-fn', image)


def through_nbdcopy(array, image, volume, back):
    size = os.path.getsize(image)
    command('nbdcopy', '--flush', image, array.uri(volume, 'c1'))
    for port in ('c0', 'c2', 'c3', 'front'):
        if os.path.exists(back):
            os.unlink(back)
        command('nbdcopy', array.uri(volume, port), back)
        os.truncate(back, size)
        same(filecmp.cmp(image, back, shallow=False), True, f'{volume} through {port} is the image')
    check_clean(back)


def through_qemu(array, image, volume, back):
    def target(port):
        return array.uri(volume, port)

    command('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', image, target('c2'))
    for port in ('c0', 'c1', 'c3', 'front'):
        command('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', image, target(port))
    os.unlink(back)
    command('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', target('c3'), back)
    os.truncate(back, os.path.getsize(image))
    same(filecmp.cmp(image, back, shallow=False), True, f'{volume} by qemu-img is the image')
    check_clean(back)


def through_nbdkit(array, image, volume, back):
    """nbdkit stands in the middle; its checkwrite filter compares what is there with what is
    written, and refuses the write if they differ."""
    middle = ['nbdkit', '-U', '-', '--filter=checkwrite', 'nbd', f'socket={array.socket("c3")}',
              f'export={volume}', '--run']
    command(*middle, f'nbdcopy --destination-is-zero {image} "$uri"')
    with open(back, 'r+b') as file:
        file.seek(os.path.getsize(image) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    command(*middle, f'nbdcopy {back} "$uri"', fails=True)


def main():
    need('mkfs.ext4', 'e2fsck', 'nbdcopy', 'qemu-img', 'nbdkit')
    tree_mib = 208 if LONG else 40
    with folders() as places:
        image = make_image(places[MEMORY], tree_mib)
        back = os.path.join(places[MEMORY], 'back.img')
        for kind in (MEMORY, DISK):
            with Array(places, kinds=(kind,), size=f'{tree_mib * 3 // 2 + 4}MiB') as array:
                note(f'images in {kind}: {array.element(0)["io"]}')
                through_nbdcopy(array, image, 'vol0', back)
                note('nbdcopy: identical')
                through_qemu(array, image, 'vol1', back)
                note('qemu-img: identical')
                through_nbdkit(array, image, 'vol1', back)
                array.wait_quiet()


run(main)
