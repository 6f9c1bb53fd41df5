#!/usr/bin/env python3
"""Writes the fuzzers' seeds: handshakes and request streams, a file for each thing that can be said.

usage: make_corpus.py FOLDER      (FOLDER/negotiate and FOLDER/request)
"""
import struct
import sys
from pathlib import Path

FIXED, NO_ZEROES = 1, 2
EXPORT_NAME, ABORT, LIST, STARTTLS, INFO, GO = 1, 2, 3, 5, 6, 7
STRUCTURED_REPLY, LIST_CONTEXTS, SET_CONTEXTS, EXTENDED_HEADERS = 8, 9, 10, 11


def flags(value=FIXED | NO_ZEROES):
    return struct.pack(">I", value)


def option(number, data=b""):
    return b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data


def text(value):
    return struct.pack(">I", len(value)) + value


def info(number, name, *requests):
    return option(number, text(name) + struct.pack(f">H{len(requests)}H", len(requests), *requests))


def contexts(number, name, *queries):
    return option(number, text(name) + struct.pack(">I", len(queries)) + b"".join(map(text, queries)))


def handshakes():
    both = (b"base:allocation", b"anyport:location")
    go = info(GO, b"vol0")
    yield "export-name", flags() + option(EXPORT_NAME, b"vol0")
    yield "export-name-zeroes", flags(FIXED) + option(EXPORT_NAME, b"vol1")
    yield "export-name-default", flags() + option(EXPORT_NAME)
    yield "export-name-unknown", flags() + option(EXPORT_NAME, b"vol2")
    yield "newstyle", flags(0) + option(EXPORT_NAME, b"vol0")
    yield "newstyle-go", flags(0) + go
    yield "unknown-flags", flags(7) + go
    yield "abort", flags() + option(ABORT)
    yield "abort-data", flags() + option(ABORT, b"bye")
    yield "list-go", flags() + option(LIST) + go
    yield "list-data", flags() + option(LIST, b"x") + option(LIST)
    yield "info-all", flags() + info(INFO, b"vol0", 0, 1, 2, 3) + info(GO, b"vol0", 0, 1, 2, 3)
    yield "info-odd", flags() + info(INFO, b"", 3, 3, 4, 65535) + info(GO, b"vol2") + go
    yield "info-short", flags() + option(GO, text(b"vol0") + b"\0\1") + go
    yield "info-nul", flags() + info(GO, b"vo\0l") + go
    yield "info-length", flags() + option(GO, b"\xff\xff\xff\xffvol0\0\0") + go
    yield "structured", flags() + option(STRUCTURED_REPLY) + go
    yield "structured-data", flags() + option(STRUCTURED_REPLY, b"x") + go
    yield "contexts", (flags() + option(STRUCTURED_REPLY) + contexts(LIST_CONTEXTS, b"vol0", b"base:")
                       + contexts(SET_CONTEXTS, b"vol0", *both) + go)
    yield "contexts-too-early", flags() + contexts(SET_CONTEXTS, b"vol0", *both) + go
    yield "contexts-other", (flags() + option(STRUCTURED_REPLY)
                             + contexts(SET_CONTEXTS, b"vol1", *both) + go)
    yield "contexts-replaced", (flags() + option(STRUCTURED_REPLY)
                                + contexts(SET_CONTEXTS, b"vol0", *both)
                                + contexts(SET_CONTEXTS, b"vol0") + go)
    yield "contexts-failed", (flags() + option(STRUCTURED_REPLY)
                              + contexts(SET_CONTEXTS, b"", *both) + option(SET_CONTEXTS, b"?")
                              + option(EXPORT_NAME))
    yield "contexts-unknown", (flags() + option(STRUCTURED_REPLY)
                               + contexts(LIST_CONTEXTS, b"vol1", b"qemu:", b"x", b"") + go)
    yield "contexts-count", (flags() + option(STRUCTURED_REPLY)
                             + option(LIST_CONTEXTS, text(b"vol0") + b"\xff\xff\xff\xff") + go)
    yield "unsupported", flags() + option(STARTTLS) + option(EXTENDED_HEADERS) + option(77, b"x") + go
    yield "nested", flags() + option(77, option(ABORT)) + go
    yield "too-big", flags() + b"IHAVEOPT" + struct.pack(">II", GO, 65537) + b"x"
    yield "far-too-big", flags() + b"IHAVEOPT" + struct.pack(">II", GO, 1 << 31)
    yield "bad-magic", flags() + b"IHAVEOPS" + bytes(8)
    yield "request-follows", flags() + go + request(0)


def request(command, command_flags=0, offset=0, length=0, payload=b"", magic=0x25609513):
    return struct.pack(">IHHQQI", magic, command_flags, command, 0x1122334455667788, offset,
                       length) + payload


def stream(*requests, size=1 << 30, transmission=0x0DED, agreed=3):
    return struct.pack(">QHB", size, transmission, agreed) + b"".join(requests)


def streams():
    read, write, disc, flush, trim, cache, zeroes, status = range(8)
    fua, no_hole, df, req_one, fast_zero = 1, 2, 4, 8, 16
    yield "one-of-each", stream(
        request(read, df, 0, 4096), request(write, fua, 512, 4, b"data"), request(flush),
        request(trim, 0, 0, 1 << 20), request(cache, 0, 0, 1 << 20),
        request(zeroes, no_hole | fast_zero, 0, 1 << 30), request(status, req_one, 0, 1 << 30),
        request(disc))
    yield "past-end", stream(*(request(c, 0, (1 << 30) - 1, 2, b"xx" if c == write else b"")
                               for c in (read, write, trim, cache, zeroes, status)))
    yield "wrapping", stream(*(request(c, 0, (1 << 64) - 1, 2) for c in (read, trim, zeroes, status)))
    yield "largest-export", stream(request(read, 0, (1 << 64) - 2, 1), request(zeroes, 0, 0, 0xffffffff),
                                   size=(1 << 64) - 1)
    yield "read-only", stream(request(trim, 0, 0, 1), request(zeroes, 0, 0, 1),
                              request(write, 0, 0, 1, b"x"), transmission=0x0DEF)
    yield "nothing-agreed", stream(request(read, df, 0, 1), request(flush), request(trim, 0, 0, 1),
                                   request(cache, 0, 0, 1), request(zeroes, 0, 0, 1),
                                   request(status, 0, 0, 1), request(read, fua, 0, 1),
                                   transmission=1, agreed=0)
    yield "too-long", stream(request(read, 0, 0, (32 << 20) + 1), request(read, 0, 0, 32 << 20))
    yield "too-long-simple", stream(request(read, 0, 0, (32 << 20) + 1), agreed=0)
    yield "write-too-long", stream(request(write, 0, 0, 0xffffffff, b"x"))
    yield "length-0", stream(*(request(c) for c in (read, write, trim, cache, zeroes, status)))
    yield "flush-range", stream(request(flush, 0, 1, 0), request(flush, 0, 0, 1), request(flush, fua))
    yield "unknown", stream(request(8), request(65535), request(read, 0x8000, 0, 1))
    yield "bad-magic", stream(request(read, magic=0x12560953))
    yield "half", stream(request(read)[:20])


def main():
    for kind, seeds in (("negotiate", handshakes()), ("request", streams())):
        folder = Path(sys.argv[1], kind)
        folder.mkdir(parents=True, exist_ok=True)
        for name, seed in seeds:
            (folder / name).write_bytes(seed)


if len(sys.argv) != 2:
    sys.exit(__doc__)
main()
