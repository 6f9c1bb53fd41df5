#!/usr/bin/python3
"""Hosts that die in the middle of a write, never read their answers, stop sending, or come and go,
cost bounded memory, leave nothing behind, and do not keep others from working."""
import os
import random
import signal
import socket
import struct
import threading
import time

from testarray import (CMD_READ, CMD_WRITE, LONG, MIB, OPT_LIST, REQUEST_MAGIC, Array,
                       Bystander, Host, check, folders, libnbd, note, run, same,
                       wait_until)

SECONDS = 20 if LONG else 3
# While somebody holds all buffers and does not move, others wait until that one is dropped.
DROPPED_WITHIN = 6


def write_for_ever(array, port):
    """In a process of its own: long and short writes, as many at once as go."""
    with Host(array, port) as host:
        host.go('vol0')
        for cookie in range(1 << 30):
            length = random.choice([512, 4096, 65536, 65537, MIB, 5 * MIB])
            host.send_request(CMD_WRITE, random.randrange(16 * MIB), length, bytes(length),
                              cookie=cookie)
            if cookie >= 16:
                host.simple_reply()


def killed_in_the_middle(array, port):
    before = array.controller(int(port[1:]))['bytes_received']
    pid = os.fork()
    if pid == 0:
        try:
            write_for_ever(array, port)
        finally:
            os._exit(1)
    try:
        wanted = before + random.randint(5, 30) * MIB
        wait_until(lambda: array.controller(int(port[1:]))['bytes_received'] > wanted,
                   'a host that writes')
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def send_what_goes(host, data):
    """Sends until the array does not take more."""
    host.socket.settimeout(0.2)
    try:
        host.socket.sendall(data)
    except socket.timeout:
        pass
    except (BrokenPipeError, ConnectionResetError):
        pass


def never_reads(array, port, volume, length):
    host = Host(array, port)
    host.go(volume)
    request = struct.pack('>IHHQQI', REQUEST_MAGIC, 0, CMD_READ, 1, 0, length)
    send_what_goes(host, request * 2000)
    return host


def stops_sending(array, port, volume):
    host = Host(array, port)
    host.go(volume)
    host.send_request(CMD_WRITE, 0, 32 * MIB, bytes(1000000))
    return host


def reads_late(array):
    """One who says all, closes its sending side, and then reads all answers."""
    with Host(array, 'c1') as host:
        host.go('vol0')
        for cookie in range(100):
            host.send_request(CMD_READ, 4096 * cookie, 65536, cookie=cookie)
        host.socket.shutdown(socket.SHUT_WR)
        answered = set()
        for _ in range(100):
            error, cookie, _ = host.simple_reply(65536)
            same(error, 0, 'the error')
            answered.add(cookie)
        same(len(answered), 100, 'answers after the end of the requests')
        host.expect_close('all answers')


def come_once(array):
    kind = random.random()
    with Host(array, random.choice(array.ports), greet=kind > 0.1) as host:
        if kind < 0.3:
            return
        if kind < 0.5:
            host.option(OPT_LIST)
            return
        host.go(random.choice(['vol0', 'vol1']))
        requests = random.randint(0, 10)
        for _ in range(requests):
            if random.random() < 0.5:
                host.send_request(CMD_WRITE, random.randrange(MIB), 4096, bytes(4096))
            else:
                host.send_request(CMD_READ, random.randrange(MIB), 4096)
        if kind > 0.8 and requests > 0:
            host.receive(16)


def come_and_go(array, failures, end):
    try:
        while time.monotonic() < end:
            come_once(array)
    except Exception as error:
        failures.append(error)


def crowd(array):
    failures, end = [], time.monotonic() + SECONDS
    threads = [threading.Thread(target=come_and_go, args=(array, failures, end)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(failures, [], 'hosts that came and went')
    note(f'{sum(one["connections_total"] for one in array.state()["controllers"])} connections')


def resident_bytes(pid):
    with open(f'/proc/{pid}/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def main():
    libnbd()
    with folders() as places:
        with Array(places, controllers=2, count=3, size='64MiB') as array:
            for port in ('c0', 'c1'):  # the owner, and another
                with Bystander(array, 'vol2', port) as bystander:
                    for _ in range(10 if LONG else 3):
                        killed_in_the_middle(array, port)
                array.wait_quiet()
            note(f'killed in the middle of writes: a bystander waited {bystander.worst:.3f} s')

            for volume in ('vol0', 'vol1'):
                for length in (4096, MIB, 32 * MIB):
                    with Bystander(array, 'vol2', 'c0', DROPPED_WITHIN) as bystander:
                        rude = [never_reads(array, 'c0', volume, length) for _ in range(2)]
                        enough = bystander.done + 20
                        wait_until(lambda: bystander.done > enough, 'a bystander goes on')
                    note(f'answers of {length} never read: a bystander waited '
                         f'{bystander.worst:.3f} s')
                    for host in rude:
                        host.close()
                    array.wait_quiet()

            with Bystander(array, 'vol2', 'c0', DROPPED_WITHIN) as bystander:
                rude = [stops_sending(array, 'c0', 'vol1') for _ in range(4)]
                enough = bystander.done + 20
                wait_until(lambda: bystander.done > enough, 'a bystander goes on')
            note(f'writes that stop: a bystander waited {bystander.worst:.3f} s')
            for host in rude:
                host.close()
            array.wait_quiet()

            reads_late(array)
            with Bystander(array, 'vol2', 'c1'):
                crowd(array)
            wait_until(lambda: all(one['connections'] == 0
                                   for one in array.state()['controllers']), 'no connection left')
            array.wait_quiet()
            for one in array.state()['controllers']:
                check(resident_bytes(one['pid']) < 1 << 30, 'memory is bounded')


run(main)
