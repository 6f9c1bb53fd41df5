#!/usr/bin/python3
"""`anyport trace`: a command of known cookie is found with its way through both controllers, also
after kill -9 of the one that executed it; levels, filters, --follow to the array's end, and the USDT
probes that the program has."""
import ctypes
import json
import os
import re
import select
import shutil
import signal
import struct
import subprocess

from testarray import (ANYPORT, CMD_READ, CMD_WRITE, EIO, MEMORY, MIB, NO_TAKEOVER, PATIENCE, Array, Host, check,
                       command, folders, libnbd, note, run, same, wait_until)

PROBES = {'begun': 7, 'stage': 4, 'held': 2, 'handed': 3, 'redirected': 4, 'replied': 5}


def trace(array, *options):
    answer = json.loads(command(ANYPORT, 'trace', '--json', *options, array.run_dir))
    same((answer['version'], answer['lost']), (1, 0), 'version, lost')
    return answer['events']


def level(array, name):
    """Controllers look once a turn, so those that sleep have to be woken."""
    same(command(ANYPORT, 'trace', f'--level={name}', array.run_dir), '', 'what it says')
    for port in ('c0', 'c1'):
        with Host(array, port) as host:
            host.go('vol0').works(f'level {name}')


def way(events, cookie):
    """The events of the host command with this cookie, wherever they were; by controller."""
    arrived = [one for one in events if one.get('cookie') == hex(cookie)]
    same(len(arrived), 1, f'arrivals of {cookie:#x}')
    key = (arrived[0]['controller'], arrived[0]['command'])
    mine = [one for one in events if (one.get('receiver'), one.get('command')) == key]
    return [[one for one in mine if one['controller'] == i] for i in (0, 1)]


def names(events):
    return [one['event'] for one in events]


def redirected(array, cookie, events=None):
    """The way of a read of vol1, which is controller 1's, through controller 0."""
    at = way(events if events is not None else trace(array), cookie)
    same([names(one) for one in at], [['arrived', 'redirected', 'replied'], ['taken', 'replied']],
         'the way')
    same((at[0][1]['peer'], at[1][0]['peer']), (1, 0), 'to whom, and from whom')
    for one in at[0] + at[1]:
        same((one['op'], one['volume'], one['offset'], one['length']), ('read', 'vol1', 8192, 4096),
             'what it does')
    same((at[0][2]['status'], at[1][1]['status']), (0, 0), 'statuses')
    check(at[0][0]['time_ns'] <= at[0][2]['time_ns'], at)


def send(array, cookie, volume='vol1', kind=CMD_READ, payload=b''):
    with Host(array, 'c0') as host:
        host.go(volume)
        host.send_request(kind, 8192, 4096, payload, cookie=cookie)
        error, answered, _ = host.simple_reply(4096 if kind == CMD_READ else 0)
        same(answered, cookie, 'the cookie')
        return error


def text_has_it(array, cookie):
    lines = [line.split() for line in command(ANYPORT, 'trace', array.run_dir).splitlines()]
    same(lines[0], ['TIME', 'AT', 'COMMAND', 'EVENT', 'WHAT'], 'the heading')
    line, = [line for line in lines if line[-1] == hex(cookie)]
    same(line[1::2], ['c0', 'arrived', 'vol1', 'cookie'], 'the line of its arrival')
    number = line[2]
    same([(line[1], line[3]) for line in lines if line[2] == number and line[1] == 'c1'],
         [('c1', 'taken'), ('c1', 'replied')], 'lines of controller 1')


def stages(array, cookie):
    level(array, 'stages')
    send(array, cookie)
    at = way(trace(array), cookie)
    told = [[(one['stage'], one['verdict']) for one in events if one['event'] == 'stage']
            for events in at]
    same(told[0], [('MAP', 'next'), ('COORDINATE', 'next'), ('SPLIT', 'next'), ('OWNER', 'next'),
                   ('CACHE', 'next'), ('EXECUTE', 'next'), ('REDIRECT', 'wait'),
                   ('REDIRECT', 'done'), ('AGGREGATE', 'next'), ('KEEP', 'next'),
                   ('RELEASE', 'next')], 'stages of the receiver')
    same(told[1][0], ('CACHE', 'next'), 'the first stage of the owner')
    same(told[1][-1], ('RELEASE', 'next'), 'its last but REPLY')


def nothing(array, cookie, name):
    level(array, name)
    send(array, cookie)
    same([one for one in trace(array) if one.get('cookie') == hex(cookie)], [], f'level {name}')


def filters(array, cookie):
    check(all(one['controller'] == 1 for one in trace(array, '--controller=1')), 'controller 1')
    events = trace(array, '--volume=vol1')
    check(len(events) > 0 and all(one['volume'] == 'vol1' for one in events), 'volume vol1')
    check(any(one.get('cookie') == hex(cookie) for one in events), 'its arrival')
    same(trace(array, '--since=0'), [], 'of the last 0 s')
    redirected(array, cookie, trace(array, '--since=600'))
    for words in (['--controller=2'], ['--volume=none'], ['--since=x'], ['--level=all'], ['a', 'b']):
        command(ANYPORT, 'trace', *words, *([array.run_dir] if len(words) == 1 else []), fails=True)


def waits(array):
    """Writes at one place of a virtual volume through two ports: some are held, and handed on."""
    hosts = [array.connect('fast', port) for port in ('c0', 'c1')]
    payload = libnbd().Buffer.from_bytearray(bytearray(256 << 10))

    def look():
        for _ in range(16):
            for host in hosts:
                host.aio_pwrite(payload, 0)
        for host in hosts:
            while host.aio_in_flight() > 0:
                host.poll(100)
        events = trace(array, '--volume=fast')
        held = {(one['receiver'], one['command']) for one in events if one['event'] == 'held'}
        handed = [one for one in events if one['event'] == 'handed']
        for one in handed:
            check((one['receiver'], one['command']) in held and one['peer'] in (0, 1), one)
        return {one['peer'] for one in handed} == {0, 1} and len(handed)

    note(f'{wait_until(look, "commands that were held and handed")} were handed on')
    for host in hosts:
        host.shutdown()


def after_a_death(array, cookie):
    os.kill(array.controller(1)['pid'], signal.SIGKILL)
    wait_until(lambda: array.controller(1)['state'] in ('dead', 'drained'), 'its death')
    redirected(array, cookie)
    text_has_it(array, cookie)
    same(send(array, 0xdead), EIO, 'a read of the dead one')
    wait_until(lambda: 'peer-lost' in names(trace(array, '--controller=0')), 'peer-lost')
    at = way(trace(array), 0xdead)
    same((names(at[0]), at[0][1]['status'], at[1]), (['arrived', 'replied'], -EIO, []),
         'the way of what failed')


def follows(array):
    follower = subprocess.Popen([ANYPORT, 'trace', '--follow', '--json', array.run_dir],
                                stdout=subprocess.PIPE, text=True)
    try:
        def seen():
            send(array, 0xf0110, 'vol0')
            return select.select([follower.stdout], [], [], 0.2)[0]

        wait_until(seen, 'an event')
        array.stop()
        text = follower.communicate(timeout=PATIENCE)[0]
        same(follower.returncode, 0, 'the status of --follow')
        events = [json.loads(line) for line in text.splitlines()]
        check(all(one['version'] == 1 for one in events), 'version')
        check(hex(0xf0110) in [one.get('cookie') for one in events], 'a command while it followed')
        same(names(events)[-1], 'seat', 'the last event')
    finally:
        follower.kill()
        follower.wait()


def sections_of_notes():
    """[(name, address, arguments)] of the probes, as readelf prints them."""
    notes = command('readelf', '--notes', '--wide', ANYPORT)
    pattern = r'Provider: anyport\s+Name: (\w+)\s+Location: (0x[0-9a-f]+),.*?Arguments: ([^\n]*)'
    return [(name, int(address, 16), arguments.split())
            for name, address, arguments in re.findall(pattern, notes, re.DOTALL)]


def probes_are_there():
    if shutil.which('readelf') is None:
        note('no readelf: the probes were not looked at')
        return
    found = sections_of_notes()
    for name, count in PROBES.items():
        arguments = [given for one, _, given in found if one == name]
        check(len(arguments) > 0, f'there is no probe {name}')
        same({len(given) for given in arguments}, {count}, f'arguments of {name}')
    same({name for name, _, _ in found}, set(PROBES), 'probes')


def offset_in_file(address):
    for line in command('readelf', '--program-headers', '--wide', ANYPORT).splitlines():
        words = line.split()
        if words[:1] == ['LOAD']:
            offset, start, _, size = (int(word, 16) for word in words[1:5])
            if start <= address < start + size:
                return address - start + offset
    raise AssertionError(f'{address:#x} is in no segment')


def attach(kind, pid, address):
    """A counter of how often process `pid` passes the probe; -1 with errno when that is not to be
    had. perf_event_attr: type, size, -, -, -, -, flags, -, uprobe_path, probe_offset."""
    path = ctypes.create_string_buffer(os.fsencode(os.path.realpath(ANYPORT)))
    attributes = struct.pack('<IIQQQQQIIQQ', kind, 128, 0, 0, 0, 0, 0, 0, 0,
                             ctypes.addressof(path), offset_in_file(address)).ljust(128, b'\0')
    number = {'x86_64': 298, 'aarch64': 241}.get(os.uname().machine)
    if number is None:
        return -1
    return ctypes.CDLL(None, use_errno=True).syscall(number, attributes, pid, -1, -1, 8)


def probes_fire(array):
    """Each place of `replied` and `redirected` is counted while one read passes."""
    try:
        with open('/sys/bus/event_source/devices/uprobe/type', encoding='ascii') as file:
            kind = int(file.read())
    except OSError:
        note('no uprobes here: whether the probes fire was not looked at')
        return
    pid = array.controller(0)['pid']
    fds = {}
    for name, address, _ in sections_of_notes() if shutil.which('readelf') else []:
        fd = attach(kind, pid, address)
        if fd < 0:
            note(f'no uprobe to be had: {os.strerror(ctypes.get_errno())}')
            return
        fds.setdefault(name, []).append(fd)
    send(array, 0xf12e)
    counts = {name: sum(struct.unpack('<Q', os.read(fd, 8))[0] for fd in fds[name]) for name in fds}
    for fd in sum(fds.values(), []):
        os.close(fd)
    if fds:
        same({name: counts[name] for name in ('begun', 'redirected', 'replied', 'held', 'handed')},
             {'begun': 1, 'redirected': 1, 'replied': 1, 'held': 0, 'handed': 0}, 'hits')
        check(counts['stage'] >= 9, counts)
        note(f'hits: {counts}')


def no_trace(places):
    with Array(places, controllers=1, kinds=(MEMORY,), trace={'events': 0}) as array:
        for words in ([], ['--level=stages']):
            said = command(ANYPORT, 'trace', *words, array.run_dir, fails=True)
            check('keeps no trace' in said, said)


def fields(places):
    elements = [{'name': f'disk{i}', 'image': f'{places[MEMORY]}/t{i}.img', 'size': '16MiB',
                 'controller': i} for i in (0, 1)]
    volumes = [{'name': f'{name}{i}', 'element': f'disk{i}', 'offset': str(at * 8 * MIB),
                'size': '8MiB'} for at, name in enumerate(('vol', 'fast')) for i in (0, 1)]
    volumes.append({'name': 'fast', 'layout': 'stripe', 'members': ['fast0', 'fast1']})
    return {'elements': elements, 'volumes': volumes, 'trace': {'level': 'commands'}}


def main():
    libnbd()
    probes_are_there()
    with folders() as places:
        no_trace(places)
        with Array(places, controllers=2, takeover=NO_TAKEOVER,
                   expected='controller 1 .* was killed by signal 9|member fast1 failed',
                   **fields(places)) as array:
            same(send(array, 0xfeedfacecafebeef), 0, 'a read')
            redirected(array, 0xfeedfacecafebeef)
            text_has_it(array, 0xfeedfacecafebeef)
            filters(array, 0xfeedfacecafebeef)
            probes_fire(array)
            stages(array, 0x5147)
            nothing(array, 0x0ff, 'off')
            nothing(array, 0xe7e, 'events')
            level(array, 'commands')
            same(send(array, 0xd00d, kind=CMD_WRITE, payload=bytes(4096)), 0, 'a write')
            same(names(way(trace(array), 0xd00d)[1]), ['taken', 'replied'], 'a write at its owner')
            waits(array)
            after_a_death(array, 0xfeedfacecafebeef)
            follows(array)


run(main)
