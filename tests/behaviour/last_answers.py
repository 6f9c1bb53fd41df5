#!/usr/bin/python3
"""A host over TCP that reads late gets all its answers, though the array has closed the connection
meanwhile and bytes that nobody wanted came behind its last request. One that never reads nor closes
is let go of in bounded time."""
import random
import socket
import struct
import time

from testarray import (CMD_DISC, CMD_READ, REQUEST_MAGIC, Array, Closed, Host, check, folders,
                       libnbd, run, same, wait_until)

READS, LENGTH = 4, 64 << 10
LINGERS = 1  # SESSION_LINGER_MS


class LateHost(Host):
    """Over TCP, with little room for what it has not read."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        self.socket.settimeout(60)
        self.socket.connect(('127.0.0.1', port))
        self.receive(18)
        self.send(struct.pack('>I', 3))


def tcp_port(array):
    return int(array.process.stdout.readline().rsplit(':', 1)[1].split('/')[0])


def ask_and_leave(array, host, last):
    """Reads, something that ends the connection, and more that nobody will read; returns when the
    array has answered and ended it."""
    sent = array.controller(0)['bytes_sent']
    ask = b''.join(struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_READ, cookie, cookie * LENGTH,
                               LENGTH) for cookie in range(READS))
    host.send(ask)
    wait_until(lambda: array.controller(0)['bytes_sent'] >= sent + READS * LENGTH, 'answers')
    host.send(last + bytes(100000))
    with Host(array, 'c0') as other:  # some turns later
        other.go('vol0').works('the end of another')


def check_answers(host, data, what):
    for cookie in range(READS):
        try:
            error, answered, found = host.simple_reply(LENGTH)
        except Closed:
            raise AssertionError(f'{what}: answer {cookie} did not arrive') from None
        same((error, answered), (0, cookie), f'{what}: answer {cookie}')
        check(found == data[cookie * LENGTH:(cookie + 1) * LENGTH], f'{what}: other bytes')
    host.expect_close(what)
    host.close()


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=1, ports={'tcp': '127.0.0.1:0'}) as array:
            port = tcp_port(array)
            data = random.randbytes(READS * LENGTH)
            writer = array.connect('vol0')
            writer.pwrite(data, 0)
            writer.shutdown()
            disconnect = struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_DISC, 0, 0, 0)
            for what, last in (('a disconnect', disconnect), ('rubbish', b'rubbish' * 4)):
                host = LateHost(port).go('vol0')
                ask_and_leave(array, host, last)
                check_answers(host, data, what)
            wait_until(lambda: array.controller(0)['connections'] == 0, 'all have left')
            host = LateHost(port).go('vol0')
            ask_and_leave(array, host, disconnect)
            began = time.monotonic()
            wait_until(lambda: array.controller(0)['connections'] == 0, 'one that never reads')
            check(time.monotonic() - began < LINGERS + 3, 'it is let go of in time')
            host.close()
            array.wait_quiet()


run(main)
