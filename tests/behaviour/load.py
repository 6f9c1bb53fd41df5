"""Hosts with many commands in flight, which go on until one of them fails, and a death under them."""
import errno
import os
import signal
import threading
import time

from testarray import MIB, check, libnbd, same, wait_until

AT_ONCE = 2  # seconds


class Load(threading.Thread):
    """Many commands in flight, until they fail. Keeps what each one ended with."""

    def __init__(self, array, volume, port):
        super().__init__()
        self.host = array.connect(volume, port)
        self.errors, self.done = set(), 0
        self.first_error_at = None
        self.enough = threading.Event()

    def ended(self, error):
        """Called for each command with its errno."""
        self.done += 1
        if error.value != 0:
            self.errors.add(error.value)
            self.first_error_at = self.first_error_at or time.monotonic()
        return 1

    def run(self):
        nbd = libnbd()
        data = nbd.Buffer.from_bytearray(bytearray(os.urandom(MIB)))
        space = nbd.Buffer(MIB)
        at = 0
        try:
            while not self.enough.is_set():
                while self.host.aio_in_flight() < 64:
                    offset = at * 8192 % (32 * MIB)
                    if at % 2:
                        self.host.aio_pwrite(data if at % 64 == 1 else
                                             nbd.Buffer.from_bytearray(bytearray(4096)), offset,
                                             completion=self.ended)
                    else:
                        self.host.aio_pread(space if at % 64 == 0 else nbd.Buffer(4096), offset,
                                            completion=self.ended)
                    at += 1
                self.host.poll(100)
                if self.first_error_at and at % 1000 == 0:
                    break
            while self.host.aio_in_flight() > 0:
                self.host.poll(100)
        except nbd.Error as error:
            self.lost = error


def kill_under_load(pid, loads, bystanders):
    """Kills a controller: the commands of all loads end with EIO at once, and bystanders go on.
    Returns after how many seconds the last load saw it."""
    os.kill(pid, signal.SIGKILL)
    killed_at = time.monotonic()
    for load in loads:
        load.join(20)
        check(not load.is_alive(), 'a command for the dead one hangs')
        same(load.errors, {errno.EIO}, 'what the commands ended with')
        took = load.first_error_at - killed_at
        check(took < AT_ONCE, f'EIO after {took:.2f} s')
    done = sum(one.done for one in bystanders)
    wait_until(lambda: sum(one.done for one in bystanders) > done + 20, 'bystanders go on')
    return max(load.first_error_at for load in loads) - killed_at
