#!/usr/bin/python3
"""A controller that is killed while the array ends, with blocks in its cache that were acknowledged and
not written: those that are left write them before they stop. What was acknowledged is there at the
next start. The exit status tells of deaths by which something is lost, and of no others."""
import os
import signal

from testarray import (ANYPORT, DISK, MEMORY, MIB, NO_TAKEOVER, TAKEN, Array, check, command, folders,
                       libnbd, note, run, wait_until)

BACK = {'mode': 'write-back', 'size': '16MiB', 'in-memory': True}
BYTES, STEP = 2 * MIB, MIB // 4


def states(array):
    return [one['state'] for one in array.state()['controllers']]


def dies_while_it_ends(places, kind, victims):
    """The victims are held, so that they have not begun to write back when they are killed; and 0 is
    held, so that the array does not end before."""
    with Array(places, controllers=4, kinds=(kind,), cache=BACK, heartbeat=0,
               expected='was killed by signal 9|' + TAKEN) as array:
        data = {victim: os.urandom(BYTES) for victim in victims}
        for victim in victims:
            host = array.connect(f'vol{victim}', 'c3')
            for at in range(0, BYTES, STEP):  # longer ones pass by the cache
                host.pwrite(data[victim][at:at + STEP], at)
            host.shutdown()
        pids = [one['pid'] for one in array.state()['controllers']]
        for id in (0, *victims):
            os.kill(pids[id], signal.SIGSTOP)
        array.process.send_signal(signal.SIGTERM)
        wait_until(lambda: states(array)[3] == 'quiesced', 'the array ends')
        for victim in victims:
            os.kill(pids[victim], signal.SIGKILL)
        wait_until(lambda: all(states(array)[victim] == 'dead' for victim in victims), 'they died')
        os.kill(pids[0], signal.SIGCONT)
        array.ended()
        check('blocks that a dead cache held are on it' in array.last_words, 'nothing was adopted')
        array.start()
        for victim in victims:
            host = array.connect(f'vol{victim}')
            check(host.pread(BYTES, 0) == data[victim], f'vol{victim}: what was acknowledged')
            host.shutdown()
    note(f'{len(victims)} killed while the array ended, images {kind}')


def nobody_takes_it(places, lives_again):
    """Without takeover what it had cached is lost when the array ends, unless it lives again before."""
    said = 'was killed by signal 9' + ('|runs again|blocks that' if lives_again else '|disk1 lacks something')
    with Array(places, controllers=2, kinds=(MEMORY,), cache=BACK, takeover=NO_TAKEOVER, expected=said,
               status=0 if lives_again else 1) as array:
        host = array.connect('vol1', 'c0')
        host.pwrite(b'x' * 4096, 0)
        host.shutdown()
        os.kill(array.controller(1)['pid'], signal.SIGKILL)
        wait_until(lambda: states(array)[1] == 'dead', 'it died')
        if lives_again:
            command(ANYPORT, 'controller', 'start', '1', array.run_dir)
    note(f'lives again: {lives_again}')


def main():
    libnbd()
    for lives_again in (False, True):
        with folders() as places:
            nobody_takes_it(places, lives_again)
    for kind, victims in ((MEMORY, (1,)), (DISK, (1, 2))):
        with folders() as places:
            dies_while_it_ends(places, kind, victims)


run(main)
