#!/usr/bin/python3
"""What else hosts attach with: nbdinfo, nbdsh, qemu-io, nbdfuse and TCP, through every port;
and --run, which gives a script the sockets and ends with its status."""
import json
import os
import subprocess

from fuse_file import fuse_file
from testarray import (ANYPORT, MIB, PATIENCE, SANITIZER, Array, Skip, check, command, folders,
                       need, note, run, same)


def nbdinfo(array):
    for port in array.ports:
        found = json.loads(command('nbdinfo', '--json', array.uri('vol1', port)))['exports'][0]
        same(found['export-size'], 64 * MIB, 'the size')
        for flag in ('can_cache', 'can_df', 'can_fast_zero', 'can_flush', 'can_fua',
                     'can_multi_conn', 'can_trim', 'can_zero'):
            check(found[flag], f'{flag} through {port}')
        same(sorted(found['contexts']), ['anyport:location', 'base:allocation'], 'contexts')
        extents = json.loads(command('nbdinfo', '--json', '--map', array.uri('vol1', port)))
        same(sum(one['length'] for one in extents), 64 * MIB, 'the map covers all')
        command('nbdinfo', '--map', '--totals', array.uri('vol1', port))


def qemu_io(array):
    for volume in ('vol0', 'vol1'):
        for writer, reader in (('c0', 'c1'), ('c2', 'front'), ('front', 'c0')):
            output = command('qemu-io', '-f', 'raw', '-c', 'write -P 0x5a 0 1M', '-c',
                             'write -z 256k 64k', '-c', 'discard 512k 64k', '-c',
                             'write -f -P 1 4M 4k', '-c', 'aio_write -P 2 8M 64k', '-c',
                             'aio_flush', '-c', 'flush', array.uri(volume, writer))
            check('failed' not in output and 'rror' not in output, output)
            output = command('qemu-io', '-f', 'raw', '-c', 'read -P 0x5a 0 256k', '-c',
                             'read -P 0 256k 64k', '-c', 'read -P 1 4M 4k', '-c',
                             'read -P 2 8M 64k', '-c', 'map', array.uri(volume, reader))
            check('verification failed' not in output and 'rror' not in output, output)


def nbdsh(array):
    command('nbdsh', '--uri', array.uri('vol0', 'c2'), '-c', 'h.pwrite(b"sh", 100)', '-c',
            'assert h.pread(2, 100) == b"sh"')


def by_fuse(array, places):
    """A volume as a file: what programs that know only files do with it."""
    image = os.path.join(places['memory'], 'image')
    with open(image, 'wb') as file:
        file.write(os.urandom(64 * MIB))
    with fuse_file(os.path.join(places['memory'], 'volume'), array.uri('vol1', 'c0')) as path:
        same(os.stat(path).st_size, 64 * MIB, 'the size of the file')
        command('dd', f'if={image}', f'of={path}', 'bs=1M', 'conv=notrunc,fdatasync')
        with open(path, 'r+b', buffering=0) as file:
            file.seek(12345)
            file.write(b'odd')
            os.fsync(file.fileno())
            file.seek(12344)
            found = file.read(5)
    with open(image, 'r+b') as file:
        file.seek(12345)
        file.write(b'odd')
        file.seek(12344)
        same(found, file.read(5), 'what is read through the file')
    command('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', image, array.uri('vol1', 'c2'))
    os.unlink(image)


def over_tcp(places):
    """The system chooses the ports; the array says which is the front's."""
    with Array(places, controllers=2, count=2, ports={'tcp': '127.0.0.1:0'}) as array:
        line = array.process.stdout.readline()
        check('nbd://127.0.0.1:' in line, f'the front over TCP: {line}')
        port = int(line.rsplit(':', 1)[1].split('/')[0])
        image = os.path.join(places['memory'], 'tcp')
        with open(image, 'wb') as file:
            file.write(os.urandom(64 * MIB))
        for volume in ('vol0', 'vol1'):
            command('nbdcopy', '--flush', image, f'nbd://127.0.0.1:{port}/{volume}')
            command('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', image,
                    f'nbd://127.0.0.1:{port}/{volume}')
            command('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', image,
                    array.uri(volume, 'c1'))
        os.unlink(image)


def run_a_script(places):
    array = Array(places, controllers=2)
    script = ('nbdinfo --size "nbd+unix:///vol1?socket=$front" && test -S "$c0" && test -S "$c1" '
              f'&& test -f "$config" && {ANYPORT} status >/dev/null && {ANYPORT} volume list '
              '&& exit 42')
    done = subprocess.run([ANYPORT, 'run', array.config, '--run', script], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    same(done.returncode, 42, f'the status of the script\n{done.stdout}{done.stderr}')
    check(not SANITIZER.search(done.stderr), done.stderr)
    check(str(64 * MIB) in done.stdout and 'vol0' in done.stdout, done.stdout)
    check(not os.path.exists(array.run_dir), 'its run-dir is gone')
    done = subprocess.run([ANYPORT, 'run', array.config, '--run', 'kill -9 $$'], timeout=PATIENCE)
    same(done.returncode, 137, 'the status of a script that was killed')
    os.unlink(array.config)
    os.rmdir(array.home)


def main():
    need('nbdinfo', 'nbdsh', 'qemu-io', 'qemu-img', 'nbdcopy')
    with folders() as places:
        with Array(places, controllers=3) as array:
            nbdinfo(array)
            qemu_io(array)
            nbdsh(array)
            try:
                by_fuse(array, places)
            except Skip as skip:
                note(f'without nbdfuse: {skip}')
            array.wait_quiet()
        over_tcp(places)
        run_a_script(places)
    note('nbdinfo, qemu-io, nbdsh, TCP and --run')


run(main)
