"""Hosts that check what they wrote, and come back when their controller or their volume does."""
import random
import threading
import time

from testarray import check, libnbd, same, wait_until

BLOCK = 4096
BLOCKS = 64


class Worker(threading.Thread):
    """A host on one port and one volume, with blocks of its own, one command at a time. What was
    acknowledged must be read for ever. An error is allowed while `disturbed` says so of its port or
    its volume; then it connects again and goes on."""

    def __init__(self, array, disturbed, port, volume, place):
        super().__init__(daemon=True)
        self.array, self.disturbed = array, disturbed
        self.port, self.volume, self.start_block = port, volume, place * BLOCKS
        self.random = random.Random(random.getrandbits(32))
        self.enough = threading.Event()
        self.known = {}  # block -> what it may hold
        self.done = self.errors = 0
        self.worst = 0
        self.failure = None

    def may_fail(self):
        return self.port in self.disturbed or self.volume in self.disturbed

    def one_write(self, host):
        block = self.start_block + self.random.randrange(BLOCKS)
        data = self.random.randbytes(16) * (BLOCK // 16)
        before = self.known.get(block)
        if before is not None:
            self.known[block] = before | {data}
        host.pwrite(data, block * BLOCK)
        self.known[block] = {data}

    def one_read(self, host):
        if not self.known:
            return
        block = self.random.choice(list(self.known))
        found = bytes(host.pread(BLOCK, block * BLOCK))
        check(found in self.known[block], f'{self.volume} by {self.port}: block {block} is not what '
              f'was acknowledged')
        self.known[block] = {found}

    def work(self, host):
        while not self.enough.is_set():
            began = time.monotonic()
            self.one_write(host)
            self.one_read(host)
            if not self.may_fail():
                self.worst = max(self.worst, time.monotonic() - began)
            self.done += 1

    def run(self):
        nbd = libnbd()
        while not self.enough.is_set():
            allowed = self.may_fail()
            try:
                self.work(self.array.connect(self.volume, self.port))
            except nbd.Error as error:
                self.errors += 1
                if not allowed and not self.may_fail():
                    self.failure = error
                    return
                time.sleep(0.002)
            except Exception as error:  # told by the thread that waits for us
                self.failure = error
                return

    def verify(self):
        """When all is well again: everything is there, by any port."""
        host = self.array.connect(self.volume)
        for block, allowed in self.known.items():
            check(bytes(host.pread(BLOCK, block * BLOCK)) in allowed,
                  f'{self.volume}: block {block} of the worker by {self.port} is lost')
        host.shutdown()


class Workers:
    """One on each port for each volume. At the end of the context none has failed."""

    def __init__(self, array, ports, volumes):
        libnbd()  # or a skip, of the whole test
        self.disturbed = set()
        self.all = [Worker(array, self.disturbed, port, volume, place)
                    for volume in volumes for place, port in enumerate(ports)]

    def check(self):
        for one in self.all:
            check(one.failure is None, f'{one.volume} by {one.port}: {one.failure!r}')

    def go_on(self, steps=10, which=lambda one: True):
        """Those meant have got so much further."""
        wanted = {one: one.done + steps for one in self.all if which(one)}

        def there():
            self.check()
            return all(one.done >= count for one, count in wanted.items())
        wait_until(there, 'hosts go on')

    def undisturbed(self, one):
        return not one.may_fail()

    def __enter__(self):
        for one in self.all:
            one.start()
        return self

    def __exit__(self, kind, *_):
        for one in self.all:
            one.enough.set()
        for one in self.all:
            one.join(30)
        if kind is None:
            self.check()
            same([one for one in self.all if one.is_alive()], [], 'hosts that hang')
            for one in self.all:
                one.verify()
