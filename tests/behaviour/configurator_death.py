#!/usr/bin/python3
"""The configuration controller is killed: I/O goes on. Then a controller is killed too, which nobody
tells the others of: commands for its elements end with EIO all the same, and the others go on."""
import errno

from load import Load, kill_under_load
from testarray import (DISK, MEMORY, NO_TAKEOVER, Array, Bystander, folders, libnbd, note, run,
                       same, wait_until)

VICTIM = 1


def one_after_the_other(places, kind):
    array = Array(places, controllers=4, kinds=(kind,), takeover=NO_TAKEOVER).start()
    with array.orphaned():
        pid = array.controller(VICTIM)['pid']
        loads = [Load(array, 'vol1', port) for port in ('c0', 'c2', 'c3')]
        with Bystander(array, 'vol2', 'c0') as one, Bystander(array, 'vol0', 'c3') as other:
            for load in loads:
                load.start()
            wait_until(lambda: all(load.done > 500 for load in loads), 'load')
            array.kill_configurator()
            before = [load.done for load in loads]
            wait_until(lambda: all(load.done > done + 500 for load, done in zip(loads, before)),
                       'I/O goes on without the configuration controller')
            took = kill_under_load(pid, loads, (one, other))
            note(f'{kind}: EIO after {took:.3f} s')
        host = array.connect('vol1', 'front')
        try:
            host.pread(4096, 0)
        except libnbd().Error as error:
            same(error.errnum, errno.EIO, 'a later command for the dead one')
        else:
            raise AssertionError('a later command for the dead one succeeded')
        host.shutdown()
        for load in loads:
            load.host.shutdown()


def main():
    libnbd()
    with folders() as places:
        for kind in (MEMORY, DISK):
            one_after_the_other(places, kind)


run(main)
