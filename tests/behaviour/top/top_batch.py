"""
anyport top in plain text shows what hosts are doing: commands that are redirected appear at the
controller they came to, at the one that owns the volume, on the link between the two, at the
element and at the volume. It ends by itself when the array has stopped.
"""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ANYPORT = os.environ.get('ANYPORT', 'anyport')
PATIENCE_S = 60
COLUMNS = 80
CONFIG = """
array: topped
run-dir: run
controllers: 3
elements:
  - {name: disk0, image: disk0.img, size: 8MiB, controller: 0}
  - {name: disk1, image: disk1.img, size: 8MiB, controller: 1}
volumes:
  - {name: vol0, element: disk0}
  - {name: a-volume-with-a-name-of-many-letters, element: disk1}
"""
LONG_NAME = 'a-volume-with-a-name-of-many-letters'
HEADINGS = ('CTRL', 'FROM', 'ELEMENT', 'VOLUME')


def start_array(folder):
    with open(f'{folder}/topped.yaml', 'w', encoding='utf-8') as config:
        config.write(CONFIG)
    array = subprocess.Popen([ANYPORT, 'run', f'{folder}/topped.yaml'], stdout=subprocess.PIPE,
                             text=True)
    line = array.stdout.readline()
    assert 'is running' in line, line
    return array


def read_report(lines):
    """One report: its title and {heading: [row, ...]}, each row split into words."""
    title, panes, heading = None, {}, None
    for line in lines:
        line = line.rstrip('\n')
        assert len(line) <= COLUMNS, line
        if title is None:
            assert line.startswith('array topped, up '), line
            title = line
        elif line == '':
            if heading == HEADINGS[-1]:
                break
            heading = None
        elif heading is None:
            heading = line.split()[0]
            panes[heading] = []
        else:
            panes[heading].append(line.split())
    assert tuple(panes) == HEADINGS, panes
    return title, panes


def row_of(rows, *words):
    found = [row for row in rows if row[:len(words)] == list(words)]
    assert len(found) <= 1, found
    return found[0] if found else None


def moves(word):
    """Whether a number such as 0, 0.0, 17 or 12.3k is not nothing."""
    return word.rstrip('kMGTP') not in ('0', '0.0')


def shows_the_load(panes):
    """The host's reads come to c0; c1 owns the volume."""
    link = row_of(panes['FROM'], 'c0', 'c1', 'primary')
    back = row_of(panes['FROM'], 'c1', 'c0', 'primary')
    volume = row_of(panes['VOLUME'], LONG_NAME[:19] + '~', 'c1', 'online')
    element = row_of(panes['ELEMENT'], 'disk1', 'c1', 'online')
    c0 = row_of(panes['CTRL'], 'c0', 'running')
    c1 = row_of(panes['CTRL'], 'c1', 'running')
    return (link and back and moves(link[3]) and moves(back[4]) and
            moves(c0[3]) and moves(c0[6]) and moves(c1[4]) and not moves(c1[3]) and
            moves(element[3]) and moves(element[5]) and moves(volume[3]) and
            not moves(element[4]) and not moves(volume[4]))


class Load:
    """A host that reads without a pause, beside what the test does."""

    def __init__(self, host):
        self.host = host
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)

    def read(self):
        while not self.over.is_set():
            self.host.pread(4096, 65536)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@contextlib.contextmanager
def top_in_batches(folder, interval):
    top = subprocess.Popen([ANYPORT, 'top', '--batch', '--interval', interval, f'{folder}/run'],
                           stdout=subprocess.PIPE, text=True)
    try:
        yield top
    finally:
        top.kill()
        top.wait()
        top.stdout.close()


def reports_of(top):
    """Each report as its lines."""
    lines = []
    for line in top.stdout:
        if line.startswith('array topped') and lines:
            yield lines
            lines = []
        lines.append(line)


def check_load(host, folder):
    deadline = time.monotonic() + PATIENCE_S
    with Load(host), top_in_batches(folder, '0.2') as top:
        for lines in reports_of(top):
            _, panes = read_report(lines)
            assert not moves(row_of(panes['CTRL'], 'c2', 'running')[2]), lines
            if shows_the_load(panes):
                return
            assert time.monotonic() < deadline, ''.join(lines)
    raise AssertionError('top ended')


def check_once(folder):
    """One report, and an array at rest is not busy."""
    environment = dict(os.environ, ANYPORT_ADMIN=f'{folder}/run/admin.sock')
    text = subprocess.run([ANYPORT, 'top', '--once', '--interval=0.5'], stdout=subprocess.PIPE,
                          text=True, check=True, env=environment, timeout=PATIENCE_S).stdout
    assert text.count('array topped') == 1, text
    title, panes = read_report(text.splitlines())
    assert '3 of 3 controllers running' in title, title
    assert row_of(panes['CTRL'], 'c2')[8] == '0%', text


def check_refusals(folder):
    for arguments in (['--interval', '0'], ['--interval', '1x'], ['--what'], ['a', 'b'], [folder]):
        done = subprocess.run([ANYPORT, 'top', *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=PATIENCE_S)
        assert done.returncode != 0 and done.stderr and not done.stdout, (arguments, done)


def check_end(array, folder):
    with top_in_batches(folder, '0.1') as top:
        assert top.stdout.readline().startswith('array topped')
        array.send_signal(signal.SIGTERM)
        rest, _ = top.communicate(timeout=PATIENCE_S)
        assert top.returncode == 0, top.returncode
        assert '0 of 3 controllers running' in rest, rest[-2000:]
    assert array.wait(timeout=PATIENCE_S) == 0


def main():
    try:
        import nbd
    except ImportError:
        print('skipped: libnbd for Python (python3-libnbd) is not installed')
        return 77
    folder = tempfile.mkdtemp(prefix='anyport-top.')
    array = None
    try:
        array = start_array(folder)
        host = nbd.NBD()
        host.connect_uri(f'nbd+unix:///{LONG_NAME}?socket={folder}/run/c0.sock')
        host.pwrite(b'x' * 131072, 0)
        check_load(host, folder)
        host.shutdown()
        check_once(folder)
        check_refusals(folder)
        check_end(array, folder)
    finally:
        if array is not None and array.poll() is None:
            array.terminate()  # killed, it would leave its controllers behind
            array.wait()
        shutil.rmtree(folder)
    return 0


if __name__ == '__main__':
    sys.exit(main())
