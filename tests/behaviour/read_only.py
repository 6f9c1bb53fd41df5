#!/usr/bin/python3
"""A read-only volume says so, refuses every change with EPERM, goes on serving reads, and its image
is never written."""
import os

from testarray import (CMD_READ, CMD_TRIM, CMD_WRITE, CMD_ZERO, DISK, EPERM, MEMORY, MIB, Array,
                       Host, check, folders, run, same)


def main():
    with folders() as places:
        elements, volumes = [], []
        for index, kind in enumerate((MEMORY, DISK)):
            image = os.path.join(places[kind], 'kept.img')
            with open(image, 'wb') as file:
                file.write(os.urandom(2 * MIB))
            os.chmod(image, 0o444)
            elements.append({'name': f'disk{index}', 'image': image, 'controller': index,
                             'read-only': True})
            volumes.append({'name': f'vol{index}', 'element': f'disk{index}'})
        before = [os.stat(one['image']).st_mtime_ns for one in elements]
        contents = [open(one['image'], 'rb').read() for one in elements]
        with Array(places, controllers=2, elements=elements, volumes=volumes) as array:
            for index in (0, 1):
                for port in array.ports:
                    with Host(array, port) as host:
                        host.go(f'vol{index}', structured=True)
                        check(host.flags & 2, 'the export is read-only')
                        data = bytes(65536)
                        for length in (1, 4096, 65536):
                            same(host.request(CMD_WRITE, 0, length, data[:length]), EPERM, 'write')
                            same(host.request(CMD_TRIM, 0, length), EPERM, 'trim')
                            same(host.request(CMD_ZERO, 0, length), EPERM, 'zero')
                        same(host.request(CMD_READ, 0, MIB), 0, 'a read afterwards')
                        host.works('refusals')
            handle = array.connect('vol1', 'c0')
            same(handle.pread(2 * MIB, 0), contents[1], 'what is read')
            handle.shutdown()
        for one, was, content in zip(elements, before, contents):
            same(os.stat(one['image']).st_mtime_ns, was, 'the image was not touched')
            check(open(one['image'], 'rb').read() == content, 'the image is what it was')


run(main)
