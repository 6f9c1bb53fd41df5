"""A file that is an NBD export, by FUSE (nbdfuse); and one that fails when it is told to."""
import contextlib
import os
import signal
import subprocess

from testarray import CLIENTS_PATH, PATIENCE, Skip, command, need, wait_until


def _is_mounted(path):
    with open('/proc/mounts') as mounts:
        return any(line.split()[1] == path for line in mounts)


def _environment():
    return dict(os.environ, PATH=CLIENTS_PATH, LC_ALL='C')


@contextlib.contextmanager
def fuse_file(path, uri):
    """The export at `uri` as the file `path`. A skip where FUSE does not work."""
    need('nbdfuse', 'umount')
    with open(path, 'w'):
        pass
    log = open(f'{path}.log', 'w+')
    process = subprocess.Popen(['nbdfuse', path, uri], stdin=subprocess.DEVNULL, stdout=log,
                               stderr=log, env=_environment())
    try:
        wait_until(lambda: _is_mounted(path) or process.poll() is not None, 'nbdfuse')
        if process.poll() is not None:
            log.seek(0)
            raise Skip(f'FUSE does not work here: {log.read().strip()}')
        yield path
    finally:
        def unmounted():  # an io_uring keeps a file a little longer than its process lives
            with contextlib.suppress(AssertionError):
                command('umount', path)
            return not _is_mounted(path)

        wait_until(unmounted, f'umount {path}')
        process.wait(PATIENCE)
        log.close()


class FailingFile:
    """`size` bytes as the file `path`, whose reads, writes or flushes fail with EIO when told so."""

    def __init__(self, folder, size):
        need('nbdkit', 'dd')
        self.folder = os.path.join(folder, 'failing')
        self.path = os.path.join(self.folder, 'file')
        os.mkdir(self.folder)
        with open(self._in('data'), 'wb') as file:
            file.truncate(size)
        self.size = size

    def _in(self, name):
        return os.path.join(self.folder, name)

    def _script(self, act, then):
        """A method of nbdkit's eval plugin."""
        return f'''{act}=if test -e {self._in(act)}; then echo EIO {act} >&2; exit 1; fi; {then}'''

    def fail(self, act):
        """From now on; act: pread, pwrite or flush."""
        with open(self._in(act), 'w'):
            pass

    def heal(self, act):
        os.unlink(self._in(act))

    @contextlib.contextmanager
    def served(self):
        socket, data = self._in('socket'), self._in('data')
        server = subprocess.Popen(
            ['nbdkit', '-f', '-U', socket, 'eval', f'get_size=echo {self.size}',
             'can_write=exit 0', 'can_flush=exit 0',
             self._script('pread', f'dd if={data} iflag=skip_bytes,count_bytes,fullblock bs=64k '
                                   'skip=$4 count=$3 status=none'),
             self._script('pwrite', f'dd of={data} oflag=seek_bytes conv=notrunc bs=64k seek=$4 '
                                    'iflag=fullblock status=none'),
             self._script('flush', 'exit 0')],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=_environment())
        try:
            wait_until(lambda: os.path.exists(socket) or server.poll() is not None, 'nbdkit')
            with fuse_file(self.path, f'nbd+unix:///?socket={socket}'):
                yield self
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE)
