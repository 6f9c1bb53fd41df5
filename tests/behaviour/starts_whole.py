#!/usr/bin/python3
"""An array whose controllers cannot all have what they need does not start at all: nobody takes a
part of it for the whole."""
import os
import resource
import shutil
import subprocess
import tempfile

from testarray import ANYPORT, PATIENCE, check, note, run, same

NOBODY = 65534
CONTROLLERS = 16
LIMITS_KIB = (300, 600, 1200, 2400, 4800)
COMMAND = ('test $({anyport} status --json | grep -o \'"state": "running"\' | wc -l)'
           f' = {CONTROLLERS} && echo whole')


def configuration(folder):
    numbers = range(CONTROLLERS)
    path = os.path.join(folder, 'array.yaml')
    with open(path, 'w') as file:
        file.write(f'array: limited\ncontrollers: {CONTROLLERS}\nelements:\n')
        file.writelines(f'  - {{name: d{i}, image: d{i}.img, size: 1MiB, controller: {i}}}\n'
                        for i in numbers)
        file.write('volumes:\n')
        file.writelines(f'  - {{name: v{i}, element: d{i}}}\n' for i in numbers)
    return path


def become_limited(kib):
    def change():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (kib * 1024, kib * 1024))
        if os.geteuid() == 0:  # no limit binds root
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    return change


def started(anyport, config, kib):
    """The exit status, and whether the command saw a whole array."""
    done = subprocess.run([anyport, 'run', config, '--run', COMMAND.format(anyport=anyport)],
                          preexec_fn=become_limited(kib), capture_output=True, text=True,
                          timeout=PATIENCE)
    check(done.returncode != 0 or done.stdout == 'whole\n',
          f'{kib} KiB: a part of the array ran: {done.stdout}{done.stderr}')
    same(done.stdout, 'whole\n' if done.returncode == 0 else '', f'{kib} KiB: what the command saw')
    if done.returncode == 1:
        check('is not started' in done.stderr, f'{kib} KiB: {done.stderr}')
    return done.returncode


def main():
    folder = tempfile.mkdtemp(prefix='ap', dir='/dev/shm')
    try:
        os.chmod(folder, 0o777)
        anyport = shutil.copy(ANYPORT, folder)  # where anybody may run it
        config = configuration(folder)
        found = {kib: started(anyport, config, kib) for kib in LIMITS_KIB}
        note(f'exit status by locked memory in KiB: {found}')
        check(not os.path.exists(os.path.join(folder, 'limited.run')), 'the run-dir is left')
    finally:
        shutil.rmtree(folder)


run(main)
