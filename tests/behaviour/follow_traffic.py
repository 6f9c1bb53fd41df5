#!/usr/bin/python3
"""With follow-traffic, an element goes where its commands come from, under load and without an
error; where hosts are at several controllers, or the setting is not there, it stays."""
import time

from testarray import MEMORY, Array, folders, note, run, same, wait_until
from verifier import Verifier

PERIOD = 2  # seconds; long enough for a thousand commands on a busy machine
STAYS = 3  # periods of load after which what has not moved will not


def begin(array, places):
    """Hosts by (controller, volume)."""
    hosts = [Verifier(array, volume, f'c{port}', at << 20) for at, (port, volume) in enumerate(places)]
    for host in hosts:
        host.start()
    return hosts


def end(hosts, port):
    for host in hosts:
        host.finish()
        host.verify(port)


def come_from(array, element):
    return array.element(element)['commands_from']


def goes_where_commands_come_from():
    with folders() as places, Array(places, controllers=3, kinds=(MEMORY,),
                                    **{'follow-traffic': PERIOD}) as array:
        for port in (1, 2):
            before = come_from(array, 0)
            hosts = begin(array, [(port, 'vol0')])
            wait_until(lambda port=port: array.element(0)['controller'] == port, f'it goes to c{port}')
            hosts[0].finish()
            hosts[0].verify('c0')
            grown = [now - then for now, then in zip(come_from(array, 0), before)]
            same(max(range(3), key=grown.__getitem__), port, 'where its commands came from')
        same([array.element(i)['controller'] for i in (1, 2)], [1, 2], 'the others')
        same([one['takeovers'] for one in array.state()['elements']], [0] * 3, 'takeovers')
    note('it goes where its commands come from, and again')


def stays(why, ports, **fields):
    with folders() as places, Array(places, controllers=3, kinds=(MEMORY,), **fields) as array:
        hosts = begin(array, [(port, 'vol0') for port in ports])
        until = time.monotonic() + STAYS  # this time is what is tested: periods of a second
        wait_until(lambda: time.monotonic() > until and sum(come_from(array, 0)) > 1000 * STAYS, 'load')
        same(array.element(0)['controller'], 0, 'where it was')
        end(hosts, 'c1')
    note(f'it stays: {why}')


def main():
    goes_where_commands_come_from()
    stays('its hosts are everywhere', (0, 1, 2), **{'follow-traffic': 1})
    stays('nobody follows', (1,))


run(main)
