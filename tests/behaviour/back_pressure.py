#!/usr/bin/python3
"""With one slot, rings of two entries and the smallest pool, hosts at depth 64 on all controllers
wait, but every command completes and every byte is right."""
import random
import threading

from testarray import LONG, MIB, Array, check, folders, libnbd, note, run, same

ROUNDS = 40 if LONG else 3


class Worker(threading.Thread):
    """Writes a region of its own in pieces, 64 at once, and reads it back in others."""

    def __init__(self, array, volume, port, base, size, count):
        super().__init__()
        self.size, self.count = size, count
        self.host = array.connect(volume, port)
        self.base = base
        self.what = f'{volume} through {port}'
        self.failure = None
        self.random = random.Random(random.random())

    def pieces(self):
        edges = sorted(self.random.sample(range(1, self.size), self.count - 1))
        pieces = list(zip([0] + edges, edges + [self.size]))
        self.random.shuffle(pieces)
        return pieces

    def all_of(self, start):
        """Starts each piece, at most 64 at once; every one must succeed."""
        cookies = []
        for first, end in self.pieces():
            while self.host.aio_in_flight() >= 64:
                self.host.poll(1000)
            cookies.append(start(first, end))
        while self.host.aio_in_flight() > 0:
            self.host.poll(1000)
        for cookie in cookies:
            check(self.host.aio_command_completed(cookie), 'a command completed')

    def round(self):
        nbd = libnbd()
        data = self.random.randbytes(self.size)
        found = bytearray(self.size)
        read = []

        def write(first, end):
            return self.host.aio_pwrite(
                nbd.Buffer.from_bytearray(bytearray(data[first:end])), self.base + first)

        def read_back(first, end):
            buffer = nbd.Buffer(end - first)
            read.append((first, end, buffer))
            return self.host.aio_pread(buffer, self.base + first)

        self.all_of(write)
        self.all_of(read_back)
        for first, end, buffer in read:
            found[first:end] = buffer.to_bytearray()
        if found != data:
            wrong = [i for i in range(0, self.size, 512) if found[i:i + 512] != data[i:i + 512]]
            zero = sum(not any(found[i:i + 512]) for i in wrong)
            raise AssertionError(f'other bytes came back: {len(wrong)} sectors from {wrong[0]} to '
                                 f'{wrong[-1]}, {zero} of them zero')

    def run(self):
        try:
            for _ in range(ROUNDS):
                self.round()
            self.host.shutdown()
        except Exception as error:  # told by the thread that waits for us
            self.failure = error


def tight(places, size, count, **settings):
    with Array(places, **settings) as array:
        # Every controller redirects to every other: to images in memory and on disk.
        workers = [Worker(array, f'vol{(i + shift) % 4}', f'c{i}', 16 * MIB * i, size, count)
                   for i in range(4) for shift in (1, 2, 3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
            check(worker.failure is None, f'{worker.what}: {worker.failure}')
        array.wait_quiet()
        state = array.state()
        waited = [sum(one[key] for one in state['controllers'])
                  for key in ('waits_for_slot', 'waits_for_buffer')]
        full = sum(link['full'] for link in state['links'])
        note(f'{settings}: waits for a slot {waited[0]}, for a buffer {waited[1]}, '
             f'ring full {full}')
        same(len(array.stderr()), 0, 'bytes on stderr')
        return waited[0]


def main():
    libnbd()
    with folders() as places:
        slots = tight(places, 2 * MIB, 200, interconnect={'slots': 1, 'ring-entries': 2})
        check(slots > 0, 'somebody had to wait for the one slot')
        tight(places, 2 * MIB, 200, interconnect={'slots': 4096, 'ring-entries': 2})
        # More payload at once than a connection may hold of the pool: it waits for its own.
        for _ in range(2):
            tight(places, 16 * MIB, 12, interconnect={'slots': 2, 'ring-entries': 2},
                  buffers={'size': '40MiB'})


run(main)
