"""How bench/peers measures: fio's jobs with the CPU that they cost, taken again when others
disturbed them, in rounds of random order; and ranges read through a port, to compare."""

import json
import os
import random
import subprocess
import sys
import time

import peers_report
from peers_servers import Failed, Reader, machine_us, tree_us

CHECKED_RANGES = 64
CHECKED_BYTES = 64 << 10


def say(*words):
    print(*words, file=sys.stderr, flush=True)


# --- fio ---

def fio(arguments):
    """Runs fio. Returns its report and the CPU that it used, in microseconds."""
    before = os.times()
    process = subprocess.run(['fio', '--output-format=json', *arguments], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, check=False)
    after = os.times()
    if process.returncode != 0:
        raise Failed(f'fio {" ".join(arguments)}: {process.stderr.strip() or process.stdout}')
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    report = json.loads(process.stdout[process.stdout.index('{'):])
    if any(job['error'] for job in report['jobs']):
        raise Failed(f'fio {" ".join(arguments)}: a job reports an error')
    return report, used * 1e6


def nbd_target(uri):
    """fio's options that name a volume behind a port."""
    return ['--ioengine=nbd', f'--uri={uri}']


def job_options(job):
    return [f'--{key}={value}' for key, value in job.items()]


# --- one figure ---

def measure(job, seconds, target, server_pid):
    """One figure: a job, {fio's option: value}, against one target, fio's options that name it."""
    start_ns = time.monotonic_ns()
    machine, server = machine_us(), tree_us(server_pid) if server_pid else 0
    report, fio_us = fio(['--name=measured', *target, *job_options(job), '--norandommap',
                          '--randrepeat=0', '--time_based', f'--runtime={seconds}',
                          '--group_reporting'])
    server = (tree_us(server_pid) if server_pid else 0) - server
    others = max(0.0, machine_us() - machine - server - fio_us)
    took_us = (time.monotonic_ns() - start_ns) / 1000
    sides = [report['jobs'][0][side] for side in ('read', 'write')]
    count = sum(side['total_ios'] for side in sides)
    if count == 0:
        raise Failed(f'fio {" ".join(target)}: did nothing')
    return {
        'iops': sum(side['iops'] for side in sides),
        'server_us': server / count,
        'client_us': fio_us / count,
        'p99_us': max(side['clat_ns'].get('percentile', {}).get('99.000000', 0)
                      for side in sides) / 1000,
        'others': others / took_us,
    }


def measure_quietly(options, job, target, server_pid):
    """A figure that others disturbed is taken again; the one disturbed least is kept, whatever it
    says."""
    figures = []
    for _ in range(1 + options.again):
        figures.append(measure(job, options.seconds, target, server_pid))
        if peers_report.is_quiet(figures[-1]):
            break
    return min(figures, key=lambda figure: figure['others'])


def writes(job):
    return 'write' in job['rw']


# --- rounds ---

def shuffled(things):
    return random.sample(things, len(things))


def run_rounds(rounds, plan):
    """plan: {job: {target: function() -> figure}}. Each round goes through the jobs, and through
    the targets of each, in an order of its own, so that nobody always comes after the same one; the
    targets of a job stay together, so that their figures are of the same minute.
    Returns {job: {target: [figure of each round]}}."""
    figures = {job: {target: [] for target in targets} for job, targets in plan.items()}
    for number in range(rounds):
        for job in shuffled(list(plan)):
            for target in shuffled(list(plan[job])):
                figures[job][target].append(plan[job][target]())
            say(f'round {number + 1} of {rounds}: {job}: ' + ', '.join(
                f'{target} {taken[-1]["iops"]:.0f}' for target, taken in figures[job].items()))
    return figures


# --- ranges, to compare ---

def checked_ranges(size_bytes):
    places = random.Random(1).sample(range(size_bytes // CHECKED_BYTES), CHECKED_RANGES)
    return [place * CHECKED_BYTES for place in sorted(places)]


def read_served(socket_path, export, size_bytes):
    """Flushes, and reads the ranges through a port. The volume must have that size."""
    with Reader(socket_path, export) as reader:
        if reader.size_bytes != size_bytes:
            raise Failed(f'{export} at {socket_path}: has {reader.size_bytes} bytes, not '
                         f'{size_bytes}')
        reader.flush()
        return [reader.read(at, CHECKED_BYTES) for at in checked_ranges(size_bytes)]
