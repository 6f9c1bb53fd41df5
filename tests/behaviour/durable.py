"""A host that remembers what was acknowledged, and finds it again whatever happens to the array."""
import os
import random
import struct
import subprocess
import threading
import time

from testarray import CLIENTS_PATH, PATIENCE, check, libnbd

BLOCK = 4096
STAMP = struct.Struct('<QQ')

PLAIN, FUA, FLUSH = 'plain', 'FUA', 'FLUSH'


def stamped(block, tag):
    return STAMP.pack(block, tag) * (BLOCK // STAMP.size)


class LastingHost(threading.Thread):
    """A host that works until it is told that it is enough. Keeps why it ended before."""

    def __init__(self, what):
        super().__init__()
        self.what = what
        self.random = random.Random(random.getrandbits(64))
        self.done = 0
        self.failure = None
        self.enough = threading.Event()

    def run(self):
        try:
            self.work()
        except BaseException as error:  # told by the thread that waits for us
            self.failure = error

    def end(self):
        """It looks at what it has written, and leaves. Raises what it met."""
        self.enough.set()
        self.join(PATIENCE)
        check(not self.is_alive(), f'{self.what} hangs')
        if self.failure is not None:
            raise self.failure


class DurableHost(LastingHost):
    """
    Writes blocks with tags of its own and reads them back, through one port; when its connection
    breaks it makes it anew and goes on. Of each block it knows the last tag that was acknowledged,
    and those that were sent later and not answered: a read must find one of these, whole.

    An answer that is an error is a failure.
    """

    def __init__(self, array, volume, port='front', blocks=512, first_block=0):
        super().__init__(f'a host of {volume} through {port}')
        self.array, self.volume, self.port, self.blocks = array, volume, port, blocks
        self.acknowledged = [0] * blocks  # tags; 0: zeroes
        self.unanswered = [set() for _ in range(blocks)]
        self.next_tag = 1
        self.first_byte = first_block * BLOCK
        self.reconnected, self.longest = 0, 0
        self.host = None

    # connections

    def _connect(self):
        nbd = libnbd()
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.host = self.array.connect(self.volume, self.port)
                return
            except nbd.Error as error:
                check(time.monotonic() < deadline, f'{self.port} does not answer: {error}')
                time.sleep(0.002)

    def _lost(self, error):
        """Its connection broke: that is no failure. An error in an answer is one."""
        broken = self.host.aio_is_dead() or self.host.aio_is_closed()
        check(broken, f'{self.what}: {error}')
        self.reconnected += 1
        self._connect()

    # commands

    def _write(self, kind):
        nbd = libnbd()
        block, tag = self.random.randrange(self.blocks), self.next_tag
        self.next_tag += 1
        self.unanswered[block].add(tag)
        try:
            self.host.pwrite(stamped(block, tag), self.first_byte + block * BLOCK,
                             nbd.CMD_FLAG_FUA if kind == FUA else 0)
            if kind == FLUSH:
                self.host.flush()
        except nbd.Error as error:
            self._lost(error)
            return
        self.acknowledged[block] = tag
        self.unanswered[block].clear()

    def look(self, block):
        """Reads a block, which must hold what it may. What it holds is what it goes on holding."""
        nbd = libnbd()
        try:
            found = bytes(self.host.pread(BLOCK, self.first_byte + block * BLOCK))
        except nbd.Error as error:
            self._lost(error)
            return
        may_be = {self.acknowledged[block]} | self.unanswered[block]
        for tag in may_be:
            if found == (stamped(block, tag) if tag else bytes(BLOCK)):
                self.acknowledged[block] = tag
                self.unanswered[block].clear()
                return
        of = {STAMP.unpack_from(found, at) for at in range(0, BLOCK, STAMP.size)}
        raise AssertionError(f'{self.what}, block {block}: found {of}, '
                             f'acknowledged {self.acknowledged[block]}, not answered '
                             f'{sorted(self.unanswered[block])}')

    def _one(self):
        before = time.monotonic()
        if self.random.random() < 0.4:
            self.look(self.random.randrange(self.blocks))
        else:
            self._write(self.random.choice((PLAIN, PLAIN, FUA, FLUSH)))
        self.longest = max(self.longest, time.monotonic() - before)
        self.done += 1

    def work(self):
        self._connect()
        while not self.enough.is_set():
            self._one()
        for block in range(self.blocks):
            self.look(block)
        self.host.shutdown()


class QemuHost(LastingHost):
    """qemu-io with its reconnect-delay: writes patterns, reads them back, and is to notice nothing
    of a connection that breaks."""

    BLOCKS, BLOCK_BYTES = 32, 65536

    def __init__(self, array, volume, port='front'):
        super().__init__(f'qemu-io on {volume}')
        self.options = (f'driver=nbd,server.type=unix,server.path={array.socket(port)},'
                        f'export={volume},reconnect-delay={PATIENCE}')
        self.patterns = [None] * self.BLOCKS

    def _say(self, text, answer):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()
        said = []
        for line in self.process.stdout:
            said.append(line)
            check('failed' not in line and 'error' not in line, f'qemu-io, {text}: {line}')
            if 'bytes at offset' in line:
                check(answer in line, f'qemu-io, {text}: {line}')
            if ' ops/sec' in line:  # the last line of an answer
                return
        raise AssertionError(f'qemu-io ended: {"".join(said)}')

    def _one(self):
        block = self.random.randrange(self.BLOCKS)
        place = f'{block * self.BLOCK_BYTES} {self.BLOCK_BYTES}'
        if self.patterns[block] is not None and self.random.random() < 0.5:
            self._say(f'read -P {self.patterns[block]} {place}', f'read {self.BLOCK_BYTES}/')
        else:
            pattern = self.random.randrange(1, 256)
            self._say(f'write -P {pattern} {place}', f'wrote {self.BLOCK_BYTES}/')
            self.patterns[block] = pattern
        self.done += 1

    def work(self):
        with subprocess.Popen(['qemu-io', '--image-opts', self.options],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              env=dict(os.environ, PATH=CLIENTS_PATH)) as self.process:
            try:
                while not self.enough.is_set():
                    self._one()
                self.process.stdin.close()
                self.process.wait(PATIENCE)
            finally:
                self.process.kill()
