#!/usr/bin/python3
"""What a host is shown before it asks for data: the list with descriptions, the default export,
hidden volumes, block sizes, and the flags of each kind of volume."""
import json
import os
import struct

from testarray import (DISK, MEMORY, MIB, OPT_GO, OPT_INFO, OPT_LIST, OPT_STRUCTURED, REP_ACK,
                       REP_ERR_UNKNOWN, REP_INFO, REP_SERVER, Array, Host, check, command, folders,
                       libnbd, need, note, run, same)


def fields(places):
    with open(os.path.join(places[MEMORY], 'ro.img'), 'wb') as image:
        image.truncate(4 * MIB)
    return {
        'elements': [
            {'name': 'disk0', 'image': os.path.join(places[MEMORY], 'd0.img'), 'size': '16MiB',
             'controller': 0},
            {'name': 'disk1', 'image': os.path.join(places[DISK], 'd1.img'), 'size': '16MiB',
             'controller': 1},
            {'name': 'disk2', 'image': os.path.join(places[MEMORY], 'ro.img'), 'controller': 1,
             'read-only': True},
        ],
        'volumes': [
            {'name': 'plain', 'element': 'disk0', 'size': '8MiB',
             'description': 'the first half, "quoted" \u00fc'},
            {'name': 'hidden', 'element': 'disk0', 'offset': '8MiB', 'export': False},
            {'name': 'turning', 'element': 'disk1', 'rotational': True, 'size': '1234567'},
            {'name': 'kept', 'element': 'disk1', 'offset': '8MiB', 'read-only': True},
            {'name': 'image', 'element': 'disk2'},
        ]}


DESCRIPTIONS = {'plain': 'the first half, "quoted" \u00fc', 'turning': '', 'kept': '', 'image': ''}
SIZES = {'plain': 8 * MIB, 'turning': 1234567, 'kept': 8 * MIB, 'image': 4 * MIB}


def listing(array):
    for port in array.ports:
        with Host(array, port) as host:
            kind, replies = host.option(OPT_LIST)
            same(kind, REP_ACK, 'LIST')
            shown = {}
            for kind, payload in replies[:-1]:
                same(kind, REP_SERVER, 'a reply to LIST')
                length = struct.unpack('>I', payload[:4])[0]
                shown[payload[4:4 + length].decode()] = payload[4 + length:].decode()
            same(shown, DESCRIPTIONS, f'the exports at {port}')
    found = json.loads(command('nbdinfo', '--list', '--json', array.uri('', 'c1')))
    same({one['export-name']: one['export-size'] for one in found['exports']}, SIZES,
         'the exports that nbdinfo sees')
    for one in found['exports']:
        same(one.get('description', ''), DESCRIPTIONS[one['export-name']], 'a description')
        same([one[f'block_size_{what}'] for what in ('minimum', 'preferred', 'maximum')],
             [1, 4096, 32 * MIB], 'block sizes')
        check(one['can_multi_conn'], 'multi-conn')
        same(one['is_rotational'], one['export-name'] == 'turning', 'rotational')
        same(one['is_read_only'], one['export-name'] in ('kept', 'image'), 'read-only')


def what_is_not_there(array):
    for name in ('hidden', 'absent', 'plai', 'plainn', ''):  # several exports: none is the default
        with Host(array, 'c0') as host:
            data = struct.pack('>I', len(name)) + name.encode() + b'\0\0'
            for option in (OPT_INFO, OPT_GO):
                same(host.option(option, data)[0], REP_ERR_UNKNOWN, f'asking for {name!r}')
            host.go('plain').works('asking for what is not there')


def info_items(array):
    with Host(array, 'c1') as host:
        same(host.option(OPT_STRUCTURED)[0], REP_ACK, 'STRUCTURED_REPLY')
        asked = struct.pack('>I5sHHHH', 5, b'plain', 3, 1, 2, 3)
        kind, replies = host.option(OPT_INFO, asked)
        same(kind, REP_ACK, 'INFO')
        items = {struct.unpack('>H', payload[:2])[0]: payload[2:] for kind, payload in replies
                 if kind == REP_INFO}
        same(items[1], b'plain', 'the name')
        same(items[2].decode(), DESCRIPTIONS['plain'], 'the description')
        same(struct.unpack('>III', items[3]), (1, 4096, 32 * MIB), 'the block sizes')
        same(struct.unpack('>QH', items[0])[0], 8 * MIB, 'the size')


def default_export(places):
    with Array(places, controllers=2, count=1) as array:
        for port in array.ports:
            with Host(array, port) as host:
                same(host.go('').size, 64 * MIB, 'the only export is the default')
                host.works('choosing the default')
        command('nbdinfo', array.uri('', 'c1'))


def main():
    libnbd()
    need('nbdinfo')
    with folders() as places:
        with Array(places, controllers=2, **fields(places)) as array:
            listing(array)
            what_is_not_there(array)
            info_items(array)
        default_export(places)
    note('all shown as configured')


run(main)
