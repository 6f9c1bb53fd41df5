#!/usr/bin/python3
"""fio writes and verifies through a controller that owns nothing of the volume, at depth 32."""

from testarray import LONG, Array, command, folders, need, note, run

SECONDS = 60 if LONG else 3


def verify(array, volume, port, *job):
    output = command('fio', '--name=job', '--ioengine=nbd', f'--uri={array.uri(volume, port)}',
                     '--rw=randrw', '--verify=crc32c', '--verify_fatal=1', '--iodepth=32',
                     '--size=48m', '--time_based=1', f'--runtime={SECONDS}', *job,
                     cwd=array.home, timeout=SECONDS + 120)
    ios = [line.strip() for line in output.splitlines() if 'IOPS=' in line]
    note(f'{volume} through {port} {" ".join(job)}: {"; ".join(ios)}')


def main():
    need('fio')
    with folders() as places:
        with Array(places) as array:
            # vol0 lies in memory at c0, vol1 on disk at c1
            verify(array, 'vol0', 'c2', '--bs=4k')
            verify(array, 'vol1', 'c3', '--bs=4k')
            # Multiples of 512 only: with bs_unaligned fio finds faults with every server.
            verify(array, 'vol0', 'c3', '--bsrange=512-64k')
            verify(array, 'vol1', 'c2', '--bsrange=512-64k')
            array.wait_quiet()


run(main)
