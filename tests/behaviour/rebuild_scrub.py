#!/usr/bin/python3
"""After a rebuild under load a scrub finds nothing, on every layout with redundancy; what is damaged
on the member that was made anew, it finds. While the rebuild runs, top shows it."""
import os
import random
import re
import subprocess

from rebuilding import (SAID, fields, job, load, members, replace, verb, wait_for_position,
                        work_until_over)
from testarray import (ANYPORT, DISK, MIB, PATIENCE, Array, check, command, folders, libnbd, note,
                       run, same)

BLOCK = 4096
SIZE = 8 * MIB
# layout, members, who fails and is rebuilt
CASES = [('mirror', 2, [0]), ('mirror', 3, [1, 2]), ('raid10', 4, [0, 3]), ('raid5', 4, [2]),
         ('raid6', 5, [0, 4])]
CACHES = [{'mode': 'off'}, {'mode': 'write-through', 'in-memory': True, 'size': '1MiB'},
          {'mode': 'write-back', 'in-memory': True, 'size': '1MiB'}]


def scrub(array, status):
    done = subprocess.run([ANYPORT, 'scrub', '--wait', 'safe', array.run_dir], text=True,
                          stdout=subprocess.PIPE, timeout=PATIENCE, check=False)
    same(done.returncode, status, f'the status of a scrub that says {done.stdout}')
    return int(re.fullmatch(r'volume safe: (\d+) blocks differed, 0 repaired\n', done.stdout)[1])


def top_shows_it(places):
    """A row of the jobs' pane, which has not ended yet: it is slowed down."""
    with Array(places, expected=SAID, rebuild={'rate': '2MiB'},
               **fields(places, 'raid5', 3, size=SIZE)) as array:
        verb(array, 'fail', 'disk1')
        replace(array, 1, os.path.join(places[DISK], 'slow.new'))
        wait_for_position(array, MIB)
        look_at_top(array)
    note('top shows a rebuild')


def look_at_top(array):
    text = command(ANYPORT, 'top', '--once', '--interval', '0.5', array.run_dir)
    row = next(line.split() for line in text.split('VOLUME               JOB')[1].splitlines()
               if line.startswith('safe'))
    same(row[1:3], ['rebuild', 'running'], f'the row {row}')
    check(re.fullmatch(r'c\d', row[3]), row)
    check(0 < float(row[4].rstrip('%')) < 100, row)
    check(0.5 < float(row[5]) < 5, f'MB/s in {row}, where 2 MiB are allowed')
    check(re.fullmatch(r'0:00:\d\d', row[6]), row)


def damaged(array, victim, count):
    """So many blocks of a member's image, behind the array's back."""
    with open(array.fields['elements'][victim]['image'], 'r+b', buffering=0) as image:
        for block in random.sample(range(SIZE // BLOCK), count):
            at = block * BLOCK + random.randrange(BLOCK)
            image.seek(at)
            byte = image.read(1)[0]
            image.seek(at)
            image.write(bytes([byte ^ 0x40]))
        os.fsync(image.fileno())


def agrees_after(places, layout, count, victims, cache):
    said = SAID + r'|copies differ|parity does not fit|fits neither|do not agree'
    with Array(places, expected=said, cache=cache,
               **fields(places, layout, count, size=SIZE)) as array:
        model = load(array)
        for victim in victims:
            verb(array, 'fail', f'disk{victim}')
        model.do(100)
        for victim in victims:
            replace(array, victim, os.path.join(places[DISK], f'{layout}{victim}.new'))
        for _ in victims:
            work_until_over(array, model)
        same(set(members(array).values()), {'online'}, 'the members')
        same(scrub(array, 0), 0, 'blocks that differ after it')
        model.do(100)
        same(scrub(array, 0), 0, 'and after more writes')
        model.compare_all(0)
        for host in model.hosts:
            host.shutdown()
        damaged(array, victims[0], 7)
        same(scrub(array, 3), 7, 'what was damaged on the new member')
        same(job(array)['kind'], 'scrub', 'the job')
    note(f'{layout} of {count}: {victims} rebuilt, cache {cache["mode"]}: agrees')


def main():
    libnbd()
    with folders() as places:
        top_shows_it(places)
    for layout, count, victims in CASES:
        with folders() as places:
            agrees_after(places, layout, count, victims, random.choice(CACHES))


run(main)
