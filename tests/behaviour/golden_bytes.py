#!/usr/bin/python3
"""Random reads, writes, zeroes and trims of any length at any offset, by several hosts at several
ports, leave and show the same bytes as the same done to an array of bytes in memory."""
import random
import time

from testarray import LONG, MIB, Array, check, folders, libnbd, note, run, same

SECONDS = 90 if LONG else 6
SIZE = 72 * MIB


def some_length():
    kind = random.random()
    if kind < 0.3:
        return random.randint(1, 16)
    if kind < 0.6:
        return random.randint(1, 3 * 4096)
    if kind < 0.7:
        return 4096 * random.randint(1, 32)
    if kind < 0.985:
        return int(2 ** random.uniform(9, 22))
    return 32 * MIB - random.choice([0, 0, 1, 4096, 4097])


def some_offset(length, hot):
    """Mostly in a small range, so that commands overlap; often at or beside the edge of a block."""
    room = SIZE - length
    offset = random.randrange(min(room, 256 << 10) + 1) if hot else random.randrange(room + 1)
    if random.random() < 0.4:
        offset = max(0, min(room, offset // 4096 * 4096 + random.choice([0, 0, 0, 1, -1])))
    return offset


def first_difference(found, wanted):
    return next(i for i in range(len(wanted)) if found[i] != wanted[i])


class Pair:
    """One volume and the bytes that it should hold."""

    def __init__(self, array, volume):
        self.nbd = libnbd()
        self.volume = volume
        self.golden = bytearray(SIZE)
        self.data = random.randbytes(33 * MIB)
        self.hosts = {port: array.connect(volume, port) for port in array.ports}
        self.done = 0

    def pattern(self, length):
        start = random.randrange(MIB)
        return self.data[start:start + length]

    def compare(self, port, offset, found):
        wanted = self.golden[offset:offset + len(found)]
        if found != wanted:
            at = first_difference(found, wanted)
            raise AssertionError(f'{self.volume} through {port}, read of {len(found)} at {offset}: '
                                 f'byte {offset + at} is {found[at]}, not {wanted[at]}')

    def step(self):
        port, host = random.choice(list(self.hosts.items()))
        length = some_length()
        offset = some_offset(length, random.random() < 0.7)
        fua = random.choice([0, 0, 0, 0, self.nbd.CMD_FLAG_FUA])
        action = random.random()
        if action < 0.45:
            self.compare(port, offset, host.pread(length, offset))
        elif action < 0.8:
            data = self.pattern(length)
            host.pwrite(data, offset, fua)
            self.golden[offset:offset + length] = data
        elif action < 0.92:
            no_hole = random.choice([0, self.nbd.CMD_FLAG_NO_HOLE])
            host.zero(length, offset, fua | no_hole)
            self.golden[offset:offset + length] = bytes(length)
        elif action < 0.98:
            host.trim(length, offset, fua)
            found = host.pread(length, offset)  # trim may do nothing, or zero
            old = self.golden[offset:offset + length]
            if found != old:
                check(all(byte in (0, before) for byte, before in zip(found, old)),
                      f'{self.volume}: a trim of {length} at {offset} left other bytes')
                self.golden[offset:offset + length] = found
        else:
            host.flush()
        self.done += 1

    def compare_all(self):
        for port, host in self.hosts.items():
            for offset in range(0, SIZE, 24 * MIB):
                self.compare(port, offset, host.pread(24 * MIB, offset))

    def close(self):
        for host in self.hosts.values():
            host.shutdown()


def overlapping_in_flight(array, volume):
    """Many commands at once, none overlapping in bytes but most sharing blocks with others."""
    nbd = libnbd()
    host = array.connect(volume, 'c0')
    base, golden = 40 * MIB, bytearray(MIB)
    edges = sorted(random.sample(range(1, MIB), 700))
    pieces = list(zip([0] + edges, edges + [MIB]))
    random.shuffle(pieces)
    buffers, cookies = [], []
    for start, end in pieces:
        if random.random() < 0.2:
            cookies.append(host.aio_zero(end - start, base + start))
            golden[start:end] = bytes(end - start)
        else:
            data = random.randbytes(end - start)
            buffers.append(nbd.Buffer.from_bytearray(bytearray(data)))
            cookies.append(host.aio_pwrite(buffers[-1], base + start))
            golden[start:end] = data
    while host.aio_in_flight() > 0:
        host.poll(-1)
    for cookie in cookies:
        check(host.aio_command_completed(cookie), 'a piece was written')
    found = host.pread(MIB, base)
    if found != golden:
        at = first_difference(found, golden)
        raise AssertionError(f'{volume}: pieces written at once: byte {base + at} is wrong')
    host.shutdown()
    return found


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=3, count=2, size=str(SIZE)) as array:
            same([one['io'] for one in array.state()['elements']][0], 'inline', 'images in memory')
            for volume in ('vol0', 'vol1'):
                pair = Pair(array, volume)
                end = time.monotonic() + SECONDS
                while time.monotonic() < end:
                    pair.step()
                pair.compare_all()
                found = overlapping_in_flight(array, volume)
                pair.golden[40 * MIB:41 * MIB] = found
                pair.compare_all()
                pair.close()
                note(f'{volume}: {pair.done} commands, all bytes as they should be')
            array.wait_quiet()


run(main)
