#!/usr/bin/python3
"""SIGTERM while hosts write: the array ends in order with status 0 and every write that was
acknowledged is there when it starts again, at once, on the same images."""
import os
import random
import signal
import threading

from testarray import (ANYPORT, CMD_READ, LONG, MEMORY, MIB, Array, Host, check, command, folders,
                       libnbd, note, run, same, wait_until)

BLOCK = 8192


def block(number, round_number):
    return (f'{number:08}.{round_number:08}.'.encode() * (BLOCK // 18 + 1))[:BLOCK]


class Writer(threading.Thread):
    """Writes blocks round after round; knows which round of each was acknowledged last, and which
    was sent last."""

    def __init__(self, array, volume, port):
        super().__init__()
        self.host = array.connect(volume, port)
        self.volume = volume
        self.acknowledged, self.sent = {}, {}
        self.failure = None
        self.number = 0

    def write(self, round_number):
        nbd = libnbd()
        number = self.number = (self.number + 1) % 512
        while number in self.busy:
            self.host.poll(100)
        self.busy.add(number)
        self.sent[number] = round_number

        def ended(error):
            self.busy.discard(number)
            if error.value == 0:
                self.acknowledged[number] = round_number
            return 1

        data = nbd.Buffer.from_bytearray(bytearray(block(number, round_number)))
        self.host.aio_pwrite(data, number * BLOCK, completion=ended)
        while self.host.aio_in_flight() >= 32:
            self.host.poll(100)

    def run(self):
        self.busy = set()
        try:
            for count in range(1 << 30):
                self.write(count // 512)
        except libnbd().Error as error:
            self.failure = error  # the array has gone: as it should

    def lost(self, array):
        """Blocks that do not hold what was acknowledged, or what was sent after it."""
        host = array.connect(self.volume, 'front')
        lost = []
        for number, low in self.acknowledged.items():
            found = host.pread(BLOCK, number * BLOCK)
            if not any(found == block(number, one) for one in range(low, self.sent[number] + 1)):
                lost.append((number, low, found[:18]))
        host.shutdown()
        return lost


def under_load(places, signal_number):
    with Array(places, controllers=3) as array:
        writers = [Writer(array, f'vol{i % 3}', port)
                   for i, port in enumerate(('c0', 'c0', 'c1'))]
        idle = Host(array, 'c2').go('vol0')
        half = Host(array, 'c2')
        for writer in writers:
            writer.start()
        wait_until(lambda: all(len(writer.acknowledged) >= 512 for writer in writers), 'load')
        array.stop(signal_number)
        for writer in writers:
            writer.join(20)
            check(not writer.is_alive() and writer.failure, 'a writer was told of the end')
        idle.close()
        half.close()
    kept = sum(len(writer.acknowledged) for writer in writers)
    with Array(places, controllers=3) as array:
        for writer in writers:
            same(writer.lost(array), [], f'acknowledged blocks of {writer.volume} that are lost')
    note(f'signal {signal_number}: {kept} acknowledged blocks, all there')


def hosts_that_do_not_let_go(places):
    """One that never reads its answers, and one in the middle of a write, keep nobody from ending;
    it may take as long as they are waited for."""
    with Array(places, controllers=2) as array:
        deaf = Host(array, 'c0').go('vol0')
        for cookie in range(60):
            deaf.send_request(CMD_READ, 0, MIB, cookie=cookie)
        half = Host(array, 'c1').go('vol0')
        half.send_request(1, 0, 5 * MIB, bytes(MIB))
        array.stop()
        deaf.close()
        half.close()
    note('ended with hosts that do not let go')


def start_again_at_once(places):
    """Each time on the same images, and on the same run-dir."""
    array = Array(places, controllers=4, kinds=(MEMORY,))  # no disk makes the end slow
    command('sh', '-ec', f'for i in $(seq 20); do {ANYPORT} run {array.config} --run true; done')
    os.unlink(array.config)
    os.rmdir(array.home)
    for i in range(30 if LONG else 5):
        with Array(places, controllers=3) as array:
            host = array.connect('vol1', 'c0')
            if i > 0:
                same(host.pread(8, 0), (i - 1).to_bytes(8, 'big'), 'what the one before wrote')
            host.pwrite(i.to_bytes(8, 'big'), 0)
            if random.random() < 0.5:
                host.shutdown()


def main():
    libnbd()
    with folders() as places:
        start_again_at_once(places)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        with folders() as places:
            under_load(places, signal_number)
    with folders() as places:
        hosts_that_do_not_let_go(places)


run(main)
