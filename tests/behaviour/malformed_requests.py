#!/usr/bin/python3
"""A malformed request is answered by the protocol's error and the connection goes on, or, where the
two sides may be out of step, it is closed; never is payload misread as a request."""
import random
import struct
import threading

from testarray import (CMD_BLOCK_STATUS, CMD_CACHE, CMD_DISC, CMD_FLUSH, CMD_READ, CMD_TRIM,
                       CMD_WRITE, CMD_ZERO, EINVAL, ENOSPC, EOVERFLOW, FLAG_DF, FLAG_FAST_ZERO,
                       FLAG_FUA, FLAG_NO_HOLE, FLAG_ONE, MIB, REQUEST_MAGIC, Array, Bystander,
                       Closed, Host, check, folders, libnbd, note, run, same)

SIZE = 64 * MIB
LIMIT = 32 * MIB
# Whatever a write could be misread as: this payload is all requests to zero the first MiB.
TRAP = struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_ZERO, 666, 0, MIB)


def trap(length):
    return (TRAP * (length // len(TRAP) + 1))[:length]


def unknown_flags(host):
    allowed = {CMD_READ: FLAG_FUA, CMD_WRITE: FLAG_FUA, CMD_FLUSH: FLAG_FUA, CMD_TRIM: FLAG_FUA,
               CMD_CACHE: FLAG_FUA, CMD_ZERO: FLAG_FUA | FLAG_NO_HOLE | FLAG_FAST_ZERO}
    if host.structured:
        allowed[CMD_READ] |= FLAG_DF
        allowed[CMD_BLOCK_STATUS] = FLAG_FUA | FLAG_ONE
    for kind, good in allowed.items():
        offset, length = (0, 0) if kind == CMD_FLUSH else (8 * MIB, 512)
        payload = trap(512) if kind == CMD_WRITE else b''
        for bit in range(16):
            error = host.request(kind, offset, length, payload, 1 << bit)
            same(error, 0 if good & (1 << bit) else EINVAL, f'command {kind} with flag {1 << bit}')


def unknown_commands(host):
    for kind in (8, 9, 10, 255, 256, 0x7fff, 0xffff):
        for length in (0, 1, 4096, 0xffffffff):
            same(host.request(kind, 0, length), EINVAL, f'command {kind} of {length}')


def past_the_end(host):
    ranges = [(SIZE, 1), (SIZE - 1, 2), (SIZE + MIB, 4096), (1 << 63, 4096), ((1 << 64) - 1, 1),
              ((1 << 64) - 1, 2), ((1 << 64) - 4096, 4096), ((1 << 64) - MIB, 2 * MIB)]
    for offset, length in ranges:
        same(host.request(CMD_READ, offset, length), EINVAL, f'read of {length} at {offset}')
        same(host.request(CMD_WRITE, offset, length, trap(length)), ENOSPC,
             f'write of {length} at {offset}')
        same(host.request(CMD_ZERO, offset, length), ENOSPC, f'zero of {length} at {offset}')
        same(host.request(CMD_TRIM, offset, length), EINVAL, f'trim of {length} at {offset}')
        same(host.request(CMD_CACHE, offset, length), EINVAL, f'cache of {length} at {offset}')
    same(host.request(CMD_ZERO, 0, 0xffffffff), ENOSPC, 'a zero of all there can be')
    same(host.request(CMD_TRIM, 0, 0xffffffff), EINVAL, 'a trim of all there can be')


def too_long(host):
    wanted = EOVERFLOW if host.structured else EINVAL
    same(host.request(CMD_READ, 0, LIMIT + 1), wanted, 'a read of 32 MiB and 1')
    same(host.request(CMD_READ, 0, 0xffffffff), EINVAL, 'a read past the end and too long')
    same(host.request(CMD_WRITE, 0, LIMIT + 1, trap(LIMIT + 1)), EINVAL,
         'a write of 32 MiB and 1')
    host.works('a write that was too long')
    same(host.request(CMD_WRITE, SIZE - LIMIT, LIMIT, trap(LIMIT)), 0, 'a write of 32 MiB')
    same(host.request(CMD_READ, SIZE - LIMIT, LIMIT, b'', FLAG_DF if host.structured else 0), 0,
         'a read of 32 MiB')
    same(host.request(CMD_ZERO, MIB, SIZE - MIB), 0, 'a zero of more than 32 MiB')
    same(host.request(CMD_TRIM, MIB, SIZE - MIB), 0, 'a trim of more than 32 MiB')


def odd_ones(host):
    for kind in (CMD_READ, CMD_WRITE, CMD_TRIM, CMD_ZERO, CMD_CACHE):
        same(host.request(kind, 4096, 0), 0, f'command {kind} of nothing')
        same(host.request(kind, SIZE, 0), 0, f'command {kind} of nothing at the end')
    same(host.request(CMD_FLUSH, 1, 0), EINVAL, 'a flush with an offset')
    same(host.request(CMD_FLUSH, 0, 1), EINVAL, 'a flush with a length')
    if host.structured:
        same(host.request(CMD_BLOCK_STATUS, 0, 0), EINVAL, 'block status of nothing')
        same(host.request(CMD_BLOCK_STATUS, SIZE, 1), EINVAL, 'block status past the end')
        same(host.request(CMD_BLOCK_STATUS, 0, SIZE), 0, 'block status of all')


def clean_errors(array):
    for port in ('c0', 'c1'):
        for volume in ('vol0', 'vol1'):
            for structured in (False, True):
                with Host(array, port) as host:
                    host.go(volume, structured, ('base:allocation',) if structured else ())
                    same(host.request(CMD_WRITE, 0, 4096, b'k' * 4096), 0, 'a write')
                    for part in (unknown_flags, unknown_commands, past_the_end, odd_ones, too_long):
                        part(host)
                        host.works(part.__name__)
                    same(host.request(CMD_READ, 0, 4096, b'', FLAG_DF if structured else 0), 0,
                         'the read of what was written')
                    if not structured:
                        check(host.data == b'k' * 4096, 'no payload was taken for a request')
    with Host(array, 'c0') as host:  # no contexts were agreed
        host.go('vol0', structured=True)
        same(host.request(CMD_BLOCK_STATUS, 0, 512), EINVAL, 'block status without a context')
        host.works('block status without a context')


def closed(array, what, *said):
    with Host(array, 'c0') as host:
        host.go('vol0')
        try:
            for words in said:
                host.send(words)
        except Closed:
            return
        host.expect_close(what)


def out_of_step(array):
    request = struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_FLUSH, 1, 0, 0)
    closed(array, 'a wrong magic', struct.pack('>IHHQQI', REQUEST_MAGIC ^ 1, 0, 0, 1, 0, 512))
    closed(array, 'four bytes of a wrong magic', b'\0\0\0\0')
    closed(array, 'a reply instead of a request', struct.pack('>IIQ', 0x67446698, 0, 1) + bytes(12))
    closed(array, 'garbage behind a request', request, b'garbage!' * 4)
    closed(array, 'an extended request', struct.pack('>IHHQQQ', 0x21e41c71, 0, 0, 1, 0, 512))
    closed(array, 'a write that nobody would discard',
           struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_WRITE, 1, 0, 0xffffffff))
    closed(array, 'DISC', struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_DISC, 1, 0, 0))


def halves(array):
    """Connections that end in the middle of something."""
    write = struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_WRITE, 1, 0, 100000)
    short = struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_WRITE, 1, 0, 512)
    for said in (b'\x25', b'\x25\x60\x95\x13', write[:27], write, write + b'x',
                 write + b'x' * 99999, short, short + b'x' * 511):
        with Host(array, 'c1') as host:
            host.go('vol0')
            same(host.request(CMD_WRITE, 0, 4096, b'k' * 4096), 0, 'a write')
            host.send(said)
    array.wait_quiet()
    with Host(array, 'c0') as host:
        host.go('vol0')
        same(host.request(CMD_READ, 0, 4096), 0, 'a read')
        check(host.data == b'k' * 4096, 'half a write changed nothing')


def many_at_once(array):
    """Good and bad requests in one stream; each gets its own answer, whatever the order."""
    with Host(array, 'c1') as host:
        host.go('vol0')
        stream, wanted = [], {}
        for cookie in range(2000):
            kind, offset, length, flags, error = random.choice([
                (CMD_WRITE, 4096, 512, 0, 0), (CMD_FLUSH, 0, 0, 0, 0), (CMD_ZERO, 8192, 100, 0, 0),
                (CMD_WRITE, SIZE, 700, 0, ENOSPC), (CMD_WRITE, 0, 100, 0x8000, EINVAL),
                (99, 5, 5, 0, EINVAL), (CMD_TRIM, SIZE, 1, 0, EINVAL),
                (CMD_WRITE, 16384, 70000, FLAG_FUA, 0)])
            wanted[cookie] = error
            stream.append(struct.pack('>IHHQQI', REQUEST_MAGIC, flags, kind, cookie, offset, length))
            stream.append(trap(length) if kind == CMD_WRITE else b'')
        # Answers are read meanwhile: one who only asks is made to wait.
        sender = threading.Thread(target=host.send, args=(b''.join(stream),))
        sender.start()
        for _ in range(2000):
            error, cookie, _ = host.simple_reply()
            same(error, wanted.pop(cookie), f'the answer to {cookie}')
        sender.join()
        same(wanted, {}, 'requests without an answer')
        host.works('a stream of good and bad')


def byte_by_byte(array):
    with Host(array, 'c1') as host:
        host.go('vol0')
        data = bytes(range(100)) * 3
        said = struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_WRITE, 5, 4096, 300) + data
        for byte in said:
            host.send(bytes([byte]))
        same(host.simple_reply()[:2], (0, 5), 'a write, byte by byte')
        same(host.request(CMD_READ, 4096, 300), 0, 'the read of it')
        same(host.data, data, 'its bytes')


def floods(array):
    for _ in range(30):
        with Host(array, random.choice(['c0', 'c1'])) as host:
            host.go('vol0', structured=random.random() < 0.5)
            try:
                for _ in range(random.randint(0, 4)):
                    host.send_request(random.choice([CMD_READ, CMD_WRITE, CMD_CACHE, 77]),
                                      random.randrange(SIZE), random.randrange(MIB),
                                      random.randbytes(random.randrange(1000)))
                host.send(random.randbytes(random.choice([3, 29, 1000, 2 * MIB])))
            except Closed:
                pass


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=2, count=3, size=str(SIZE)) as array:
            with Bystander(array, 'vol2', 'c1') as bystander:
                clean_errors(array)
                out_of_step(array)
                halves(array)
                many_at_once(array)
                byte_by_byte(array)
                floods(array)
            note(f'a bystander did {bystander.done} rounds; at worst {bystander.worst:.4f} s')
            array.wait_quiet()


run(main)
