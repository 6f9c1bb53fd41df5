#!/usr/bin/python3
"""A configuration that is wrong is refused by `run` and by `check` with status 2, in one line that
says where; nothing is created, and no image is changed."""
import os
import re
import socket
import subprocess

from testarray import (ANYPORT, DISK, MEMORY, MIB, PATIENCE, SANITIZER, Array, check, folders, note,
                       run, same, write_config)

BOTH, RUN = ('run', 'check'), ('run',)


def tree_of(folder):
    """Everything below a folder: names, kinds, sizes, times, contents."""
    found = {}
    for root, names, files in os.walk(folder):
        for name in names + files:
            path = os.path.join(root, name)
            status = os.lstat(path)
            content = None
            if (os.path.isfile(path) and not os.path.islink(path) and status.st_size < MIB and
                    os.access(path, os.R_OK)):
                with open(path, 'rb') as file:
                    content = file.read()
            found[path] = (status.st_mode, status.st_size, status.st_mtime_ns
                           if not os.path.isdir(path) else 0, content)
    return found


class Trial:
    """A folder with a good configuration in it, to be spoilt."""

    def __init__(self, folder):
        self.folder = folder
        self.image = os.path.join(folder, 'good.img')
        with open(self.image, 'wb') as file:
            file.write(b'precious' * (MIB // 8 - 3000))
        self.count = 0
        self.failures = []

    def fields(self):
        return {'array': 'trial', 'run-dir': os.path.join(self.folder, 'r'), 'controllers': 2,
                'elements': [{'name': 'disk0', 'image': self.image, 'controller': 0},
                             {'name': 'disk1', 'image': os.path.join(self.folder, 'new.img'),
                              'size': '1MiB', 'controller': 1}],
                'volumes': [{'name': 'vol0', 'element': 'disk0'},
                            {'name': 'vol1', 'element': 'disk1'}]}

    def refused(self, *trial):
        """As try_one; failures are told together at the end."""
        self.count += 1
        try:
            self.try_one(*trial)
        except AssertionError as failure:
            self.failures.append(failure)
            note(failure)

    def try_one(self, what, text, says, line=None, verbs=BOTH):
        """`says` are patterns that the message must have; `line` the line that it must name."""
        path = os.path.join(self.folder, 'trial.yaml')
        if text is not None:
            with open(path, 'wb') as file:
                file.write(text if isinstance(text, bytes) else text.encode())
        before = tree_of(self.folder)
        for verb in verbs:
            done = subprocess.run([ANYPORT, verb, path], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=PATIENCE, text=True,
                                  errors='replace')
            heard = f'{what}, {verb}: {done.stdout}{done.stderr[:2000]}'
            check(not SANITIZER.search(done.stderr), heard)
            same(done.returncode, 2, heard)
            same(len(done.stderr.splitlines()), 1, f'{heard}: lines')
            check(len(done.stderr) < 3000, f'{what}, {verb}: a message of {len(done.stderr)} bytes')
            check(path in done.stderr, heard)
            if line is not None:
                check(f'{path}:{line}:' in done.stderr or f'line {line}' in done.stderr,
                      f'{heard} (it should name line {line})')
            for pattern in says:
                check(re.search(pattern, done.stderr), f'{heard} (it should say {pattern})')
            after = tree_of(self.folder)
            same([name for name in after if after[name] != before.get(name)], [], f'{heard}: left')
            same(set(before) - set(after), set(), f'{heard}: gone')

    def spoilt(self, what, spoil, says, line=None, verbs=BOTH):
        fields = self.fields()
        spoil(fields)
        with open(write_config(self.folder, fields, 'trial.yaml')) as file:
            self.refused(what, file.read(), says, line, verbs)


# Lines of the good configuration: array 1, run-dir 2, controllers 3, elements 4 to 6, volumes 7
# to 9.

def fields_and_values(trial):
    def element(**more):
        return lambda fields: fields['elements'][1].update(more)

    def volume(**more):
        return lambda fields: fields['volumes'][1].update(more)

    def top(**more):
        return lambda fields: fields.update({key.replace('_', '-'): value
                                             for key, value in more.items()})

    def without(part, index, key):
        def spoil(fields):
            del (fields if part is None else fields[part][index])[key]
        return spoil

    spoilt = trial.spoilt
    spoilt('unknown field', top(colour='blue'), ['colour'], 10)
    spoilt('unknown field of an element', element(sise='1MiB'), ['sise', 'elements'], 6)
    spoilt('unknown field of a volume', volume(offfset='1MiB'), ['offfset', 'volumes'], 9)
    spoilt('a list for a name', top(array=['a']), ['array'], 2)
    spoilt('a text for a number', top(controllers='many'), ['controllers', 'many'], 3)
    spoilt('a mapping for elements', top(elements={'name': 'x'}), ['elements'], 4)
    spoilt('a text for a switch', volume(export='perhaps'), ['export'], 9)
    spoilt('a size that is none', element(size='1 MiB'), ['size'], 6)
    spoilt('a negative size', element(size='-1'), ['size'], 6)
    spoilt('size 0', element(size='0'), ['size'], 6)
    spoilt('size 0 of a volume', volume(size='0'), ['size'], 9)
    spoilt('a size beyond all', element(size='5000PiB'), ['size'], 6)
    spoilt('an offset within a block', volume(offset='4095'), ['offset'], 9)
    spoilt('an offset past the end', volume(offset='1MiB'), ['offset', 'disk1'], 9)
    spoilt('a volume larger than its element', volume(size='2MiB'), ['size', 'disk1'], 9)
    spoilt('a duplicate element', element(name='disk0'), ['disk0', 'name'], 6)
    spoilt('a duplicate volume', volume(name='vol0'), ['vol0', 'name'], 9)
    spoilt('a missing element', volume(element='disk7'), ['disk7'], 9)
    spoilt('two owners of an image', element(image=trial.image, name='disk1'), ['image'], 6)
    spoilt('two owners in words', element(controller=[0, 1]), ['controller'], 6)
    spoilt('a controller that is not there', element(controller=2), ['controller', '2'], 6)
    spoilt('65 controllers', top(controllers=65), ['controllers', '65', '64'], 3)
    spoilt('no controllers', top(controllers=0), ['controllers', '64'], 3)
    spoilt('a name with a slash', volume(name='a/b'), ['name'], 9)
    spoilt('a name too long', volume(name='a' * 64), ['name', '63'], 9)
    spoilt('no array', without(None, 0, 'array'), ['array'])
    spoilt('no volumes', top(volumes=[]), ['volumes'])
    spoilt('no elements', without(None, 0, 'elements'), ['elements'])
    spoilt('an element without an image', without('elements', 1, 'image'), ['image'], 6)
    spoilt('a volume without an element', without('volumes', 1, 'element'), ['element'], 9)
    spoilt('no connections', top(connections=0), ['connections'], 10)
    spoilt('an unknown model', top(interconnect={'model': 'carrier pigeon'}), ['model'], 10)
    spoilt('an unknown policy', top(cache={'policy': 'fifo'}), ['policy'], 10)
    spoilt('ring entries that are no power of two', top(interconnect={'ring-entries': 3}),
           ['ring-entries'], 10)
    spoilt('an unknown policy of coordination', top(coordination={'policy': 'strong'}),
           ['coordination.policy', 'strict, writes, none'], 10)
    spoilt('a region too small', top(coordination={'region': '64KiB'}),
           ['coordination.region', '256KiB to 64MiB'], 10)
    spoilt('a port of letters', top(ports={'tcp': '127.0.0.1:nbd'}), ['tcp'], 10)
    spoilt('a port past the last', top(ports={'tcp': '127.0.0.1:65535'}), ['tcp', '65535'], 10)

    def overlap(fields):
        fields['volumes'].append({'name': 'vol2', 'element': 'disk1', 'offset': '512KiB'})
    spoilt('volumes that overlap', overlap, ['overlaps', 'vol1', 'vol2'], 10)


def virtual_volumes(trial):
    """The volume of line 10 is a virtual one, of vol0 and vol1 where nothing else is said; of the
    others, one is read-only, one shares disk1, and `tiny` is smaller than a chunk."""
    def spoilt(what, says, line=10, more=(), **virtual):
        def spoil(fields):
            fields['volumes'][1]['size'] = '256KiB'
            fields['volumes'].append({'name': 'x', 'members': ['vol0', 'vol1'], **virtual})
            fields['volumes'].extend([
                {'name': 'kept', 'element': 'disk1', 'offset': '256KiB', 'size': '256KiB',
                 'read-only': True},
                {'name': 'beside', 'element': 'disk1', 'offset': '512KiB', 'size': '256KiB'},
                {'name': 'tiny', 'element': 'disk1', 'offset': '768KiB', 'size': '60KiB'}, *more])
        trial.spoilt(what, spoil, says, line)

    spoilt('an unknown layout', ['layout', 'raid7', 'allowed.*raid6'], layout='raid7')
    spoilt('members without a layout', ['members', 'layout'])
    spoilt('an element of a virtual volume', ['element', 'allowed'], layout='stripe',
           element='disk0')
    spoilt('an unknown member', ['members', 'vol7'], layout='stripe', members=['vol0', 'vol7'])
    spoilt('a member twice', ['members', 'vol0', 'twice'], layout='concat',
           members=['vol0', 'vol0'])
    spoilt('a virtual volume in itself', ['members', 'itself'], layout='stripe',
           members=['vol0', 'x'])
    spoilt('a virtual volume as member', ['members', 'y', 'raid10'], layout='stripe',
           members=['vol0', 'y'], more=[{'name': 'y', 'layout': 'concat', 'members': ['vol1']}])
    spoilt('a member of two', ['members', 'vol1', 'line 10'], 14, layout='stripe',
           more=[{'name': 'y', 'layout': 'concat', 'members': ['vol1']}])
    spoilt('a chunk that is no power of two', ['chunk', '96KiB', 'power of two', '16MiB'],
           layout='stripe', chunk='96KiB')
    spoilt('a chunk too small', ['chunk', '2KiB', '4KiB'], layout='stripe', chunk='2KiB')
    spoilt('a chunk too large', ['chunk', '32MiB', '16MiB'], layout='stripe', chunk='32MiB')
    spoilt('a chunk of a mirror', ['chunk', 'mirror has no chunks'], layout='mirror',
           chunk='64KiB')
    spoilt('a chunk of a concat', ['chunk', 'concat has no chunks'], layout='concat',
           chunk='64KiB')
    spoilt('a raid5 of two', ['members', '3 to 32', 'not 2'], layout='raid5')
    spoilt('a raid6 of two', ['members', '4 to 32', 'not 2'], layout='raid6')
    spoilt('a mirror of one', ['members', '2 to 8', 'not 1'], layout='mirror', members=['vol0'])
    spoilt('a mirror of nine', ['members', '2 to 8', 'not 9'], layout='mirror', members=[
        f'm{i}' for i in range(9)], more=[
            {'name': f'm{i}', 'element': 'disk1', 'offset': f'{828 + 4 * i}KiB', 'size': '4KiB'}
            for i in range(9)])
    spoilt('33 members', ['members', 'more than 32'], layout='stripe', members=['vol0'] * 33)
    spoilt('a raid10 of three', ['members', 'multiple of 2', 'not 3'], layout='raid10',
           members=['vol0', 'vol1', 'beside'])
    spoilt('copies of a stripe', ['copies', 'stripe has no copies'], layout='stripe', copies=2)
    spoilt('a read-only member', ['members', 'kept', 'read-only: true'], layout='stripe',
           members=['vol0', 'kept'])
    spoilt('two members on one element', ['members', 'vol1', 'beside', 'disk1'], layout='raid5',
           members=['vol0', 'vol1', 'beside'])
    # Known only when the images were looked at, or how large they will be: before one is made
    spoilt('a member smaller than a chunk', ['members', r'\(x\)', '61440 bytes', '65536'],
           layout='stripe', members=['vol0', 'tiny'])
    spoilt('an image smaller than a chunk', ['members', r'\(x\)', '1024576 bytes', '16777216'],
           layout='stripe', chunk='16MiB', members=['vol0'])


def yaml_tricks(trial):
    good = open(write_config(trial.folder, trial.fields(), 'trial.yaml')).read()
    bomb = 'elements: &a [x,x,x,x,x,x,x,x,x]\n'
    for above, name in zip('abcdefgh', 'bcdefghi'):
        bomb += f'volumes: &{name} [{",".join([f"*{above}"] * 9)}]\n'
    trial.refused('an alias bomb', bomb + good, ['anchor'], 1)
    trial.refused('an alias', good.replace('"vol1"', '*name'), ['alias'], 9)
    trial.refused('an anchor', good.replace('"vol1"', '&name vol1'), ['anchor'], 9)
    trial.refused('a scalar of 10 MiB', good.replace('"trial"', 'x' * (10 * MIB)), ['array'], 1)
    trial.refused('a key of 10 MiB', good + 'k' * (10 * MIB) + ': 1\n', [], None)
    trial.refused('a quoted scalar of 10 MiB', good.replace('trial', 'x' * (10 * MIB), 1),
                  ['array'], 1)
    trial.refused('65 MiB', b'# ' + b'x' * (65 * MIB), ['64MiB|too large|bytes'])
    trial.refused('a deep list', good + 'array: ' + '[' * 100000, [], None)
    trial.refused('nothing', '', [])
    trial.refused('a scalar', 'hello\n', [])
    trial.refused('binary', os.urandom(5000) + b'\0\xff', [])
    trial.refused('half a line', good[:-20], [])
    trial.refused('two documents', good + '---\n' + good, [], 10)
    trial.refused('a field twice', good + 'array: "again"\n', ['array'], 10)
    trial.refused('a tag', good.replace('"vol1"', '!!binary vol1'), ['tag'], 9)
    trial.refused('tabs', good.replace('array: ', 'array:\n\t'), [], None)
    os.unlink(os.path.join(trial.folder, 'trial.yaml'))
    trial.refused('no configuration', None, ['No such file'])
    os.mkdir(os.path.join(trial.folder, 'trial.yaml'))
    trial.refused('a folder as configuration', None, ['directory'])
    os.rmdir(os.path.join(trial.folder, 'trial.yaml'))


def images(trial, places):
    def image(path, **more):
        def spoil(fields):
            fields['elements'][1].update({'image': path, **more})
            for key, value in more.items():
                if value is None:
                    del fields['elements'][1][key]
        return spoil

    def made(name):
        return os.path.join(trial.folder, name)

    os.mkdir(made('folder'))
    os.mkfifo(made('fifo'))
    os.symlink('nowhere/at-all', made('dangling'))
    with open(made('empty'), 'wb'):
        pass
    spoilt = trial.spoilt
    spoilt('a missing image without a size', image(made('none.img'), size=None),
           ['disk1', 'does not exist', 'none.img'], 6)
    spoilt('an image in a missing folder', image(made('none/x.img')), ['disk1', 'none'], 6)
    spoilt('a folder as image', image(made('folder')), ['disk1', 'directory'], 6)
    spoilt('a fifo as image', image(made('fifo')), ['disk1', 'neither'], 6)
    spoilt('a character device as image', image('/dev/null', size=None), ['disk1', 'neither'], 6)
    spoilt('an empty image', image(made('empty'), size=None), ['disk1', 'empty'], 6)
    spoilt('an image below a file', image(trial.image + '/x'), ['disk1'], 6)
    spoilt('a link to nowhere', image(made('dangling')), ['disk1'], 6)
    spoilt('an image smaller than its size', image(made('small.img'), size='1MiB')
           if open(made('small.img'), 'wb').write(b'small' * 100) else None,
           ['disk1', '500 bytes'], 6)
    for kind in (MEMORY, DISK):
        status = os.statvfs(places[kind])
        too_large = status.f_blocks * status.f_frsize // 4096 * 4096 + 4096
        spoilt(f'larger than the file system in {kind}',
               image(os.path.join(places[kind], 'huge.img'), size=str(too_large)),
               ['disk1', 'file system'], 6)
    if os.geteuid() != 0:  # root may read everything
        os.chmod(made('empty'), 0)
        spoilt('an unreadable image', image(made('empty')), ['disk1', 'ermission'], 6)

    def one_new_image_twice(fields):
        fields['elements'].append(dict(fields['elements'][1], name='disk2',
                                       image=made('folder/../new.img')))
    spoilt('one new image in two spellings', one_new_image_twice, ['disk2'], 7, RUN)
    # A volume beyond an image whose size only the image knows
    spoilt('a volume past the end of an image', lambda fields: fields['volumes'][0].update(
        offset='2MiB'), ['vol0', 'disk0', '1024576'], 8)
    spoilt('a volume that reaches past an image', lambda fields: fields['volumes'][0].update(
        size='1MiB'), ['vol0', 'disk0', '1024576'], 8)


def things_in_use(trial, places):
    with Array(places, controllers=2) as array:
        served = array.fields['elements'][0]['image']
        link, hard = os.path.join(trial.folder, 'link'), os.path.join(places[MEMORY], 'hard')
        os.symlink(served, link)
        os.link(served, hard)

        def image(path):
            return lambda fields: fields['elements'][1].update(image=path, size='1MiB')

        for path in (served, link, hard):
            trial.spoilt(f'an image that is served, as {path}', image(path),
                         ['disk1', 'another'], 6)

        def one_image_twice(fields):
            os.link(trial.image, trial.image + '2')
            fields['elements'][1].update(image=trial.image + '2')
            del fields['elements'][1]['size']
        trial.spoilt('one image under two names', one_image_twice, ['disk1', 'another'], 6)
        trial.spoilt('a run-dir in use', lambda fields: fields.update({'run-dir': array.run_dir}),
                     ['run-dir', 'running'], None, RUN)
        same(sorted(os.listdir(array.run_dir)),
             ['admin.sock', 'array.yaml', 'c0.sock', 'c1.sock', 'configuration.lock', 'front.sock',
              'handover0.sock', 'handover1.sock'], 'what the array has there')
        array.state()
        os.unlink(hard)
        os.unlink(link)


def ports_and_folders(trial):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        trial.spoilt('a port in use', lambda fields: fields.update(
            ports={'tcp': f'127.0.0.1:{port}'}), ['tcp', str(port), 'in use'], None, RUN)
        trial.spoilt("a controller's port in use", lambda fields: fields.update(
            ports={'tcp': f'127.0.0.1:{port - 2}'}), ['tcp', str(port), 'in use'], None, RUN)
    trial.spoilt('a host that is not there', lambda fields: fields.update(
        ports={'tcp': '192.0.2.1:10809'}), ['tcp'], None, RUN)
    long_one = os.path.join(trial.folder, 'long' * 30)
    trial.spoilt('a run-dir too long for sockets', lambda fields: fields.update(
        {'run-dir': long_one}), ['run-dir', 'too long'], None, RUN)
    trial.spoilt('a run-dir in a missing folder', lambda fields: fields.update(
        {'run-dir': os.path.join(trial.folder, 'none', 'r')}), ['run-dir'], None, RUN)
    trial.spoilt('a file as run-dir', lambda fields: fields.update({'run-dir': trial.image}),
                 ['run-dir'], None, RUN)
    # A run-dir that was there already stays, with what is in it.
    os.mkdir(os.path.join(trial.folder, 'r'))
    with open(os.path.join(trial.folder, 'r', 'mine'), 'w') as file:
        file.write('mine')
    trial.spoilt('a missing image and a run-dir of the user', lambda fields:
                 fields['elements'][1].update(image=trial.folder), ['disk1'], 6)


def main():
    with folders() as places:
        trial = Trial(places[DISK])
        fields_and_values(trial)
        virtual_volumes(trial)
        yaml_tricks(trial)
        images(trial, places)
        things_in_use(trial, places)
        ports_and_folders(trial)
        same(len(trial.failures), 0, f'of {trial.count} wrong configurations, failures')
        note(f'{trial.count} wrong configurations refused')


run(main)
