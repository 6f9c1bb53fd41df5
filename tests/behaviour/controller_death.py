#!/usr/bin/python3
"""A controller is killed under load: commands for its elements fail with EIO at once and never
hang, everything else goes on, status says so, its own socket refuses, the front answers."""
import errno
import fcntl
import os
import random
import signal
import time

from load import AT_ONCE, Load, kill_under_load
from testarray import (DISK, MEMORY, MIB, NO_TAKEOVER, PATIENCE, Array, Bystander, Host, check, folders,
                       libnbd, note, run, same, wait_until)

VICTIM = 1


def one_death(places, kind):
    with Array(places, controllers=4, kinds=(kind,), takeover=NO_TAKEOVER,
               expected='controller 1 .* was killed by signal 9') as array:
        pid = array.controller(VICTIM)['pid']
        own = Host(array, f'c{VICTIM}')
        own.go('vol1')
        waiting = array.connect('vol1', 'c0')
        waiting.pwrite(b'kept', 0)
        waiting.flush()
        loads = [Load(array, 'vol1', port) for port in ('c0', 'c2', 'c3')]
        with Bystander(array, 'vol2', 'c0') as one, Bystander(array, 'vol0', 'c3') as other:
            for load in loads:
                load.start()
            wait_until(lambda: all(load.done > 500 for load in loads), 'load')
            took = kill_under_load(pid, loads, (one, other))
            note(f'{kind}: EIO after {took:.3f} s')
        wait_until(lambda: array.controller(VICTIM)['state'] == 'dead', 'status')
        same(array.element(VICTIM)['state'], 'unreachable', 'the state of its element')
        own.expect_close('the connection to the dead one')
        own.close()
        wait_until(lambda: not os.path.exists(array.socket(f'c{VICTIM}')), 'its socket is gone')
        try:
            Host(array, f'c{VICTIM}')
        except (ConnectionRefusedError, FileNotFoundError):
            pass
        else:
            raise AssertionError('a dead controller accepts')
        nbd = libnbd()
        for port in ('c0', 'c2', 'c3') + ('front',) * 12:
            began = time.monotonic()
            host = array.connect('vol1', port)
            for call in (lambda: host.pread(4096, 0), lambda: host.pwrite(b'x' * 5000, 0),
                         lambda: host.flush(), lambda: host.zero(4096, 0)):
                try:
                    call()
                except nbd.Error as error:
                    same(error.errnum, errno.EIO, f'a command for the dead one through {port}')
                else:
                    raise AssertionError(f'a command for the dead one succeeded through {port}')
            check(time.monotonic() - began < AT_ONCE, 'errors come at once')
            host.shutdown()
            host = array.connect('vol0', port)
            host.pread(4096, 0)
            host.shutdown()
        for load in loads:
            load.host.shutdown()
        waiting.shutdown()
        array.wait_quiet()
        with open(array.fields['elements'][VICTIM]['image'], 'rb') as image:
            image.seek(48 * MIB)
            check(not any(image.read()), 'nothing was written where nobody wrote')


def can_be_locked(image):
    """The kernel gives the lock up when all I/O of the dead controller has landed."""
    with open(image, 'rb') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            return False


def a_shared_image_drains(places):
    """Others that read the same image hold its lock as well, and must not keep buffers aside."""
    image = os.path.join(places[DISK], 'shared.img')
    with open(image, 'wb') as file:
        file.write(random.randbytes(64 * MIB))
    with open(image, 'rb') as reader, Array(
            places, controllers=2, takeover=NO_TAKEOVER, expected='controller 1 .* was killed by signal 9',
            elements=[{'name': 'own', 'image': os.path.join(places[MEMORY], 'own.img'),
                       'size': '1MiB', 'controller': 0},
                      {'name': 'shared', 'image': image, 'read-only': True, 'controller': 1}],
            volumes=[{'name': 'vol0', 'element': 'own'},
                     {'name': 'vol1', 'element': 'shared'}]) as array:
        fcntl.flock(reader, fcntl.LOCK_SH)  # what another array does
        pid = array.controller(VICTIM)['pid']
        host, nbd = array.connect('vol1', 'c0'), libnbd()
        for part in range(12):
            host.aio_pread(nbd.Buffer(4 * MIB), part * 4 * MIB)
        wait_until(lambda: host.poll(100) >= 0 and host.aio_in_flight() < 12, 'a first answer')
        os.kill(pid, signal.SIGKILL)
        while host.aio_in_flight() > 0:
            check(host.poll(PATIENCE * 1000) == 1, 'all are answered')
        host.shutdown()
        array.wait_quiet()


def a_write_that_was_flushed_is_kept(places):
    """And an array can start again on the images of one that had a death."""
    with Array(places, controllers=2, kinds=(DISK,), takeover=NO_TAKEOVER,
               expected='controller 1 .* was killed by signal 9') as array:
        host = array.connect('vol1', 'c0')
        data = os.urandom(MIB)
        host.pwrite(data, MIB)
        host.flush()
        os.kill(array.controller(VICTIM)['pid'], signal.SIGKILL)
        image = array.fields['elements'][VICTIM]['image']
        wait_until(lambda: can_be_locked(image), 'all has landed')
        host.shutdown()
    with Array(places, controllers=2, kinds=(DISK,), takeover=NO_TAKEOVER) as array:
        host = array.connect('vol1', 'c0')
        check(host.pread(MIB, MIB) == data, 'what was flushed before the death')
        host.shutdown()


def all_die(places):
    """Without any controller there is no array: it ends, with status 1."""
    array = Array(places, controllers=2, kinds=(MEMORY,), status=1, takeover=NO_TAKEOVER,
                  expected='was killed by signal 9|no controller is left')
    with array:
        for one in array.state()['controllers']:
            os.kill(one['pid'], signal.SIGKILL)
        array.ended()


def main():
    libnbd()
    with folders() as places:
        for kind in (MEMORY, DISK):
            one_death(places, kind)
        a_shared_image_drains(places)
        a_write_that_was_flushed_is_kept(places)
        all_die(places)


run(main)
