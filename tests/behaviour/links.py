#!/usr/bin/python3
"""Links fail and are repaired on a running array, by `anyport link`: hosts notice nothing while a
way is left, their commands fail clearly when none is, and the lists say what happened."""
import errno
import json
import time

from testarray import ANYPORT, Array, check, command, fails_with, folders, libnbd, run, same

BLOCK = 4096
BLOCKS = 64
WAIT_SECONDS = 1


def link(array, *words, fails=False):
    return command(ANYPORT, 'link', *map(str, words), array.run_dir, fails=fails)


def links_of(array):
    listed = json.loads(link(array, 'list', '--json'))
    same(listed['version'], 1, 'the version')
    return {(one['from'], one['to'], one['fabric']): one for one in listed['links']}


def block_of(number, turn):
    return bytes([(number + turn) % 251 + 1]) * BLOCK


def write_and_read(host, turn):
    for number in range(BLOCKS):
        host.pwrite(block_of(number, turn), number * BLOCK)
    for number in range(BLOCKS):
        same(bytes(host.pread(BLOCK, number * BLOCK)), block_of(number, turn), f'block {number}')


def one_fabric_fails(array, host):
    before = links_of(array)
    same({(one['state'], one['failed_since']) for one in before.values()}, {('works', None)},
         'the states')
    same(link(array, 'fail', 'all', 'all', '--fabric', 'primary'), '6 links\n', 'what it says')
    write_and_read(host, 1)
    after = links_of(array)
    failed = after[0, 1, 'primary']
    same(failed['state'], 'failed', 'the state')
    check(time.time() - 60 < failed['failed_since'] <= time.time() + 1, failed)
    check(failed['moved'] > 0, failed)
    check(after[0, 1, 'redundant']['sent'] >= 2 * BLOCKS, after)
    check('failed' in link(array, 'list'), 'the list')
    same(link(array, 'repair', 'all', 'all'), '12 links\n', 'what it says')
    write_and_read(host, 2)
    check(links_of(array)[0, 1, 'primary']['sent'] > failed['sent'], 'the primary is used again')


def a_third_controller_passes_on(array, host):
    same(link(array, 'fail', 'c0', 'c1'), '2 links\n', 'what it says')
    write_and_read(host, 3)
    check(links_of(array)[2, 1, 'primary']['relayed'] >= 2 * BLOCKS, 'relayed')
    link(array, 'repair', 0, 1)


def doorbells_are_lost(array, host):
    link(array, 'fail', 'all', 'all', '--loss', '10%', '--delay', '50us')
    shown = links_of(array)[1, 0, 'redundant']
    same((shown['loss'], shown['delay_ns'], shown['state']), (0.1, 50000, 'works'), 'the faults')
    write_and_read(host, 4)
    check(sum(one['lost'] for one in links_of(array).values()) > 0, 'some were lost')
    link(array, 'repair', 'all', 'all')


def no_way_is_left(array, host):
    link(array, 'fail', 'all', 1)
    start = time.monotonic()
    fails_with(errno.EIO, 'a read without a way', host.pread, BLOCK, 0)
    check(time.monotonic() - start >= WAIT_SECONDS, 'it waited')
    link(array, 'repair', 'all', 1)
    write_and_read(host, 5)


def refusals(array):
    for words in (('fail', 0, 'x'), ('fail', 0, 0), ('fail', 0, 3), ('break', 0, 1),
                  ('fail', 0, 1, '--loss', '101'), ('fail', 0, 1, '--delay', '11s'),
                  ('fail', 0, 1, '--fabric', 'third'), ('repair', 0, 1, '--loss', '1')):
        said = link(array, *words, fails=True)
        check('allowed' in said or 'are for fail' in said, words)


def models(places):
    model = {'model': 'switch', 'latency': '200us', 'bandwidth': '100MB', 'share': True}
    with Array(places, controllers=3, interconnect=model) as array:
        host = array.connect('vol1', 'c0')
        start = time.monotonic()
        write_and_read(host, 6)
        check(time.monotonic() - start >= 2 * BLOCKS * 2 * 200e-6, 'each way takes its time')
        there, back = links_of(array)[0, 1, 'primary'], links_of(array)[1, 0, 'redundant']
        check(there['bytes'] > 0 and there['utilisation'] > 0, there)
        check(back['bytes'] > 0 and back['sent'] > 0, back)
        same(array.state()['interconnect']['model'], 'switch', 'the model')
        host.shutdown()


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=3, interconnect={'wait': WAIT_SECONDS},
                   expected='no way to c1') as array:
            host = array.connect('vol1', 'c0')
            one_fabric_fails(array, host)
            a_third_controller_passes_on(array, host)
            doorbells_are_lost(array, host)
            no_way_is_left(array, host)
            refusals(array)
            host.shutdown()
        models(places)


run(main)
