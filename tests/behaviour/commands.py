#!/usr/bin/python3
"""Each command and flag does what the protocol says, through the owner and through others, on
images in memory and on disk."""
import errno
import os
import struct

from testarray import (CMD_BLOCK_STATUS, CMD_WRITE, CMD_ZERO, MIB, REQUEST_MAGIC, Array, Host,
                       check, fails_with, folders, libnbd, note, run, same)

PORTS = ('c0', 'c1', 'c2', 'front')
EXTENTS_TURN = 256


def pieces_of(host, length, offset, flags=0):
    """A structured read: [(offset, length, 'data' or 'hole')] as it came, and the bytes."""
    nbd = libnbd()
    came = []

    def chunk(data, at, status, error):
        came.append((at, len(data), 'hole' if status == nbd.READ_HOLE else 'data'))

    data = host.pread_structured(length, offset, chunk, flags)
    return came, data


def extents_of(host, length, offset, context, flags=0):
    found = []

    def extent(name, at, entries, error):
        if name == context:
            same(at, offset, 'where the extents begin')
            found.extend(zip(entries[::2], entries[1::2]))

    host.block_status(length, offset, extent, flags)
    return found


def sparse_reads(host):
    nbd = libnbd()
    host.zero(MIB, 0)
    host.pwrite(b'x' * 4096, 64 << 10)
    host.pwrite(b'y' * 100, (128 << 10) + 50)
    came, data = pieces_of(host, MIB, 0)
    check(any(kind == 'hole' for _, _, kind in came), 'a sparse read has holes')
    same(sum(length for _, length, _ in came), MIB, 'the pieces of a sparse read')
    wanted = bytearray(MIB)
    wanted[64 << 10:68 << 10] = b'x' * 4096
    wanted[(128 << 10) + 50:(128 << 10) + 150] = b'y' * 100
    check(data == wanted, 'the bytes of a sparse read')
    check((64 << 10, 4096, 'data') in came, f'one data piece of a block: {came}')
    came, data = pieces_of(host, MIB, 0, nbd.CMD_FLAG_DF)
    same(came, [(0, MIB, 'data')], 'one piece with DF')
    check(data == wanted, 'the bytes of a read with DF')
    # holes and data in turn, more often than one answer has pieces
    for i in range(0, 128, 2):
        host.pwrite(b'z' * 4096, 4096 * i)
    came, data = pieces_of(host, 128 * 4096, 0)
    same(sum(length for _, length, _ in came), 128 * 4096, 'the pieces of a chequered read')
    for at, length, kind in came:
        if kind == 'hole':
            check(not any(data[at:at + length]), 'a hole is zero')
    check(data == (b'z' * 4096 + bytes(4096)) * 64, 'the bytes of a chequered read')


def block_status(host, owner, element):
    nbd = libnbd()
    host.trim(8 * MIB, 0)
    host.pwrite(b'x' * MIB, 2 * MIB)
    host.flush()
    found = extents_of(host, 8 * MIB, 0, 'base:allocation')
    same([sum(length for length, _ in found)], [8 * MIB], 'extents cover the range')
    at, kinds = 0, {}
    for length, flags in found:
        kinds[at] = flags
        at += length
    same(kinds.get(0), nbd.STATE_HOLE | nbd.STATE_ZERO, 'the start is a hole')
    same(kinds.get(2 * MIB), 0, 'then there is data')
    same(kinds.get(3 * MIB), nbd.STATE_HOLE | nbd.STATE_ZERO, 'and a hole again')
    one = extents_of(host, 8 * MIB, 0, 'base:allocation', nbd.CMD_FLAG_REQ_ONE)
    same(one, [(2 * MIB, nbd.STATE_HOLE | nbd.STATE_ZERO)], 'one extent when asked for one')
    same(extents_of(host, MIB, 2 * MIB + 5, 'base:allocation')[0][1], 0, 'from an odd offset')
    same(extents_of(host, 8 * MIB, 0, 'anyport:location'), [(8 * MIB, owner << 16 | element)],
         'the location')


def zeroes(host):
    nbd = libnbd()
    data = os.urandom(MIB)
    host.pwrite(data, 0)
    host.zero(5000, 3)
    same(host.pread(5010, 0), data[:3] + bytes(5000) + data[5003:5010], 'a zero inside blocks')
    host.zero(MIB, 0, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA)
    check(not any(host.pread(MIB, 0)), 'zero with NO_HOLE')
    host.pwrite(data, 0)
    try:
        host.zero(MIB, 0, nbd.CMD_FLAG_FAST_ZERO)
        check(not any(host.pread(MIB, 0)), 'a fast zero that succeeded')
    except nbd.Error as error:
        same(error.errnum, errno.ENOTSUP, 'a fast zero that failed')
        check(host.pread(MIB, 0) == data, 'a fast zero that failed changed nothing')
    host.pwrite(data, 39 * MIB)
    host.zero(40 * MIB, 0)  # longer than any payload
    check(not any(host.pread(20 * MIB, 0)) and not any(host.pread(20 * MIB, 20 * MIB)),
          'one long zero')
    host.pwrite(data, 20 * MIB)
    host.trim(40 * MIB, 0, nbd.CMD_FLAG_FUA)
    host.trim(1, 20 * MIB + 7)
    host.cache(40 * MIB, 0)
    host.flush()


def past_the_end(host, size):
    data = bytes(4096)
    for offset in (size - 4095, size, size + MIB, (1 << 63) - 4096, (1 << 64) - 4096 - 1):
        if offset < 1 << 63:
            fails_with(errno.EINVAL, f'read at {offset}', host.pread, 4096, offset)
            fails_with(errno.ENOSPC, f'write at {offset}', host.pwrite, data, offset)
            fails_with(errno.ENOSPC, f'zero at {offset}', host.zero, 4096, offset)
            fails_with(errno.EINVAL, f'trim at {offset}', host.trim, 4096, offset)
    host.pwrite(b'end!', size - 4)
    same(host.pread(4, size - 4), b'end!', 'the last bytes')


def many_extents(array):
    """Looking for extents takes time from others: what comes at once shares one turn's share, and
    asking again for what is left finds all of them."""
    host = Host(array, 'c0').go('vol0', structured=True, contexts=('base:allocation',))
    same(host.request(CMD_ZERO, 0, 8 * MIB), 0, 'zeroes')
    for block in range(0, 2048, 2):
        same(host.request(CMD_WRITE, block * 4096, 4096, b'x' * 4096), 0, 'a write')
    together = 16
    host.send(b''.join(struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_BLOCK_STATUS, cookie, 0,
                                   8 * MIB) for cookie in range(together)))
    counts = []
    for _ in range(together):
        done, _, _, payload = host.chunk()
        check(done, 'one chunk each')
        counts.append((len(payload) - 4) // 8)
    check(min(counts) >= 1 and sum(counts) <= EXTENTS_TURN + together,
          f'extents of requests that came together: {counts}')
    at, found = 0, 0
    while at < 8 * MIB:
        host.send_request(CMD_BLOCK_STATUS, at, 8 * MIB - at)
        payload = host.chunk()[3]
        for length, flags in struct.iter_unpack('>II', payload[4:]):
            same((length, flags), (4096, 0 if at // 4096 % 2 == 0 else 3), f'the extent at {at}')
            at, found = at + length, found + 1
    same(found, 2048, 'extents in all')
    host.close()


def fua_is_durable(array, host, index):
    """A write with FUA has reached the image itself; so has any, after a FLUSH."""
    nbd = libnbd()
    image = array.fields['elements'][index]['image']
    host.pwrite(b'durable', 12345, nbd.CMD_FLAG_FUA)
    with open(image, 'rb') as file:
        file.seek(12345)
        same(file.read(7), b'durable', 'the image after FUA')


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=3, count=4) as array:
            elements = array.state()['elements']
            for index in (0, 1):  # in memory at c0, on disk at c1
                for port in PORTS:
                    host = array.connect(f'vol{index}', port,
                                         contexts=('base:allocation', 'anyport:location'))
                    sparse_reads(host)
                    block_status(host, index, index)
                    zeroes(host)
                    past_the_end(host, 64 * MIB)
                    fua_is_durable(array, host, index)
                    host.shutdown()
                note(f'vol{index} ({elements[index]["io"]}): through {", ".join(PORTS)}')
            for port in PORTS:  # an element whose number is not its owner's
                host = array.connect('vol3', port, contexts=('anyport:location',))
                same(extents_of(host, MIB, 0, 'anyport:location'), [(MIB, 0 << 16 | 3)],
                     'the location of vol3')
                host.shutdown()
            many_extents(array)
            array.wait_quiet()


run(main)
