#!/usr/bin/python3
"""Random reads, writes, zeroes, trims and flushes of any length at any offset, many at once through
the ports of four controllers, leave and show the same bytes as the same done to an array of bytes
in memory."""
from golden import MIB, run_golden_model
from testarray import DISK, LONG, MEMORY, Array, folders, note, run, same

OPERATIONS = 100_000 if LONG else 6000


def main():
    with folders() as places:
        with Array(places, kinds=(MEMORY, DISK), size='40MiB') as array:
            same(array.element(0)['io'], 'inline', 'images in memory')
            note(f'images on disk: {array.element(1)["io"]}')
            for volume in ('vol0', 'vol1'):
                uris = [array.uri(volume, port) for port in array.ports]
                run_golden_model(uris, volume, OPERATIONS)
                # the largest payload that there is, at odd offsets too
                run_golden_model(uris[:3], volume, OPERATIONS // 30, most_bytes=32 * MIB)
            array.wait_quiet()


run(main)
