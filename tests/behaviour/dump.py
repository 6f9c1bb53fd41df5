#!/usr/bin/python3
"""anyport dump: what it writes starts the same array, with the same data, from any folder, and is
dumped as itself again. --output replaces nothing that it was not told to."""
import glob
import os
import shutil
import subprocess

from testarray import (ANYPORT, DISK, MEMORY, PATIENCE, Array, command, folders, note, run, same)

EXAMPLES = os.path.join(os.path.dirname(__file__), '..', '..', 'examples')
# What of the status is the configuration's, and not what was done since the start.
CONFIGURED = {'elements': ('name', 'controller', 'size', 'io', 'read_only', 'superblock'),
              'volumes': ('name', 'description', 'size', 'offset', 'element', 'layout', 'chunk',
                          'copies', 'members', 'exported', 'read_only')}
LAYOUTS = ('concat', 'stripe', 'mirror', 'raid10', 'raid5', 'raid6')
BLOCK = 4096


def dump(array, *options, **more):
    return command(ANYPORT, 'dump', *options, array.run_dir, **more)


def shape(array):
    state = array.state()
    return [state['array'], len(state['controllers']), state['coordination']['policy']] + [
        {key: one.get(key) for key in keys} for part, keys in CONFIGURED.items()
        for one in state[part]]


def pattern(number):
    return bytes([number + 1]) * BLOCK


def every_layout(places):
    """Dumps and stops it; runs the dump: the same array with the same data, and the same dump."""
    volumes = [{'name': f'p{i}-{n}', 'element': f'disk{i}', 'offset': f'{8 * n}MiB',
                'size': '8MiB'} for i in range(4) for n in range(len(LAYOUTS))]
    volumes[0].update(description='it\'s "quoted" \\ ü: #', rotational=True, export=True)
    for n, layout in enumerate(LAYOUTS):
        chunk = {} if layout in ('concat', 'mirror') else {'chunk': '16KiB'}
        volumes.append({'name': layout, 'layout': layout, 'members': [f'p{i}-{n}' for i in range(4)],
                        **chunk})
    settings = {'run-dir': os.path.join(places[MEMORY], 'r'), 'controllers': 3, 'count': 4, 'volumes': volumes, 'buffers': {'size': '48MiB'},
                'cache': {'mode': 'off'}, 'connections': 17, 'ports': {'tcp': '[::1]:0'},
                'coordination': {'policy': 'writes', 'region': '256KiB'}}
    with Array(places, **settings) as array:
        before, text = shape(array), dump(array)
        for n, volume in enumerate(LAYOUTS):
            with_host(array, volume, 'front', lambda host: host.pwrite(pattern(n), 3 * BLOCK))
    again = Array(places, **settings)
    with open(again.config, 'w') as file:
        file.write(text)
    with again:
        same(shape(again), before, 'the array that the dump makes')
        same(dump(again), text, 'the dump of the dump')
        for n, volume in enumerate(LAYOUTS):
            found = with_host(again, volume, 'c2', lambda host: host.pread(BLOCK, 3 * BLOCK))
            same(found, pattern(n), f'the data of {volume}')


def with_host(array, volume, port, do):
    host = array.connect(volume, port)
    result = do(host)
    host.shutdown()
    return result


def run_here(folder, config, script):
    """Runs an array from this folder, with a command; what that printed."""
    done = subprocess.run([ANYPORT, 'run', config, '--run', script], cwd=folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    same((done.returncode, done.stderr), (0, ''), f'{config} in {folder}')
    return done.stdout


def examples(places):
    """As they stand, with their relative paths, in a folder with an odd name; the dump from another
    one. (But for the port: tests have none of their own.)"""
    for path in sorted(glob.glob(os.path.join(EXAMPLES, '*.yaml'))):
        home = os.path.join(places[MEMORY], 'odd ü"\'#')
        os.mkdir(home)
        with open(path) as source, open(os.path.join(home, 'one.yaml'), 'w') as target:
            target.write(source.read().replace(':10809', ':0'))
        text = run_here(home, 'one.yaml', f'{ANYPORT} dump')
        dumped = os.path.join(places[DISK], 'dumped.yaml')
        with open(dumped, 'w') as file:
            file.write(text)
        same(run_here('/', dumped, f'{ANYPORT} dump'), text, f'the dump of the dump of {path}')
        shutil.rmtree(home)


def output(places):
    with Array(places, controllers=1, kinds=(MEMORY,), size='1MiB') as array:
        text, home = dump(array), places[MEMORY]
        path = os.path.join(home, 'out.yaml')
        before = sorted(os.listdir(home))
        same(dump(array, '--output', path), '', 'what --output prints')
        with open(path) as file:
            same(file.read(), text, 'what --output writes')
        with open(path, 'w') as file:
            file.write('mine')
        said = dump(array, '--output', path, fails=True)
        same(said, f'anyport: {path}: File exists; allowed: another name, or --force to replace '
                   'it\n', 'a file that exists')
        with open(path) as file:
            same(file.read(), 'mine', 'a file that exists, afterwards')
        dump(array, '--force', '--output', path)
        with open(path) as file:
            same(file.read(), text, 'what --force writes')
        dump(array, '--output', os.path.join(home, 'no', 'out.yaml'), fails=True)
        same(sorted(os.listdir(home)), sorted(before + ['out.yaml']), 'files that are left')
        dump(array, '--force', fails=True)


def main():
    with folders() as places:
        for test in (every_layout, examples, output):
            note(test.__name__)
            test(places)


run(main)
