"""
An NBD server that lies, to show that what judges servers finds it. It serves bytes in memory on a
Unix socket, a thread a connection, and has one fault of those below (or None: it is linearizable).
"""
import contextlib
import os
import random
import socket
import struct
import tempfile
import threading
import time

from testarray import (CMD_DISC, CMD_READ, CMD_WRITE, EINVAL, MIB, OPTION_MAGIC,
                       OPTION_REPLY_MAGIC, OPT_GO, REP_ACK, REP_ERR_UNSUP, REP_INFO, REQUEST_MAGIC,
                       SIMPLE_MAGIC)

PAUSE_SECONDS = 0.0005  # between the parts of what is torn, and how late what is late is done
BLOCK, SECTOR = 4096, 512
SNAPSHOT_EVERY = 64  # writes


class Server:
    def __init__(self, fault=None, one_in=40, size=MIB):
        self.fault, self.one_in = fault, one_in
        self.data, self.before = bytearray(size), bytes(size)
        self.lock = threading.Lock()
        self.random = random.Random(random.randrange(1 << 32))
        self.threads, self.open = [], []
        self.done, self.writes = 0, 0

    # faults: each is a way to do one command

    def is_time(self, fault):
        """Never before the first writes are done: what was never written has no stamp, which would
        be found as another fault."""
        return (self.fault == fault and self.writes >= self.one_in and
                self.random.randrange(self.one_in) == 0)

    def write(self, offset, data):
        pieces = {'torn block': SECTOR, 'torn command': BLOCK}.get(self.fault)
        if self.is_time('lost update'):
            return
        if self.is_time('early answer'):
            threading.Timer(PAUSE_SECONDS, self.store, (offset, data)).start()
            return
        if pieces is None or len(data) <= pieces:
            self.store(offset, data)
            return
        middle = len(data) // 2 // pieces * pieces
        self.store(offset, data[:middle])
        time.sleep(PAUSE_SECONDS)
        self.store(offset + middle, data[middle:])

    def store(self, offset, data):
        with self.lock:
            self.data[offset:offset + len(data)] = data
            # Older than what can be in flight: else a stale read is one that was beside a write.
            self.writes += 1
            if self.fault == 'stale read' and self.writes % SNAPSHOT_EVERY == 1:
                self.before = bytes(self.data)

    def read(self, offset, length):
        with self.lock:
            source = self.before if self.is_time('stale read') else self.data
            if self.is_time('astray'):
                offset = BLOCK if offset == 0 else offset - BLOCK
            return bytes(source[offset:offset + length])

    # the protocol

    @staticmethod
    def receive(connection, count):
        data = connection.recv(count, socket.MSG_WAITALL) if count else b''
        if len(data) < count:
            raise ConnectionError
        return data

    def negotiate(self, connection):
        connection.sendall(b'NBDMAGICIHAVEOPT' + struct.pack('>H', 3))
        self.receive(connection, 4)
        while True:
            magic, option, length = struct.unpack('>QII', self.receive(connection, 16))
            self.receive(connection, length)
            if magic != OPTION_MAGIC:
                raise ConnectionError

            def reply(kind, payload=b''):
                head = struct.pack('>QIII', OPTION_REPLY_MAGIC, option, kind, len(payload))
                connection.sendall(head + payload)

            if option == OPT_GO:
                reply(REP_INFO, struct.pack('>HQH', 0, len(self.data), 1 | 1 << 8))
                reply(REP_ACK)
                return
            reply(REP_ERR_UNSUP)

    def serve(self, connection):
        with contextlib.suppress(ConnectionError, OSError), connection:
            self.negotiate(connection)
            while True:
                header = struct.unpack('>IHHQQI', self.receive(connection, 28))
                magic, _, kind, cookie, offset, length = header
                payload = self.receive(connection, length if kind == CMD_WRITE else 0)
                if magic != REQUEST_MAGIC or kind == CMD_DISC:
                    return
                self.done += 1
                if self.fault == 'silent' and self.done == 300:
                    continue
                if self.fault == 'breaks' and self.done % 300 == 0:
                    return
                error, data = 0, b''
                if kind == CMD_WRITE:
                    self.write(offset, payload)
                elif kind == CMD_READ:
                    data = self.read(offset, length)
                else:
                    error = EINVAL
                connection.sendall(struct.pack('>IIQ', SIMPLE_MAGIC, error, cookie) + data)

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            thread = threading.Thread(target=self.serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix='ap', dir='/tmp')
        self.path = os.path.join(self.folder, 'socket')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.uri = f'nbd+unix:///?socket={self.path}'
        self.acceptor = threading.Thread(target=self.accept)
        self.acceptor.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.acceptor.join()
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        os.unlink(self.path)
        os.rmdir(self.folder)
