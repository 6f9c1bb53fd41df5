#!/usr/bin/python3
"""Controllers are killed, stopped, stuck and started again, and links fail and are repaired, again
and again, while hosts of several kinds work: nothing that was acknowledged is lost or torn, every
read is explained, hosts at the front go on by themselves, and at the end the members agree."""
import os
import random
import signal
import time

import history
from durable import DurableHost, QemuHost
from testarray import (ANYPORT, DISK, LONG, MEMORY, Array, Skip, check, command, folders, need, note,
                       run, same, wait_until)

DEATHS = int(os.environ.get('ANYPORT_TEST_DEATHS', 1000 if LONG else 50))
SHARE = {'write-back': 60, 'write-through': 20, 'off': 20}  # percent of the deaths, by cache
CONTROLLERS = 4
HISTORY_BLOCKS = 1024  # the first ones of each volume are those of the histories
HOSTS_SECONDS = 30  # in which they have to do them, on a slow machine
WORK_BETWEEN = 30  # commands that the durable hosts do between two events

# volume, scope of its history
CHECKED = (('plain0', 'blocks'), ('stripe', 'commands'), ('mirror', 'commands'),
           ('raid5', 'commands'))


def settings(places):
    """Every controller owns a member of everything; half of the images are in memory."""
    elements, volumes = [], []
    for i in range(CONTROLLERS):
        image = os.path.join(places[(MEMORY, DISK)[i % 2]], f'e{i}.img')
        elements.append({'name': f'e{i}', 'image': image, 'size': '64MiB', 'controller': i})
        for at, kind in enumerate(('stripe', 'mirror', 'raid5')):
            volumes.append({'name': f'{kind}{i}', 'element': f'e{i}', 'size': '8MiB',
                            'offset': f'{8 * at}MiB'})
        volumes.append({'name': f'plain{i}', 'element': f'e{i}', 'size': '16MiB',
                        'offset': '24MiB'})
    members = {kind: [f'{kind}{i}' for i in range(CONTROLLERS)]
               for kind in ('stripe', 'mirror', 'raid5')}
    volumes += [
        {'name': 'stripe', 'layout': 'stripe', 'chunk': '16KiB', 'members': members['stripe']},
        {'name': 'mirror', 'layout': 'mirror', 'members': members['mirror'][:2]},
        {'name': 'raid5', 'layout': 'raid5', 'chunk': '16KiB', 'members': members['raid5']}]
    return {'elements': elements, 'volumes': volumes}


class Chaos:
    def __init__(self, array, hosts):
        self.array, self.hosts = array, hosts
        self.deaths = 0

    def verb(self, *words):
        return command(ANYPORT, *map(str, words), self.array.run_dir)

    def states(self):
        return [one['state'] for one in self.array.state()['controllers']]

    def hosts_work(self):
        """All hosts get on, whatever is dead now."""
        before = [host.done for host in self.hosts]

        def get_on():
            for host in self.hosts:
                check(host.failure is None, f'{host.what}: {host.failure}')
            return all(host.done >= was + WORK_BETWEEN for host, was in zip(self.hosts, before))
        try:
            wait_until(get_on, 'hosts get on', HOSTS_SECONDS)
        except AssertionError:
            for host, was in zip(self.hosts, before):
                note(f'{host.what}: {host.done - was} commands since')
            note(self.verb('status') + self.verb('locks'))
            raise

    def histories_work(self):
        done = {one['name']: one['reads'] for one in self.array.state()['volumes']}
        return all(done[name] > 1000 for name, _ in CHECKED)

    # what happens

    def kill(self, number):
        os.kill(self.array.controller(number)['pid'], signal.SIGKILL)
        self.deaths += 1
        wait_until(lambda: self.states()[number] != 'running', 'a death is known')

    def stick(self, number):
        """It is alive and does nothing: its heartbeat fails, and it is killed."""
        os.kill(self.array.controller(number)['pid'], signal.SIGSTOP)
        self.deaths += 1
        wait_until(lambda: self.states()[number] != 'running', 'a stuck controller is killed')

    def start_all(self):
        for number, state in enumerate(self.states()):
            if state != 'running':
                self.verb('controller', 'start', number)
        wait_until(lambda: self.states() == ['running'] * CONTROLLERS, 'all run again')

    def cut(self):
        source, target = random.sample(range(CONTROLLERS), 2)
        how = random.choice(((), ('--fabric', 'primary'), ('--loss', '20%')))
        self.verb('link', 'fail', source, target, *how)

    def turn(self):
        kind = random.choices(('one', 'two', 'three', 'stuck', 'cut'), (60, 12, 4, 4, 20))[0]
        victims = random.sample(range(CONTROLLERS), {'two': 2, 'three': 3}.get(kind, 1))
        if kind == 'cut':
            self.cut()
        for victim in victims:
            if kind == 'stuck':
                self.stick(victim)
            else:
                self.kill(victim)
        self.hosts_work()
        self.start_all()
        if kind == 'cut':
            self.verb('link', 'repair', 'all', 'all')
        if random.random() < 0.5:
            self.hosts_work()


def members_agree(array):
    for volume in ('mirror', 'raid5'):
        command(ANYPORT, 'scrub', volume, '--wait', array.run_dir)  # else its status is 3


def chaos(places, deaths, **more):
    with Array(places, controllers=CONTROLLERS, expected='^(?!.*makes no sense).*(controller|anyport)', **more,
               **settings(places)) as array:
        histories = [(name, history.begin(array, name, '--seconds=100000', '--reconnect',
                                          '--depth=2', '--window=1024', f'--scope={scope}'))
                     for name, scope in CHECKED]
        hosts = [DurableHost(array, volume, first_block=HISTORY_BLOCKS)
                 for volume in ('plain1', 'plain2', 'mirror', 'raid5')]
        hosts.append(QemuHost(array, 'plain3'))
        for host in hosts:
            host.start()
        what = Chaos(array, hosts)
        wait_until(what.histories_work, 'histories have begun')
        began = time.monotonic()
        try:
            while what.deaths < deaths:
                what.turn()
        finally:
            for _, process in histories:
                process.send_signal(signal.SIGINT)
            for host in hosts:
                host.enough.set()
        for name, process in histories:
            found = history.ended(process, name)
            same(found['errors'], 0, f'errors of {name}')
        for host in hosts:
            host.end()
            note(f'{host.what}: {host.done} commands')
        array.wait_quiet()
        members_agree(array)
        note(f'{more}: {what.deaths} deaths in {time.monotonic() - began:.0f} s')


def main():
    if history.HISTORY is None:
        raise Skip('anyport-history was not built: libnbd-dev is not installed')
    need('qemu-io')
    for cache in ({'mode': 'write-back', 'in-memory': True, 'size': '16MiB'},
                  {'mode': 'write-through', 'in-memory': True, 'size': '16MiB'}, {'mode': 'off'}):
        with folders() as places:
            chaos(places, DEATHS * SHARE[cache['mode']] // 100, cache=cache)


run(main)
