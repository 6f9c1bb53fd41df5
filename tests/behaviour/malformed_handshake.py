#!/usr/bin/python3
"""A malformed handshake is refused in the protocol's words, or the connection is closed; the next
option is never misread, and another host is served meanwhile."""
import os
import random
import struct

from testarray import (MIB, OPTION_MAGIC, OPT_ABORT, OPT_EXPORT_NAME, OPT_EXTENDED, OPT_GO,
                       OPT_INFO, OPT_LIST, OPT_LIST_META, OPT_PEEK, OPT_SET_META, OPT_STARTTLS,
                       OPT_STRUCTURED, REP_ACK, REP_ERROR, REP_ERR_INVALID, REP_ERR_UNKNOWN,
                       REP_ERR_UNSUP, REP_META, Array, Bystander, Closed, Host, check, folders,
                       libnbd, note, run, same)


def named(name, rest=b'\0\0'):
    name = name if isinstance(name, bytes) else name.encode()
    return struct.pack('>I', len(name)) + name + rest


def refused_options(array):
    """(option, payload, the reply it must have; None: any error)"""
    wrong = [
        (OPT_LIST, b'x', REP_ERR_INVALID),
        (OPT_STRUCTURED, b'x', REP_ERR_INVALID),
        (OPT_PEEK, b'', REP_ERR_UNSUP),
        (OPT_STARTTLS, b'', REP_ERR_UNSUP),
        (OPT_EXTENDED, b'', REP_ERR_UNSUP),
        (0, b'', REP_ERR_UNSUP),
        (12, os.urandom(100), REP_ERR_UNSUP),
        (0xffffffff, os.urandom(70000), REP_ERR_UNSUP),
        (77, bytes(3 * MIB), REP_ERR_UNSUP),
        (OPT_SET_META, named('vol0', struct.pack('>I', 0)), REP_ERR_INVALID),  # before STRUCTURED
    ]
    for option in (OPT_INFO, OPT_GO):
        wrong += [
            (option, b'', REP_ERR_INVALID),
            (option, b'\0\0\0', REP_ERR_INVALID),
            (option, struct.pack('>I', 100) + b'vol0\0\0', REP_ERR_INVALID),
            (option, struct.pack('>I', 0xffffffff) + b'vol0\0\0', REP_ERR_INVALID),
            (option, named('vol0', b''), REP_ERR_INVALID),
            (option, named('vol0', b'\0'), REP_ERR_INVALID),
            (option, named('vol0', b'\0\1'), REP_ERR_INVALID),
            (option, named('vol0', b'\0\0\0\0'), REP_ERR_INVALID),
            (option, named('vol0', b'\xff\xff' + b'\0\1' * 5), REP_ERR_INVALID),
            (option, named(b'vol0\0'), REP_ERR_INVALID),
            (option, named('x' * 4096), REP_ERR_UNKNOWN),
            (option, named('x' * 4097), None),
            (option, named('x' * 65000), None),
            (option, os.urandom(2 * MIB), None),
            (option, named('absent'), REP_ERR_UNKNOWN),
            (option, named(b'\xff\xfe'), None),
        ]
    with Host(array, 'c0') as host:
        for option, payload, wanted in wrong:
            kind, _ = host.option(option, payload)
            what = f'option {option} with {payload[:40]!r}'
            if wanted is None:
                check(kind & REP_ERROR, f'{what} is an error')
            else:
                same(hex(kind), hex(wanted), what)
        same(host.option(OPT_STRUCTURED)[0], REP_ACK, 'STRUCTURED_REPLY after all that')
        for option in (OPT_LIST_META, OPT_SET_META):
            for payload in (b'', named('vol0', b''), named('vol0', b'\0\0\0\1'),
                            named('vol0', struct.pack('>II', 1, 400) + b'base:allocation'),
                            named('vol0', struct.pack('>II', 2, 15) + b'base:allocation'),
                            named('vol0', struct.pack('>I', 0xffffffff)),
                            named('vol0', struct.pack('>I', 0) + b'more')):
                same(hex(host.option(option, payload)[0]), hex(REP_ERR_INVALID),
                     f'contexts {payload!r}')
            same(hex(host.option(option, named('absent', struct.pack('>I', 0)))[0]),
                 hex(REP_ERR_UNKNOWN), 'contexts of an export that is not there')
        kind, replies = host.option(OPT_SET_META, named('vol0', struct.pack('>II', 1, 9)
                                                        + b'x:unknown'))
        same((kind, len(replies)), (REP_ACK, 1), 'an unknown context is passed over')
        kind, replies = host.option(OPT_LIST_META, named('vol0', struct.pack('>I', 0)))
        same([kind for kind, _ in replies], [REP_META, REP_META, REP_ACK], 'all contexts')
        host.go('vol0')
        host.structured = True
        host.works('refused options')


def closed(array, what, said, greet=True, flags=3):
    """After `said` the array closes the connection by itself."""
    with Host(array, 'c0', greet=greet, flags=flags) as host:
        try:
            host.send(said)
        except Closed:
            return
        host.expect_close(what)


def ends_the_connection(array):
    def option(number, payload=b'', length=None, magic=OPTION_MAGIC):
        length = len(payload) if length is None else length
        return struct.pack('>QII', magic, number, length) + payload

    for bit in (2, 3, 16, 31):
        closed(array, f'client flag {bit}', b'', flags=1 << bit | 3)
    closed(array, 'an option without fixed newstyle', option(OPT_LIST), flags=0)
    closed(array, 'a wrong option magic', option(OPT_LIST, magic=OPTION_MAGIC ^ 1))
    closed(array, 'half a wrong option magic', b'IHAVEOPX')
    closed(array, 'a huge unknown option', option(99, length=0xffffffff))
    closed(array, 'a huge GO', option(OPT_GO, length=0xffffffff))
    closed(array, 'a huge LIST', option(OPT_LIST, length=1 << 31))
    closed(array, 'a huge EXPORT_NAME', option(OPT_EXPORT_NAME, length=1 << 20) + bytes(1 << 20))
    closed(array, 'EXPORT_NAME of an absent export', option(OPT_EXPORT_NAME, b'absent'))
    closed(array, 'EXPORT_NAME with a NUL', option(OPT_EXPORT_NAME, b'vol0\0'))
    closed(array, 'HTTP', b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', greet=False)
    closed(array, 'an oldstyle client', b'NBDMAGIC\0\0\4\2\x81\x86\x12\x53' * 3, greet=False)
    with Host(array, 'c0') as host:
        same(host.option(OPT_ABORT)[0], REP_ACK, 'ABORT')
        host.expect_close('ABORT')


def export_name(array):
    """The one option of old hosts, with and without the zeroes behind its answer."""
    for flags, zeroes in ((0, 124), (1, 124), (2, 0), (3, 0)):
        with Host(array, 'c0', flags=flags) as host:
            host.send_option(OPT_EXPORT_NAME, b'vol0')
            size, _ = struct.unpack('>QH', host.receive(10))
            same(size, array.volume_size('vol0'), 'the size')
            same(host.receive(zeroes), bytes(zeroes), 'the zeroes')
            host.structured = False
            host.works('EXPORT_NAME')


def any_portions(array):
    """The same handshake and read in one piece, byte by byte, and in random pieces."""
    said = (struct.pack('>I', 3) + struct.pack('>QII', OPTION_MAGIC, OPT_LIST, 0)
            + struct.pack('>QII', OPTION_MAGIC, 1234, 50) + bytes(50)
            + struct.pack('>QII', OPTION_MAGIC, OPT_GO, 10) + named('vol0')
            + struct.pack('>IHHQQI', 0x25609513, 0, 0, 99, 0, 512))
    answers = set()
    for piece in (lambda: len(said), lambda: 1, lambda: random.randint(1, 20)):
        with Host(array, 'c0', greet=False) as host:
            at = 0
            while at < len(said):
                length = piece()
                host.send(said[at:at + length])
                at += length
            host.receive(18)
            answer = b''
            while b'\x67\x44\x66\x98' not in answer:
                answer += host.receive(1)
            error, cookie = struct.unpack('>IQ', host.receive(12))
            same((error, cookie), (0, 99), 'the read behind the handshake')
            answers.add(answer + host.receive(512))
    same(len(answers), 1, 'different answers to the same words')


def floods(array):
    """Garbage instead of a handshake, at any point of it; halves and hang-ups."""
    for _ in range(60):
        with Host(array, 'c0', greet=random.random() < 0.7) as host:
            try:
                for _ in range(random.randint(0, 3)):
                    host.send_option(random.choice([OPT_LIST, OPT_INFO, OPT_GO, 50]),
                                     named('vol0'), length=random.choice([None, 3, 10, 500]))
                host.send(random.randbytes(random.choice([1, 7, 20, 5000, 3 * MIB])))
            except Closed:
                pass


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=2, count=2) as array:
            with Bystander(array, 'vol1', 'c0') as bystander:
                refused_options(array)
                ends_the_connection(array)
                export_name(array)
                any_portions(array)
                floods(array)
            note(f'a bystander did {bystander.done} rounds; at worst {bystander.worst:.4f} s')
            array.wait_quiet()


run(main)
