"""
The golden model: random commands on a volume, and the same on an array of bytes in memory.

run_golden_model() works on any volume, by any ports. Many commands are in flight at once, on all
ports; none overlaps, in bytes, another one in flight that changes them, so that every answer is
foreseen exactly. They do share blocks, chunks and stripes: neighbours of what is in flight are
sought. What commands that overlap at the same time may answer is tested by anyport-history.

A trim is a hint. By the NBD protocol a host knows nothing of what it trimmed until it writes there
again. The array is narrower, and that is held fast here: where a hole can be made the bytes are
zero, elsewhere the trim does nothing; so each byte is zero or what it was, and stays so. A trim is
followed by a read of the same range, with nothing in between; the model takes over what it shows,
and every read after that must show the same.
"""
import random

from testarray import PATIENCE, check, libnbd, note

KIB, MIB = 1 << 10, 1 << 20
READ, WRITE, ZERO, TRIM, FLUSH = 'read', 'write', 'zero', 'trim', 'flush'
WEIGHTS = {READ: 40, WRITE: 38, ZERO: 12, TRIM: 7, FLUSH: 3}
IN_FLIGHT = 24          # on all ports together
COMPARE_BYTES = 8 * MIB  # by one read of the last compare
HOT_BYTES = 256 * KIB    # so much of the volume gets most of the commands


class Command:
    def __init__(self, action, port, offset=0, length=0, flags=0):
        self.action, self.port, self.flags = action, port, flags
        self.offset, self.length, self.end = offset, length, offset + length
        self.buffer = self.wanted = self.cookie = None

    def __str__(self):
        fua = ' with FUA' if self.flags & libnbd().CMD_FLAG_FUA else ''
        return f'{self.action} of {self.length} at {self.offset}{fua} through port {self.port}'

    def excludes(self, other):
        """They must not be in flight together, or the model would not know."""
        return (self.offset < other.end and other.offset < self.end and
                not self.action == other.action == READ)


def first_difference(found, wanted):
    """Where two sequences of one length differ first; they do."""
    low, high = 0, len(wanted)
    while high - low > 1:
        middle = (low + high) // 2
        if found[low:middle] == wanted[low:middle]:
            low = middle
        else:
            high = middle
    return low


class GoldenModel:
    def __init__(self, uris, volume, seed, most_bytes):
        self.nbd = libnbd()
        self.volume, self.seed, self.most_bytes = volume, seed, most_bytes
        self.random = random.Random(seed)
        self.hosts = []
        for uri in uris:
            host = self.nbd.NBD()
            host.connect_uri(uri)
            self.hosts.append(host)
        self.size = self.hosts[0].get_size()
        self.golden = bytearray(self.size)
        self.noise = self.random.randbytes(most_bytes + MIB)
        self.in_flight = []
        self.counts = dict.fromkeys(WEIGHTS, 0)

    # what to do

    def some_length(self):
        kind = self.random.random()
        if kind < 0.25:
            length = self.random.randint(1, 16)
        elif kind < 0.5:
            length = self.random.randint(1, 3 * 4096)
        elif kind < 0.7:
            length = 4096 * self.random.randint(1, 32)
        elif kind < 0.98:
            length = int(2 ** self.random.uniform(9, 20))
        else:
            length = self.random.randint(MIB, self.most_bytes)
        return min(length, self.most_bytes, self.size)

    def some_offset(self, length):
        """Mostly in a small range or beside something in flight; often at the edge of a block or of
        the volume."""
        room = self.size - length
        where = self.random.random()
        if where < 0.2 and self.in_flight:
            other = self.random.choice(self.in_flight)
            offset = self.random.choice([other.end, other.offset - length])
        elif where < 0.7:
            offset = self.random.randrange(min(room, HOT_BYTES) + 1)
        elif where < 0.72:
            offset = room
        else:
            offset = self.random.randrange(room + 1)
        if where > 0.2 and self.random.random() < 0.4:
            offset = offset // 4096 * 4096 + self.random.choice([0, 0, 0, 1, -1])
        return max(0, min(room, offset))

    def some_command(self):
        action = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        port = self.random.randrange(len(self.hosts))
        if action == FLUSH:
            return Command(FLUSH, port)
        length = self.some_length()
        flags = 0
        if action != READ and self.random.random() < 0.2:
            flags |= self.nbd.CMD_FLAG_FUA
        if action == ZERO and self.random.random() < 0.5:
            flags |= self.nbd.CMD_FLAG_NO_HOLE
        return Command(action, port, self.some_offset(length), length, flags)

    # doing it

    def send(self, command):
        host, length, at = self.hosts[command.port], command.length, command.offset
        self.counts[command.action] += 1
        if command.action == READ:
            command.wanted = bytes(self.golden[at:command.end])
            command.buffer = self.nbd.Buffer(length)
            command.cookie = host.aio_pread(command.buffer, at)
        elif command.action == WRITE:
            start = self.random.randrange(MIB)
            data = self.noise[start:start + length]
            self.golden[at:command.end] = data
            command.buffer = self.nbd.Buffer.from_bytearray(bytearray(data))
            command.cookie = host.aio_pwrite(command.buffer, at, flags=command.flags)
        elif command.action == ZERO:
            self.golden[at:command.end] = bytes(length)
            command.cookie = host.aio_zero(length, at, flags=command.flags)
        elif command.action == TRIM:
            command.cookie = host.aio_trim(length, at, flags=command.flags)
        else:
            command.cookie = host.aio_flush()
        self.in_flight.append(command)

    def compare(self, found, wanted, offset, what):
        if found != wanted:
            at = first_difference(found, wanted)
            raise AssertionError(f'{self.volume}, seed {self.seed}: {what}: byte {offset + at} is '
                                 f'{found[at]}, not {wanted[at]}')

    def take_over(self, trim):
        """What a trim left. It still counts as in flight, so nothing else has changed it."""
        found = self.hosts[(trim.port + 1) % len(self.hosts)].pread(trim.length, trim.offset)
        old = self.golden[trim.offset:trim.end]
        if found != old and found != bytes(trim.length):
            check(all(byte in (0, before) for byte, before in zip(found, old)),
                  f'{self.volume}, seed {self.seed}: {trim} left other bytes')
        self.golden[trim.offset:trim.end] = found

    def finish(self, command):
        if command.action == READ:
            self.compare(command.buffer.to_bytearray(), command.wanted, command.offset, command)
        elif command.action == TRIM:
            self.take_over(command)

    def wait(self):
        """Until at least one of those in flight is over."""
        left = []
        for command in self.in_flight:
            if self.hosts[command.port].aio_command_completed(command.cookie):
                self.finish(command)
            else:
                left.append(command)
        if len(left) == len(self.in_flight):
            oldest = self.hosts[left[0].port]
            check(oldest.poll(PATIENCE * 1000) > 0,
                  f'{self.volume}, seed {self.seed}: no answer to {left[0]}')
        self.in_flight = left

    def step(self):
        command = self.some_command()
        while (len(self.in_flight) >= IN_FLIGHT or
               any(command.excludes(other) for other in self.in_flight)):
            self.wait()
        self.send(command)

    def compare_all(self, port):
        for offset in range(0, self.size, COMPARE_BYTES):
            found = self.hosts[port].pread(min(COMPARE_BYTES, self.size - offset), offset)
            self.compare(found, self.golden[offset:offset + len(found)], offset,
                         f'at the end, through port {port}')

    def do(self, operations):
        for _ in range(operations):
            self.step()
        while self.in_flight:
            self.wait()

    def run(self, operations, halfway):
        self.hosts[0].zero(self.size, 0)  # nothing is known of what an image holds
        self.do(operations // 2)
        if halfway is not None:
            halfway()
        self.do(operations - operations // 2)
        for port in range(len(self.hosts)):
            self.compare_all(port)
        for host in self.hosts:
            host.shutdown()


def run_golden_model(uris, volume, operations, seed=None, most_bytes=4 * MIB, halfway=None):
    """
    Does so many random commands, of at most most_bytes each, through all URIs, which are ports of
    one volume of the name `volume` (for messages). The volume is overwritten. Every answer is
    compared, and at the end the whole volume, through every URI. Without a seed one is drawn; all
    choices but what happens to be in flight follow from it. `halfway` is called when half of the
    commands have been answered and none is in flight.
    """
    seed = random.getrandbits(32) if seed is None else seed
    model = GoldenModel(uris, volume, seed, most_bytes)
    model.run(operations, halfway)
    counts = ', '.join(f'{count} {action}' for action, count in model.counts.items())
    note(f'{volume}: golden model, seed {seed}: {counts}; all bytes as they should be')
