#!/usr/bin/python3
"""Blocks of a cache that are payload at the same time. What a host reads from them is of one
moment each, however late it takes its answers, and whatever others write meanwhile. A host that
stops in the middle of a write keeps nobody from writing, and what it was lent comes back."""
import socket

from testarray import (CMD_FLUSH, CMD_READ, CMD_WRITE, LONG, MEMORY, MIB, Array, Host, check,
                       folders, note, run, same, wait_until)

BLOCK = 4096
LENGTH = 256 << 10  # as long as one command may be that is not copied
CACHE_MIB = 8
PLACES = CACHE_MIB * MIB // LENGTH  # as much as the cache holds
ROUNDS = 200 if LONG else 20
STALLED = 12


def start(places, mode):
    return Array(places, controllers=2, kinds=(MEMORY,),
                 cache={'size': f'{CACHE_MIB}MiB', 'mode': mode, 'in-memory': True})


def write(host, offset, length, byte):
    host.send_request(CMD_WRITE, offset, length, bytes([byte]) * length)
    same(host.simple_reply()[0], 0, f'the write at {offset}')


def flush(host):
    host.send_request(CMD_FLUSH)
    same(host.simple_reply()[0], 0, 'the flush')


def cache_of(array):
    return next(one['cache'] for one in array.state()['volumes'] if one['name'] == 'vol0')


def ask(host, offset, count):
    for cookie in range(count):
        host.send_request(CMD_READ, offset, LENGTH, cookie=cookie)


def take(host, count):
    """Each answer is of one write, and later ones are not of earlier writes."""
    last = 0
    for _ in range(count):
        error, _, data = host.simple_reply(LENGTH)
        same(error, 0, 'the read')
        same(data.count(data[0]), len(data), 'bytes of one write in one answer')
        check(data[0] >= last, f'an answer of write {data[0]} after one of write {last}')
        last = data[0]


def read_late(array):
    """Asks for more than a socket holds, takes nothing, and then all."""
    for number in range(ROUNDS):
        offset = number % PLACES * LENGTH
        with Host(array, 'c0') as writer, Host(array, 'c0') as reader:
            writer.go('vol0')
            reader.go('vol0')
            write(writer, offset, LENGTH, 1)
            before = cache_of(array)['hits']
            ask(reader, offset, 8)
            wait_until(lambda: cache_of(array)['hits'] > before, 'the first answer')
            for byte in range(2, 6):
                write(writer, offset, LENGTH, byte)
                write(writer, offset + 3 * BLOCK + 5, BLOCK, byte)  # in the middle of two blocks
            for place in range(PLACES):  # whatever may go, goes
                write(writer, 16 * MIB + place * LENGTH, LENGTH, 99)
            take(reader, 8)


def stall(array, number):
    """Sends all of a write but its end."""
    host = Host(array, 'c0')
    host.go('vol0')
    host.send_request(CMD_WRITE, 40 * MIB + number * LENGTH, LENGTH, bytes([7]) * (LENGTH - 100))
    return host


def stop_in_the_middle(array):
    with Host(array, 'c0') as host:
        host.go('vol0')
        for place in range(STALLED):
            write(host, 40 * MIB + place * LENGTH, LENGTH, 1)
        stalled = [stall(array, number) for number in range(STALLED)]
        for byte in range(1, 4):
            for place in range(2 * PLACES):
                write(host, place * LENGTH, LENGTH, byte)
        for one in stalled:
            one.socket.shutdown(socket.SHUT_RDWR)
            one.close()
        flush(host)
        same(cache_of(array)['dirty'], 0, 'dirty after a flush')
        for place in range(STALLED):
            host.send_request(CMD_READ, 40 * MIB + place * LENGTH, LENGTH)
            same(host.simple_reply(LENGTH)[2], bytes([1]) * LENGTH, 'what was never written over')


def main():
    with folders() as places:
        for mode in ('write-back', 'write-through'):
            note(mode)
            with start(places, mode) as array:
                read_late(array)
                stop_in_the_middle(array)
                array.wait_quiet()


run(main)
