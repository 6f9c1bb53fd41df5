"""What bench/peers measures of virtual volumes: a stripe, a mirror and a raid5 of four controllers
beside a plain volume of another controller, and a stripe whose commands are coordinated beside one
whose commands are not. A host is at c0, always.

What is measured is checked: blocks that fio knows are written through c0 and read through c2;
ranges are served as they lie on the images by this file's own arithmetic of layouts; copies are
equal and parity is right, byte for byte, after each job that wrote."""

import dataclasses
import functools
import os
import random

import peers_report
from peers_measure import (CHECKED_BYTES, checked_ranges, fio, job_options, measure_quietly,
                           nbd_target, read_served, say, writes)
from peers_servers import AnyportFour, Failed

CHUNK_BYTES = 64 << 10
MEMBERS = 4
COLUMNS = MEMBERS - 1  # of data, in a row of the raid5
ROW_BYTES = COLUMNS * CHUNK_BYTES
COMPARED_BYTES = 8 << 20  # of each member, at a time

NONE = 'policy none'

JOBS = {
    'virtual-randread-32': {'rw': 'randread', 'bs': '4k', 'iodepth': 32},
    'virtual-randwrite-32': {'rw': 'randwrite', 'bs': '4k', 'iodepth': 32},
    'virtual-write-8': {'rw': 'write', 'bs': '192k', 'iodepth': 8},
}
DISK_JOBS = {'virtual-read-4': {'rw': 'read', 'bs': '1m', 'iodepth': 4}}
TARGETS = {  # who does which job: (column of the table, coordination policy, volume)
    'virtual-randread-32': (('plain', 'strict', 'plain'), ('stripe', 'strict', 'stripe'),
                            (NONE, 'none', 'stripe')),
    'virtual-randwrite-32': (('plain', 'strict', 'plain'), ('stripe', 'strict', 'stripe'),
                             (NONE, 'none', 'stripe'), ('mirror', 'strict', 'mirror')),
    'virtual-write-8': (('stripe', 'strict', 'stripe'), ('raid5', 'strict', 'raid5')),
    'virtual-read-4': (('stripe', 'strict', 'stripe'),),
}


# --- where bytes lie ---

@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume of AnyportFour. members: (element, offset_bytes) of each, of member_bytes."""

    name: str
    layout: str
    size_bytes: int
    member_bytes: int
    members: tuple

    def place(self, chunk):
        """(member, offset within it) of a chunk of the volume."""
        if self.layout == 'stripe':
            return chunk % MEMBERS, chunk // MEMBERS * CHUNK_BYTES
        if self.layout == 'raid5':  # left-symmetric: data begin after the parity, which moves left
            row, column = divmod(chunk, COLUMNS)
            parity = MEMBERS - 1 - row % MEMBERS
            return (parity + 1 + column) % MEMBERS, row * CHUNK_BYTES
        return 0, chunk * CHUNK_BYTES


def size_of(image_bytes):
    """Of each volume: half of an image of the peers, in whole rows of every layout."""
    unit = ROW_BYTES * MEMBERS
    return image_bytes // 2 // unit * unit


def volumes_of(size_bytes):
    """All volumes have the same size, so that none has the cache of the processor to itself. Those
    that are plain or mirrored lie on elements that c0 does not own."""
    quarter, third = size_bytes // MEMBERS, size_bytes // COLUMNS
    rest = quarter + third
    everywhere = range(MEMBERS)
    volumes = (
        Volume('stripe', 'stripe', size_bytes, quarter, tuple((i, 0) for i in everywhere)),
        Volume('raid5', 'raid5', size_bytes, third, tuple((i, quarter) for i in everywhere)),
        Volume('mirror', 'mirror', size_bytes, size_bytes, ((1, rest), (2, rest))),
        Volume('plain', 'plain', size_bytes, size_bytes, ((3, rest),)),
    )
    return {volume.name: volume for volume in volumes}


def configuration_of(volumes):
    """The lines of a configuration that make these volumes, and the size of each element."""
    lines, ends = [], [0] * MEMBERS
    for volume in volumes.values():
        places = [(volume.name if volume.layout == 'plain' else f'{volume.name}-{i}', *place)
                  for i, place in enumerate(volume.members)]
        for name, element, at in places:
            lines.append(f'  - {{name: {name}, element: disk{element}, offset: {at}, '
                         f'size: {volume.member_bytes}}}')
            ends[element] = max(ends[element], at + volume.member_bytes)
        if volume.layout != 'plain':
            chunk = '' if volume.layout == 'mirror' else f'chunk: {CHUNK_BYTES >> 10}KiB, '
            members = ', '.join(name for name, _, _ in places)
            lines.append(f'  - {{name: {volume.name}, layout: {volume.layout}, {chunk}'
                         f'members: [{members}]}}')
    return lines, ends


# --- what is served is what was written and what is stored ---

def pass_of(volume, job, seed, *more):
    """fio's options for a pass over a volume. The seed chooses the places, where they are random,
    and is a part of every block beside the block's own offset: what an earlier pass left, or what
    belongs elsewhere, is found as well as what was damaged."""
    return [f'--name={volume.name}', *job_options(job), '--randrepeat=0', f'--randseed={seed}',
            '--verify=pattern', f'--verify_pattern=%o0x{seed:08x}', '--verify_fatal=1',
            '--verify_state_save=0', *more]


def check_written(array, volume, job, *more):
    """Writes blocks through c0, and reads them through c2."""
    of_pass = pass_of(volume, job, random.getrandbits(32) | 1 << 31, *more)
    wrote, _ = fio([*of_pass, *nbd_target(array.uri('c0', volume.name)), '--do_verify=0'])
    read, _ = fio([*of_pass, *nbd_target(array.uri('c2', volume.name)), '--verify_only=1'])
    if not 0 < wrote['jobs'][0]['write']['io_bytes'] == read['jobs'][0]['read']['io_bytes']:
        raise Failed(f'{volume.name} of {array.name}: fio did not read all that it had written')


def members_bytes(array, volume):
    """The same range of all members, one range after the other, as numbers."""
    images = [(os.open(array.images[element], os.O_RDONLY), at) for element, at in volume.members]
    try:
        for at in range(0, volume.member_bytes, COMPARED_BYTES):
            length_bytes = min(COMPARED_BYTES, volume.member_bytes - at)
            yield at, [int.from_bytes(os.pread(image, length_bytes, begin + at), 'little')
                       for image, begin in images]
    finally:
        for image, _ in images:
            os.close(image)


def check_redundancy(array, volume):
    """Copies are equal; parity is what the data of its row make together."""
    wrong = {'mirror': lambda copies: len(set(copies)) > 1,
             'raid5': lambda row: functools.reduce(int.__xor__, row) != 0}.get(volume.layout)
    if wrong is None:
        return
    for at, members in members_bytes(array, volume):
        if wrong(members):
            raise Failed(f'{volume.name} of {array.name}: the members do not agree within '
                         f'{COMPARED_BYTES} bytes at {at}')


def read_stored(array, volume):
    """The ranges, as the images hold them."""
    ranges = []
    for at in checked_ranges(volume.size_bytes):
        member, offset = volume.place(at // CHUNK_BYTES)
        element, begin = volume.members[member]
        with open(array.images[element], 'rb') as image:
            ranges.append(os.pread(image.fileno(), CHECKED_BYTES, begin + offset))
    return ranges


def served_by(array, volume):
    return read_served(array.socket_path('c2'), volume.name, volume.size_bytes)


def check_stored(array, volume):
    """What c2 serves is what the images hold, and the members agree. Returns the ranges."""
    served = served_by(array, volume)
    if served != read_stored(array, volume):
        raise Failed(f'{volume.name} of {array.name}: what is served is not what the images hold')
    check_redundancy(array, volume)
    return served


# --- measuring ---

def measure_volume(options, name, array, volume):
    job = (JOBS | DISK_JOBS)[name]
    before = served_by(array, volume) if writes(job) else None
    figure = measure_quietly(options, job, nbd_target(array.uri('c0', volume.name)), array.pid)
    if writes(job) and check_stored(array, volume) == before:
        raise Failed(f'{volume.name} of {array.name}: {name} changed nothing')
    return figure


def begin_volume(array, volume):
    """Writes all of it, so that there are no holes and parity is right, and checks it."""
    say(f'{array.name}: writing and checking {volume.name}')
    check_written(array, volume, {'rw': 'write', 'bs': ROW_BYTES, 'iodepth': 8})
    check_blocks(array, volume)


def check_blocks(array, volume):
    check_written(array, volume, {'rw': 'randwrite', 'bs': '4k', 'iodepth': 32}, '--io_size=16m')
    check_stored(array, volume)


def fio_beside(options, name, array, volume):
    """fio's own engine on the stripe's images, where the stripe lies, with the same depth."""
    names = ':'.join(str(array.images[element]) for element, _ in volume.members)
    target = ['--ioengine=io_uring', '--direct=1', f'--filename={names}',
              '--file_service_type=roundrobin', f'--size={volume.size_bytes}']
    return measure_quietly(options, DISK_JOBS[name], target, None)


class Virtual:
    """The arrays, of one configuration but for the policy, and which of their volumes are used."""

    jobs = JOBS | DISK_JOBS
    skipped = ()

    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.volumes = volumes_of(size_of(options.size))
        self.arrays = {}
        self.used = []

    def begin(self, jobs, running):
        """Starts what the jobs need. Returns the plan: {job: {target: function() -> figure}}."""
        return {job: {column: self.target(job, policy, self.volumes[name], running)
                      for column, policy, name in TARGETS[job]} for job in jobs}

    def target(self, job, policy, volume, running):
        if policy not in self.arrays:
            self.arrays[policy] = AnyportFour(self.directory, self.options.anyport, policy,
                                              *configuration_of(self.volumes))
            running.append(self.arrays[policy])
            self.arrays[policy].start()
        array = self.arrays[policy]
        if (array, volume) not in self.used:
            begin_volume(array, volume)
            self.used.append((array, volume))
        return lambda: measure_volume(self.options, job, array, volume)

    def begin_disk(self, jobs, running):
        """The same on a disk, with fio's own engine beside the stripe."""
        plan = self.begin(jobs, running)
        for array in self.arrays.values():
            array.require_direct()
        for job, targets in plan.items():
            targets[peers_report.BESIDE] = functools.partial(fio_beside, self.options, job,
                                                self.arrays['strict'], self.volumes['stripe'])
        return plan

    def check(self):
        """At the end: everything still is as it should be, and can be written."""
        for array, volume in self.used:
            check_stored(array, volume)
            check_blocks(array, volume)
