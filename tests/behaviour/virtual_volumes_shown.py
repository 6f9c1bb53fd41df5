#!/usr/bin/python3
"""Virtual volumes are exported under their names and their members are not; status, volume list and
top show layout, members and state, and the state follows what happens to elements and controllers.
"""
import json
import os
import signal

from testarray import (ANYPORT, MEMORY, MIB, NO_TAKEOVER, Array, check, command, folders, libnbd, need,
                       note, run, same, wait_until)

CONTROLLERS = 4
VIRTUAL = [
    {'name': 'fast', 'layout': 'stripe', 'members': ['fast0', 'fast1', 'fast2', 'fast3']},
    {'name': 'row', 'layout': 'concat', 'members': ['row0', 'row1'], 'rotational': True},
    {'name': 'safe', 'layout': 'mirror', 'members': ['safe0', 'safe1'], 'description': 'kept twice'},
    {'name': 'both', 'layout': 'raid10', 'chunk': '1MiB',
     'members': ['both0', 'both1', 'both2', 'both3']},
    {'name': 'five', 'layout': 'raid5', 'chunk': '128KiB',
     'members': ['five0', 'five1', 'five2', 'five3']},
    {'name': 'six', 'layout': 'raid6', 'members': ['six0', 'six1', 'six2', 'six3'],
     'read-only': True},
]
PART = 2 * MIB  # of each member, but for row1 and safe1
SIZES = {'fast': 4 * PART, 'row': PART + 12345, 'safe': MIB, 'both': 2 * PART, 'five': 3 * PART,
         'six': 2 * PART, 'safe1': MIB}
DESCRIPTIONS = {'fast': 'stripe of 4 volumes, chunk 64KiB', 'row': 'concat of 2 volumes',
                'safe': 'kept twice', 'both': 'raid10 of 4 volumes, 2 copies, chunk 1MiB',
                'five': 'raid5 of 4 volumes, chunk 128KiB',
                'six': 'raid6 of 4 volumes, chunk 64KiB', 'safe1': ''}


def fields(places):
    """Each element has a part of each virtual volume, side by side; members come first, last."""
    elements = [{'name': f'disk{i}', 'image': os.path.join(places[MEMORY], f'd{i}.img'),
                 'size': '32MiB', 'controller': i} for i in range(CONTROLLERS)]
    members = []
    for at, one in enumerate(VIRTUAL):
        for i, name in enumerate(one['members']):
            members.append({'name': name, 'element': f'disk{i}', 'offset': str(at * PART),
                            'size': {'row1': '12345', 'safe1': '1MiB'}.get(name, str(PART))})
            if name == 'safe1':
                members[-1]['export'] = True
    half = len(members) // 2
    return {'elements': elements, 'volumes': members[:half] + VIRTUAL + members[half:]}


def exports(array):
    for port in ('front', 'c3'):
        found = json.loads(command('nbdinfo', '--list', '--json', array.uri('', port)))['exports']
        same({one['export-name']: one['export-size'] for one in found}, SIZES, f'exports at {port}')
        for one in found:
            name = one['export-name']
            same(one.get('description', ''), DESCRIPTIONS[name], f'the description of {name}')
            same([one[f'block_size_{what}'] for what in ('minimum', 'preferred', 'maximum')],
                 [1, 4096, 32 * MIB], f'block sizes of {name}')
            check(one['can_multi_conn'], f'multi-conn of {name}')
            same(one['is_rotational'], name == 'row', f'rotational {name}')
            same(one['is_read_only'], name == 'six', f'read-only {name}')


def volumes(array):
    return {one['name']: one for one in array.state()['volumes']}


def status(array):
    found = volumes(array)
    for one in VIRTUAL:
        shown = found[one['name']]
        same(shown['layout'], one['layout'], 'the layout')
        same(shown['state'], 'online', 'the state')
        same(shown['members'], [{'name': name, 'state': 'online'} for name in one['members']],
             f'the members of {one["name"]}')
        check('element' not in shown and 'controller' not in shown, 'it lies on no one element')
    same({name: one['chunk'] for name, one in found.items() if 'chunk' in one},
         {'fast': 64 << 10, 'both': MIB, 'five': 128 << 10, 'six': 64 << 10}, 'chunks')
    same({name: one['copies'] for name, one in found.items() if 'copies' in one},
         {'safe': 2, 'both': 2}, 'copies')
    plain = found['fast2']
    same((plain['element'], plain['controller'], plain['offset'], plain['size'], plain['exported'],
          plain['state']), ('disk2', 2, 0, PART, False, 'online'), 'a plain volume')
    check('layout' not in plain and 'members' not in plain, 'a plain volume has no layout')


def text_of(array, *words):
    return [line.split() for line in command(ANYPORT, *words, array.run_dir).splitlines()]


def states(array, wanted, failed, what):
    """JSON, `volume list` and `top` say the same."""
    found = volumes(array)
    same({one['name']: found[one['name']]['state'] for one in VIRTUAL}, wanted, f'states {what}')
    same({member['name'] for one in VIRTUAL for member in found[one['name']]['members']
          if member['state'] != 'online'}, failed, f'members that are gone {what}')
    listed = text_of(array, 'volume', 'list')
    begin = listed.index(['VIRTUAL', 'VOLUME', 'LAYOUT', 'STATE', 'CHUNK', 'MEMBERS'])
    same({line[0]: line[2] for line in listed[begin + 1:]}, wanted, f'volume list {what}')
    same({word.split('(')[0] for line in listed[begin + 1:] for word in line if '(' in word},
         failed, f'members in volume list {what}')
    top = text_of(array, 'top', '--once', '--interval=0.1')
    begin = top.index(['VOLUME', 'LAYOUT', 'CHUNK', 'STATE', 'MEMBER', 'STATE'])
    del top[top.index([], begin):]  # the pane ends with an empty line
    same(len(top[begin + 1:]), sum(len(one['members']) for one in VIRTUAL), 'rows of top')
    same({line[-2] for line in top[begin + 1:] if line[-1] != 'online'}, failed,
         f'members in top {what}')
    firsts = {line[0]: line for line in top[begin + 1:] if line[0] in wanted}
    same({name: ' '.join(line[2:-2]).split()[-1] for name, line in firsts.items()}, wanted,
         f'states in top {what}')


def counted(array):
    """A virtual volume shows what its members did: a write to both halves of a mirror, and a read of
    one of them."""
    host = array.connect('safe', 'c2')
    host.pwrite(bytes(4096), 8192)
    host.pread(512, 8192)
    host.shutdown()
    found = volumes(array)
    names = ('writes', 'write_bytes', 'reads', 'read_bytes', 'in_flight', 'errors')
    same([found['safe'][name] for name in names], [2, 8192, 1, 512, 0, 0], 'counted for a mirror')
    for name in names:
        same(found['safe'][name], found['safe0'][name] + found['safe1'][name], f'sum of {name}')
    listed = text_of(array, 'volume', 'list')
    same([line[-3:] for line in listed if line[:2] == ['safe', '-']], [['1', '2', '0']],
         'reads, writes and errors of a mirror in volume list')


def fail_element(array, index):
    """An image that became shorter: the next read of it finds out."""
    nbd = libnbd()
    os.truncate(array.fields['elements'][index]['image'], 4096)
    host = array.connect('safe1', f'c{index}')
    try:
        host.pread(4096, 0)
    except nbd.Error:
        pass
    wait_until(lambda: array.element(index)['state'] == 'failed', 'the element fails')


def members_on(*elements):
    return {one['members'][i] for one in VIRTUAL for i in elements if i < len(one['members'])}


def gone(array, index):
    pid = array.controller(index)['pid']
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: array.element(index)['state'] == 'unreachable', 'the controller is gone')


def main():
    libnbd()
    need('nbdinfo')
    with folders() as places:
        with Array(places, controllers=CONTROLLERS, takeover=NO_TAKEOVER,
                   expected='disk1|controller 2|failed; the volume is degraded',
                   **fields(places)) as array:
            exports(array)
            status(array)
            counted(array)
            states(array, {one['name']: 'online' for one in VIRTUAL}, set(), 'at first')
            fail_element(array, 1)
            states(array, {'fast': 'failed', 'row': 'failed', 'safe': 'degraded',
                           'both': 'degraded', 'five': 'degraded', 'six': 'degraded'},
                   members_on(1), 'without an element')
            note('one element gone: what bears it is degraded')
            gone(array, 2)
            states(array, {'fast': 'failed', 'row': 'failed', 'safe': 'degraded',
                           'both': 'degraded', 'five': 'failed', 'six': 'degraded'},
                   members_on(1, 2), 'without an element and a controller')
            note('and one controller: raid5 has failed, raid6 and raid10 have not')


run(main)
