#!/usr/bin/python3
"""A host on c0 that touches four volumes of four controllers evenly: a quarter of its commands is
executed at c0, three quarters are redirected, and what goes out at c0 comes in at the others."""
from testarray import Array, folders, libnbd, run, same

ROUNDS = 250
COMMANDS = 4 * ROUNDS  # a volume


def main():
    libnbd()
    with folders() as places, Array(places) as array:
        hosts = [array.connect(f'vol{i}', 'c0') for i in range(4)]
        before = array.state()
        for i in range(ROUNDS):
            for host in hosts:
                host.pwrite(bytes([i % 255]) * 4096, 4096 * i)
                host.pread(4096, 4096 * i)
                host.zero(512, 4096 * i)
                host.flush()
        after = array.state()

        def grown(index, key):
            return after['controllers'][index][key] - before['controllers'][index][key]

        same(grown(0, 'executed'), COMMANDS, 'executed at c0')
        same(grown(0, 'redirected_out'), 3 * COMMANDS, 'redirected out at c0')
        same(grown(0, 'redirected_in'), 0, 'redirected in at c0')
        for i in (1, 2, 3):
            same(grown(i, 'redirected_in'), COMMANDS, f'redirected in at c{i}')
            same(grown(i, 'executed'), 0, f'executed at c{i} for its own hosts')
            same(grown(i, 'redirected_out'), 0, f'redirected out at c{i}')
        for i in range(4):
            element = after['elements'][i]
            same([element[key] for key in ('reads', 'writes', 'zeroes', 'flushes')], [ROUNDS] * 4,
                 f'commands counted at disk{i}')
            same([element['read_bytes'], element['write_bytes']], [4096 * ROUNDS] * 2,
                 f'bytes counted at disk{i}')
            links = sum(link['requests'] for link in after['links']
                        if link['from'] == 0 and link['to'] == i)
            if i > 0 and links < COMMANDS:
                raise AssertionError(f'{links} requests on the links from c0 to c{i}')
        for host in hosts:
            host.shutdown()


run(main)
