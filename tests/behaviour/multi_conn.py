#!/usr/bin/python3
"""CAN_MULTI_CONN across ports of different controllers: what was written at one port and answered
is read at any other at once; a flush at another port covers it."""
import os
import random

from testarray import LONG, MIB, Array, check, command, folders, libnbd, need, note, run, same

ROUNDS = 3000 if LONG else 300


def main():
    libnbd()
    need('nbdcopy')
    with folders() as places:
        with Array(places) as array:
            for volume in ('vol0', 'vol1'):
                hosts = [array.connect(volume, port) for port in array.ports]
                for host in hosts:
                    check(host.can_multi_conn(), 'CAN_MULTI_CONN is advertised')
                for i in range(ROUNDS):
                    writer, flusher, reader = random.sample(hosts, 3)
                    data = os.urandom(random.choice([1, 512, 4096, 10000]))
                    offset = random.randrange(MIB)
                    writer.pwrite(data, offset)
                    same(reader.pread(len(data), offset), data, 'a write, read at another port')
                    before = sum(one['flushes'] for one in array.state()['elements']) \
                        if i % 50 == 0 else None
                    flusher.flush()
                    if before is not None:
                        after = sum(one['flushes'] for one in array.state()['elements'])
                        check(after > before, 'the flush reached an element')
                    same(reader.pread(len(data), offset), data, 'and after the flush')
                for host in hosts:
                    host.shutdown()
            # one client with several connections of its own
            image = os.path.join(places['memory'], 'image')
            with open(image, 'wb') as file:
                file.write(os.urandom(48 * MIB))
            command('nbdcopy', '--connections=4', '--requests=64', '--flush', image,
                    array.uri('vol2', 'c0'))
            command('nbdcopy', '--connections=8', array.uri('vol2', 'front'), image + '.back')
            with open(image, 'rb') as one, open(image + '.back', 'rb') as other:
                check(one.read() == other.read(48 * MIB), 'a copy by several connections')
    note(f'{ROUNDS} rounds on each of two volumes')


run(main)
