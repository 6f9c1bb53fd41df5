#!/usr/bin/python3
"""Copies whose owners write back: what was acknowledged and is on one member only, because another
member's blocks never reached its image, is what is read after the next start; however that came."""
import contextlib
import os
import signal

from rebuilding import fields, members
from testarray import MIB, NO_TAKEOVER, Array, check, folders, libnbd, run, same, wait_until

BLOCK = 4096
BLOCKS = 16
CACHE = {'size': '4MiB', 'mode': 'write-back', 'in-memory': True}
SAID = r'element \w+ failed: |failed; the volume|is stale|was killed by signal 9'
PLACES = (0, 4 * MIB)  # a region of write intents that was written before, and one that was not


def write_all(host, byte, places):
    for place in places:
        for at in range(BLOCKS):
            host.pwrite(bytes([byte]) * BLOCK, place + at * BLOCK)


def found(array, port):
    """The bytes that are read there."""
    host = array.connect('safe', port)
    read = b''.join(host.pread(BLOCKS * BLOCK, place) for place in PLACES)
    host.shutdown()
    return set(read)


def dirty(array, member):
    return next(one['cache']['dirty'] for one in array.state()['volumes'] if one['name'] == member)


def leave_dirty(array, host, victim):
    """Everywhere 2, of which the victim's image knows nothing yet."""
    def left():
        write_all(host, 2, PLACES)
        return dirty(array, f'm{victim}') >= BLOCKS * len(PLACES)
    write_all(host, 1, PLACES[:1])
    host.flush()
    wait_until(left, 'blocks are dirty')  # again, if they were written back meanwhile


@contextlib.contextmanager
def left_dirty(victim, status):
    with folders() as places:
        array = Array(places, status=status, expected=SAID, takeover=NO_TAKEOVER,
                      **fields(places, 'mirror', 2, size=8 * MIB, cache=CACHE))
        with array:
            host = array.connect('safe', f'c{1 - victim}')
            leave_dirty(array, host, victim)
            yield array, host
            array.status = 0
            array.start()
            same(members(array)[f'm{victim}'], 'failed', 'who lacks what was acknowledged')
            for port in array.ports:
                same(found(array, port), {2}, f'what is read through {port}')


def image_fails_at_the_end(victim):
    """The last writing back fails when the end has been asked for."""
    with left_dirty(victim, 0) as (array, host):
        host.shutdown()
        image = array.fields['elements'][victim]['image']
        size = os.path.getsize(image)
        os.truncate(image, size - 1)  # fails it and loses nothing: the byte was 0
        array.stop()
        os.truncate(image, size)


def owner_is_killed(victim):
    """And nobody writes any more, which would find it out. Nothing is lost: the other copy has it."""
    with left_dirty(victim, 0) as (array, host):
        os.kill(array.controller(victim)['pid'], signal.SIGKILL)
        wait_until(lambda: members(array)[f'm{victim}'] == 'failed', 'it is known')
        check(host.pread(BLOCK, 0) == b'\2' * BLOCK, 'what the other copy holds')
        host.shutdown()
        array.stop()


def main():
    libnbd()
    for victim in range(2):
        image_fails_at_the_end(victim)
        owner_is_killed(victim)


run(main)
