"""A host with many commands in flight, which goes on until one of them fails."""
import os
import threading
import time

from testarray import MIB, libnbd


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
