"""What bench/peers makes of its figures: medians, ratios, marks, tables."""

import statistics

PEERS = ('nbdkit', 'qemu-nbd', 'nbd-server')
OURS = ('owner', 'redirected', 'cached', 'cached-redir')
BARE = 'bare'  # the yardstick
BESIDE = 'fio io_uring'  # what the disk benchmark compares with

# The least ratio of IOPS to the best peer's that is aimed at, by the port that the host is on.
TARGETS = {
    'owner': {'randread-1': 1.0, 'randread-32': 1.3, 'randread-32x4': 1.6, 'randwrite-32': 1.1,
              'read-16': 1.3, 'write-16': 1.1},
    'redirected': {'randread-1': 1.0, 'randread-32': 1.1, 'randread-32x4': 1.1,
                   'randwrite-32': 1.1, 'read-16': 1.1, 'write-16': 1.1},
    'cached': {'randread-1': 3.0, 'randread-32': 1.9, 'randread-32x4': 2.5, 'randwrite-32': 1.35,
               'read-16': 1.6, 'write-16': 1.3},
    'cached-redir': {'randread-1': 3.0, 'randread-32': 1.8, 'randread-32x4': 1.3,
                     'randwrite-32': 1.2, 'read-16': 1.3, 'write-16': 1.1},
}
DISK_TARGET = 0.9  # of fio's own engine on the same kind of file
CPU_TARGETS = {'owner': 0.7, 'cached': 0.5}  # the most, of the lowest peer's CPU an I/O

# Of virtual volumes: whose ratio to whom, of what, and the least IOPS or the most CPU aimed at.
VIRTUAL = {
    'virtual-randread-32': (('stripe', 'iops', 'plain', 0.9),
                            ('stripe', 'iops', 'policy none', 0.9)),
    'virtual-randwrite-32': (('mirror', 'server_us', 'plain', 2.2),
                             ('stripe', 'iops', 'policy none', 0.9)),
    'virtual-write-8': (('raid5', 'iops', 'stripe', 0.6),),
    'virtual-read-4': (('stripe', 'iops', BESIDE, DISK_TARGET),),
}

DISTURBED = 0.10  # of one processor, taken by others while a figure was taken


def is_quiet(figure):
    return figure['others'] <= DISTURBED


def median_of(figures, key):
    """Of the figures that nobody disturbed; of all when there is none."""
    quiet = [figure for figure in figures if is_quiet(figure)]
    return statistics.median(figure[key] for figure in quiet or figures)


def ratio_of(ours, theirs, key):
    """The median of the rounds' ratios: both figures of a round were taken close together. Of the
    rounds in which nobody disturbed either; of all when there is none."""
    rounds = list(zip(ours, theirs))
    quiet = [(our, their) for our, their in rounds if is_quiet(our) and is_quiet(their)]
    return statistics.median(our[key] / their[key] if their[key] else float('inf')
                             for our, their in quiet or rounds)


def marked(ratio, target, good):
    mark = {'ratio': ratio}
    if target is not None:
        mark |= {'target': target, 'passed': bool(good(ratio, target))}
    return mark


def compare(by_server, medians, name, job):
    """One of ours beside the best of the others: best in IOPS, and lowest in CPU, are each chosen
    by their medians."""
    if BESIDE in by_server:
        ratio = ratio_of(by_server[name], by_server[BESIDE], 'iops')
        return {'iops': {'beside': BESIDE} | marked(ratio, DISK_TARGET, float.__ge__)}
    peers = [peer for peer in PEERS if peer in by_server]
    if not peers:
        return {}
    best = max(peers, key=lambda peer: medians[peer]['iops'])
    lowest = min(peers, key=lambda peer: medians[peer]['server_us'])
    iops = ratio_of(by_server[name], by_server[best], 'iops')
    cpu = ratio_of(by_server[name], by_server[lowest], 'server_us')
    bare = {'bare': ratio_of(by_server[BARE], by_server[best], 'iops')} if BARE in by_server else {}
    return {
        'iops': {'beside': best} | marked(iops, TARGETS[name][job], float.__ge__) | bare,
        'server_us': {'beside': lowest} | marked(cpu, CPU_TARGETS.get(name), float.__le__),
    }


def compare_virtual(job, by_target):
    """The ratios of a job on virtual volumes, in the order of the table; none of other jobs."""
    comparisons = []
    for ours, key, beside, target in VIRTUAL.get(job, ()):
        good = float.__ge__ if key == 'iops' else float.__le__
        ratio = ratio_of(by_target[ours], by_target[beside], key)
        comparisons.append({'of': ours, 'key': key, 'beside': beside} |
                           marked(ratio, target, good))
    return comparisons


def evaluate(figures):
    """{job: {server: [figure]}} -> {job: {'medians': ..., 'ratios': ...}}."""
    result = {}
    for job, by_server in figures.items():
        medians = {name: {key: median_of(taken, key) for key in taken[0]}
                   for name, taken in by_server.items()}
        result[job] = {'medians': medians,
                       'ratios': {name: compare(by_server, medians, name, job)
                                  for name in OURS if name in by_server},
                       'comparisons': compare_virtual(job, by_server),
                       'spread': {name: [min(figure['iops'] for figure in taken),
                                         max(figure['iops'] for figure in taken)]
                                  for name, taken in by_server.items()},
                       'others': {name: [figure['others'] for figure in taken]
                                  for name, taken in by_server.items()}}
    return result


# --- tables ---

def targets_of(result):
    """The names of all columns, in the order in which they first come."""
    return list(dict.fromkeys(name for of_job in result.values() for name in of_job['medians']))


def show_medians(result, title, key, form):
    names = [name for name in targets_of(result)
             if (key, name) != ('server_us', BESIDE)]  # there is no server
    print(f'\n{title:24}' + ''.join(f'{name:>14}' for name in names))
    for job, of_job in result.items():
        medians = [of_job['medians'].get(name) for name in names]
        print(f'{job:24}' + ''.join(f'{median[key]:14{form}}' if median else f'{"":14}'
                                    for median in medians).rstrip())


def show_all_medians(result):
    show_medians(result, 'IOPS, median', 'iops', '.0f')
    show_medians(result, 'server CPU, us an I/O', 'server_us', '.2f')
    show_medians(result, 'fio CPU, us an I/O', 'client_us', '.2f')
    show_medians(result, '99 % answered in, us', 'p99_us', '.0f')


def ratio_text(ratio):
    if not ratio:
        return ''
    mark = ''
    if 'target' in ratio:
        mark = f'{ratio["target"]:4.4g} ' + ('pass' if ratio['passed'] else 'FALLS SHORT')
    return f'{ratio["ratio"]:7.2f} of {ratio["beside"]:12}  {mark:16}' + (
        f'{ratio["bare"]:6.2f}  ' if 'bare' in ratio else '')


def has_bare(result):
    return any('bare' in ratios['iops'] for of_job in result.values()
               for ratios in of_job['ratios'].values())


def has_cpu(result):
    return any('server_us' in ratios for of_job in result.values()
               for ratios in of_job['ratios'].values())


def show_ratios(result):
    title = f'{"ratios":36}{"IOPS":>7}  {"beside":15} {"at least":15}' + (
        f'{BARE:>7}  ' if has_bare(result) else '')
    print('\n' + (f'{title}{"CPU":>6}  {"beside":15} at most' if has_cpu(result) else title.rstrip()))
    for name in OURS:
        for job, of_job in result.items():
            ratios = of_job['ratios'].get(name)
            if ratios:
                print(f'{name:13}{job:23}{ratio_text(ratios["iops"])}'
                      f'{ratio_text(ratios.get("server_us"))}'.rstrip())


def show_comparisons(result):
    for key, title in (('iops', f'{"IOPS":>7}  {"beside":15} at least'),
                       ('server_us', f'{"CPU":>7}  {"beside":15} at most')):
        rows = [(job, comparison) for job, of_job in result.items()
                for comparison in of_job['comparisons'] if comparison['key'] == key]
        if rows:
            print(f'\n{"ratios":36}{title}')
        for job, comparison in rows:
            print(f'{comparison["of"]:13}{job:23}{ratio_text(comparison)}'.rstrip())


def show_peers(result):
    show_all_medians(result)
    show_ratios(result)


def show_virtual(result):
    show_all_medians(result)
    show_comparisons(result)


def show(setting, result):
    print(f'{setting["rounds"]} rounds of {setting["seconds"]} s, image of '
          f'{setting["size_bytes"] >> 20} MiB, virtual volumes of '
          f'{setting["volume_bytes"] / (1 << 20):.0f} MiB, {setting["processors"]} processors, '
          f'Linux {setting["kernel"]}')
    for name, version in setting['versions'].items():
        print(f'{name}: {version}')
    for reason in setting['skipped']:
        print(f'left out: {reason}')
    for of_kind, virtual in ((show_peers, False), (show_virtual, True)):
        part = {job: of_job for job, of_job in result.items() if (job in VIRTUAL) == virtual}
        if part:
            of_kind(part)
    others = [share for of_job in result.values() for taken in of_job['others'].values()
              for share in taken]
    print(f'\n{sum(share > DISTURBED for share in others)} of {len(others)} figures were taken '
          f'while other processes used more than {DISTURBED:.0%} of a processor (at most '
          f'{max(others):.0%}): used only where there is no other.')
