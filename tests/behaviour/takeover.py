#!/usr/bin/python3
"""Controllers are killed under load, one, two at once, all but one: no host of a controller that is
left hears an error, nothing that was acknowledged is lost, in each mode of the cache; copies and
parity stay whole."""
import os
import random
import signal

from testarray import (DISK, LONG, MEMORY, MIB, TAKEN, Array, check, folders, note, run, same, wait_until)
from verifier import Verifier

# How long a host may wait, on a machine that does other things as well and with sanitizers; the
# figures of a quiet one are in ARCHITECTURE.md.
PATIENT = 5


def kill(array, victims, hosts):
    """While much of what hosts have written is dirty, and will not be written again."""
    pids = [array.controller(victim)['pid'] for victim in victims]
    for host in hosts:
        host.keep_half()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def wait_taken(array, victims):
    def taken():
        state = array.state()
        dead = [one['id'] for one in state['controllers'] if one['state'] == 'dead']
        return sorted(dead) == sorted(victims) and all(
            element['controller'] not in victims and element['state'] == 'online'
            for element in state['elements'])
    wait_until(taken, 'all elements are owned by those that are left')


def deaths(kind, victims, cache, layout=None, elements=4):
    with folders() as places:
        deaths_in(places, kind, victims, cache, layout, elements)


def deaths_in(places, kind, victims, cache, layout, elements):
    """Hosts at all survivors, on all volumes, while the victims die."""
    settings = {}
    if layout is not None:
        settings = {'volumes': [{'name': f'vol{i}', 'element': f'disk{i}'} for i in range(elements)] +
                    [{'name': 'whole', 'members': [f'vol{i}' for i in range(elements)], **layout}]}
    survivors = [i for i in range(4) if i not in victims]
    names = '|'.join(str(victim) for victim in victims)
    with Array(places, controllers=4, kinds=(kind,), count=elements, cache=cache,
               expected=rf'controller ({names}) .* was killed by signal 9; its elements are taken '
                        rf'over|{TAKEN}', **settings) as array:
        volumes = ['whole'] if layout is not None else [f'vol{i}' for i in range(elements)]
        hosts = [Verifier(array, volume, f'c{survivor}', at * MIB)
                 for at, survivor in enumerate(survivors) for volume in volumes]
        for host in hosts:
            host.start()
        wait_until(lambda: all(host.done > 200 for host in hosts), 'load')
        kill(array, victims, hosts)
        wait_taken(array, victims)
        done = [host.done for host in hosts]
        wait_until(lambda: all(host.done > before + 200 for host, before in zip(hosts, done)),
                   'hosts go on')
        for host in hosts:
            host.finish()
        for host in hosts:
            check(host.worst < PATIENT, f'a host waited {host.worst:.3f} s')
            host.verify(f'c{random.choice(survivors)}')
        if layout is not None:
            same(array.state()['volumes'][-1]['state'], 'online', 'the state of the volume')
        check(all((element['takeovers'] > 0) == (element['configured_controller'] in victims)
                  for element in array.state()['elements']), 'takeovers are counted')
        note(f'{kind} {cache["mode"]} {layout and layout["layout"]}: {len(victims)} died, '
             f'worst {max(host.worst for host in hosts) * 1000:.0f} ms')
        array.wait_quiet()


def without_configurator(cache):
    """Nobody but the survivors is needed."""
    with folders() as places:
        array = Array(places, controllers=4, kinds=(MEMORY,), cache=cache, expected=TAKEN).start()
        with array.orphaned():
            pid = array.controller(1)['pid']
            hosts = [Verifier(array, f'vol{i}', 'c2', i * MIB) for i in range(4)]
            for host in hosts:
                host.start()
            array.kill_configurator()
            wait_until(lambda: all(host.done > 200 for host in hosts), 'load')
            for host in hosts:
                host.keep_half()
            os.kill(pid, signal.SIGKILL)
            done = [host.done for host in hosts]
            wait_until(lambda: all(host.done > before + 200 for host, before in zip(hosts, done)),
                       'hosts go on')
            for host in hosts:
                host.finish()
                host.verify('c3')
            note(f'{cache["mode"]}: without a configuration controller')


def main():
    # So large that what hosts write stays dirty until time has gone by.
    modes = [{'mode': 'off'}] + [{'mode': mode, 'size': '16MiB', 'in-memory': True}
                                 for mode in ('write-through', 'write-back')]
    deaths_of = [[1], [1, 3], [0, 1, 2]]
    for cache in modes:
        for victims in deaths_of if LONG else [random.choice(deaths_of)]:
            deaths(random.choice((MEMORY, DISK)), victims, cache)
    without_configurator(random.choice(modes))
    for layout in ({'layout': 'mirror'}, {'layout': 'raid5', 'chunk': '16KiB'},
                   {'layout': 'stripe', 'chunk': '16KiB'}):
        for cache in modes if LONG else [random.choice(modes)]:
            deaths(random.choice((MEMORY, DISK)), random.choice(deaths_of), cache, layout)


run(main)
