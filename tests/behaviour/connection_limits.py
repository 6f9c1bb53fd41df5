#!/usr/bin/python3
"""The limit of connections to a controller, and the time limit of the handshake, are kept, and a
controller without descriptors goes on; nobody else notices."""
import os
import resource
import socket
import struct
import time

from testarray import (OPT_LIST, OPTION_MAGIC, PATIENCE, Array, Bystander, Closed, Host, check, folders,
                       libnbd, note, run, same, wait_until)

LIMIT = 4
SECONDS = 1


def connections(array):
    def is_refused(port):
        try:
            with Host(array, port):
                return False
        except (Closed, ConnectionRefusedError):
            return True

    hosts = [Host(array, 'c0').go('vol0') for _ in range(LIMIT)]
    before = array.controller(0)
    same(before['connections'], LIMIT, 'connections')
    for _ in range(5):
        check(is_refused('c0'), 'one connection too many')
    after = array.controller(0)
    same(after['connections_refused'] - before['connections_refused'], 5, 'connections refused')
    for host in hosts:
        host.works('refusing others')
    with Host(array, 'c1') as other:  # the limit is each controller's own
        other.go('vol0').works('the limit of another controller')
    hosts.pop().close()
    wait_until(lambda: not is_refused('c0'), 'room for another')
    for host in hosts:
        host.close()
    wait_until(lambda: array.controller(0)['connections'] == 0, 'all connections gone')


def handshake_time(array):
    """A host that says nothing, half of something, or always a little more."""
    option = struct.pack('>QII', OPTION_MAGIC, OPT_LIST, 0)
    silent = Host(array, 'c0', greet=False)
    half = Host(array, 'c0')
    half.send(option[:10])
    slow = Host(array, 'c0')
    settled = Host(array, 'c0').go('vol0')
    began = time.monotonic()
    slow.socket.settimeout(0.1)
    open_ones, at = {'silent': silent, 'half': half, 'slow': slow}, 0
    while open_ones:
        check(time.monotonic() - began < 20 * SECONDS, f'still connected: {list(open_ones)}')
        for name, host in list(open_ones.items()):
            host.socket.settimeout(0.05)
            try:
                if name == 'slow':
                    host.send(option[at % 16:at % 16 + 1])
                    at += 1
                while host.socket.recv(1000):
                    pass
                ended = True
            except socket.timeout:
                ended = False
            except (ConnectionResetError, Closed):
                ended = True
            if ended:
                took = time.monotonic() - began
                check(took > 0.8 * SECONDS, f'{name}: ended too early, after {took:.2f} s')
                note(f'{name}: ended after {took:.2f} s')
                open_ones.pop(name).close()
    settled.works('the time limit of a handshake')
    settled.close()


def greeting_comes(host, seconds):
    host.socket.settimeout(seconds)
    try:
        return host.receive(18) != b''
    except socket.timeout:
        return False


def out_of_descriptors(array):
    """A connection that there is no descriptor for waits, at no cost, until there is one."""
    pid = array.controller(0)['pid']
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    lowest_free = next(fd for fd in range(1 << 20) if not os.path.exists(f'/proc/{pid}/fd/{fd}'))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    hosts = []
    try:
        for _ in range(3):  # an accept that was under way may still know the old limit
            hosts.append(Host(array, 'c0', greet=False))
            if not greeting_comes(hosts[-1], 0.3):
                break
        else:
            raise AssertionError('all were accepted without a descriptor')
        turns, used = array.controller(0)['turns'], cpu_seconds(pid)
        check(not greeting_comes(hosts[-1], 1), 'accepted without a descriptor')
        turns, used = array.controller(0)['turns'] - turns, cpu_seconds(pid) - used
        check(turns < 100 and used < 0.5, f'{turns} turns and {used} s of CPU while it waits')
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    check(greeting_comes(hosts[-1], PATIENCE), 'accepted when there is a descriptor again')
    for host in hosts:
        host.close()
    wait_until(lambda: array.controller(0)['connections'] == 0, 'all connections gone')


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat') as stat:
        fields = stat.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=2, connections=LIMIT,
                   **{'handshake-timeout': SECONDS}) as array:
            with Bystander(array, 'vol0', 'c1'):
                connections(array)
                handshake_time(array)
            out_of_descriptors(array)
            array.wait_quiet()


run(main)
