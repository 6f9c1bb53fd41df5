"""A host that writes with many commands in flight, remembers what was acknowledged, and reads it
back."""
import struct
import threading
import time

from testarray import MIB, check, libnbd

BLOCK = 4096


class Verifier(threading.Thread):
    """Writes blocks of its own MiB of a volume, at most one command on a block at a time, until
    finish(). An error ends it, and the test."""

    def __init__(self, array, volume, port, start, depth=16):
        super().__init__()
        self.array, self.volume, self.start_bytes, self.depth = array, volume, start, depth
        self.host = array.connect(volume, port)
        self.enough = threading.Event()
        self.failure = None
        self.versions = [0] * (MIB // BLOCK)
        self.busy = set()
        self.done, self.worst, self.next, self.at = 0, 0, 0, 0
        self.keeps = False  # from now on every second block is left as it is
        self.times = []  # (when it ended, how long it took), for figures

    def content(self, block, version):
        if version == 0:
            return bytes(BLOCK)
        return struct.pack('<QQ', self.start_bytes + block, version) * (BLOCK // 16)

    def choose(self):
        for _ in range(len(self.versions)):
            self.at = (self.at + 37) % len(self.versions)
            if self.at not in self.busy and not (self.keeps and self.at % 2):
                return self.at
        return None

    def write(self):
        block = self.choose()
        self.next += 1
        version, began = self.next, time.monotonic()
        self.busy.add(block)

        def ended(error):
            now = time.monotonic()
            self.busy.discard(block)
            if error.value != 0:
                self.failure = self.failure or f'errno {error.value}'
            self.versions[block] = version
            self.done += 1
            self.worst = max(self.worst, now - began)
            self.times.append((now, now - began))
            return 1
        data = libnbd().Buffer.from_bytearray(bytearray(self.content(block, version)))
        self.host.aio_pwrite(data, self.start_bytes + block * BLOCK, completion=ended)

    def run(self):
        try:
            while not self.enough.is_set() and self.failure is None:
                while self.host.aio_in_flight() < self.depth:
                    self.write()
                self.host.poll(100)
                if self.next % 512 == 0:
                    self.host.flush()
            while self.host.aio_in_flight() > 0:
                self.host.poll(100)
        except libnbd().Error as error:
            self.failure = error

    def keep_half(self):
        """What was written to the other half is not written again, so that it is seen when it is lost."""
        self.keeps = True

    def finish(self):
        self.enough.set()
        self.join(60)
        check(not self.is_alive(), f'a command on {self.volume} hangs')
        check(self.failure is None, f'a host of {self.volume} was disturbed: {self.failure}')
        self.host.shutdown()

    def verify(self, port):
        """Every block holds what was acknowledged last."""
        host = self.array.connect(self.volume, port)
        data = host.pread(MIB, self.start_bytes)
        for block, version in enumerate(self.versions):
            found = data[block * BLOCK:(block + 1) * BLOCK]
            check(found == self.content(block, version),
                  f'block {block} of {self.volume} at {self.start_bytes} is not version {version}: '
                  f'{struct.unpack_from("<QQ", found)}')
        host.shutdown()
