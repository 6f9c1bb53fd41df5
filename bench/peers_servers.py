"""The servers that bench/peers measures: how each is started, found ready, accounted for and
stopped; and a small NBD client that reads ranges, to check what they serve."""

import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import time

READY_SECONDS = 20
STOP_SECONDS = 20
WARM_BYTES = 256 << 10  # short enough to be kept by a cache
TICK_US = 1e6 / os.sysconf('SC_CLK_TCK')


class Failed(Exception):
    """A server did not start, or served what is wrong."""


# --- a client that reads ---

def receive(connection, length_bytes):
    pieces = []
    while length_bytes > 0:
        piece = connection.recv(min(length_bytes, 1 << 20))
        if not piece:
            raise Failed('the server closed the connection')
        pieces.append(piece)
        length_bytes -= len(piece)
    return b''.join(pieces)


class Reader:
    """One connection, agreed by NBD_OPT_EXPORT_NAME: the least that every server speaks."""

    def __init__(self, socket_path, export):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(READY_SECONDS)
        try:
            self.connection.connect(str(socket_path))
            receive(self.connection, 18)  # NBDMAGIC, IHAVEOPT, flags
            name = export.encode()
            self.connection.sendall(struct.pack('>I', 3) + b'IHAVEOPT' +
                                    struct.pack('>II', 1, len(name)) + name)
            self.size_bytes, _ = struct.unpack('>QH', receive(self.connection, 10))
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.connection.sendall(struct.pack('>IHHQQI', 0x25609513, 0, 2, 0, 0, 0))  # DISC
        finally:
            self.connection.close()

    def _command(self, command, offset_bytes, length_bytes, answer_bytes):
        self.connection.sendall(
            struct.pack('>IHHQQI', 0x25609513, 0, command, 7, offset_bytes, length_bytes))
        magic, error, cookie = struct.unpack('>IIQ', receive(self.connection, 16))
        if (magic, error, cookie) != (0x67446698, 0, 7):
            raise Failed(f'command {command} at {offset_bytes}: error {error}')
        return receive(self.connection, answer_bytes)

    def read(self, offset_bytes, length_bytes):
        return self._command(0, offset_bytes, length_bytes, length_bytes)

    def flush(self):
        self._command(3, 0, 0, 0)


# --- processes ---

def stat_fields(pid):
    """(parent, ticks of CPU with those of children that ended and were waited for), or None."""
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text(encoding='ascii', errors='replace')
    except OSError:
        return None  # it has ended
    fields = text[text.rindex(')') + 2:].split()
    return int(fields[1]), sum(int(field) for field in fields[11:15])


def tree_us(root_pid):
    """Microseconds of CPU that a process and all below it have used since they started."""
    known = {int(name): stat_fields(name) for name in os.listdir('/proc') if name.isdigit()}
    known = {pid: fields for pid, fields in known.items() if fields}
    tree = {root_pid} & known.keys()
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in known.items() if parent in tree} - tree
        tree |= more
        grown = bool(more)
    return TICK_US * sum(known[pid][1] for pid in tree)


def machine_us():
    """Microseconds that the processors of this machine were busy (or taken away) since it booted."""
    text = pathlib.Path('/proc/stat').read_text(encoding='ascii').split('\n', 1)[0]
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in text.split()[1:9])
    return TICK_US * (user + nice + system + irq + softirq + steal)


def end_process(pid):
    """Asks a process to end and sees that it does. It need not be a child of ours."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while not has_ended(pid):
            if time.monotonic() > deadline:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                deadline = float('inf')
            time.sleep(0.01)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


def has_ended(pid):
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return True
    except ChildProcessError:
        pass
    return not pathlib.Path(f'/proc/{pid}').exists()


# --- servers ---

class Server:
    """One process tree that serves one copy of the image."""

    name = program = None
    ports = ()  # (name in the table, socket's name)
    export = 'vol'

    def __init__(self, directory, image, program=None):
        self.image = image
        self.directory = directory
        self.log_path = directory / f'{self.name}.log'
        self.program = program or shutil.which(self.program)
        self.pid = None
        self.started = None

    def command(self):
        raise NotImplementedError

    def socket_path(self, port):
        return self.directory / dict(self.ports)[port]

    def uri(self, port, export=None):
        return f'nbd+unix:///{export or self.export}?socket={self.socket_path(port)}'

    def start(self):
        with open(self.log_path, 'wb') as log:
            # A session of its own: an interrupt from the keyboard is for us, who stop it in order.
            self.started = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.directory,
                                            start_new_session=True)
        self.pid = self.started.pid
        self.wait_ready()

    def is_running(self):
        return self.started.poll() is None

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        for port, _ in self.ports:
            while True:
                try:
                    with Reader(self.socket_path(port), self.export):
                        break
                except (OSError, Failed) as error:
                    if not self.is_running() or time.monotonic() > deadline:
                        log = self.log_path.read_text(encoding='utf-8', errors='replace').strip()
                        raise Failed(f'{self.name} does not answer: {error}; {log}') from error
                time.sleep(0.02)

    def stop(self):
        if self.pid is not None:
            end_process(self.pid)
            self.pid = None
        if self.started is not None:
            self.started.wait()
            self.started = None

    def version(self):
        output = subprocess.run([self.program, '--version'], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, check=False).stdout
        return (output.strip().splitlines() or ['?'])[0]


class AnyportArray(Server):
    """An array of anyport. A subclass has its name, its ports under `run_dir`, and configuration().
    """

    run_dir = None

    def configuration(self):
        raise NotImplementedError

    def command(self):
        config = self.directory / f'{self.name}.yaml'
        config.write_text(f'array: {self.name}\nrun-dir: {self.run_dir}\n' + self.configuration(),
                          encoding='utf-8')
        return [self.program, 'run', config]

    def require_direct(self):
        """Fails unless the array does the I/O of all its elements past the page cache."""
        output = subprocess.run(
            [self.program, 'status', '--json'], check=True, stdout=subprocess.PIPE, text=True,
            env=os.environ | {'ANYPORT_ADMIN': str(self.directory / self.run_dir / 'admin.sock')})
        for element in json.loads(output.stdout)['elements']:
            if element['io'] != 'direct':
                raise Failed(f'{self.directory}: I/O of element {element["name"]} is '
                             f'{element["io"]}, not direct: use a folder of a file system with '
                             'O_DIRECT')


class Anyport(AnyportArray):
    """Two controllers; controller 1 owns the image. A host at c1 is at the owner's port; one at c0
    is redirected."""

    name = 'anyport'
    run_dir = 'a.run'
    ports = (('owner', 'a.run/c1.sock'), ('redirected', 'a.run/c0.sock'))

    def configuration(self):
        return (f'controllers: 2\n'
                f'elements:\n  - {{name: disk, image: {self.image}, controller: 1}}\n'
                f'volumes:\n  - {{name: {self.export}, element: disk}}\n')


class AnyportCached(Anyport):
    """The same with a cache of twice the image, in which all of it is, and which writes back."""

    name = 'anyport-cached'
    run_dir = 'c.run'
    ports = (('cached', 'c.run/c1.sock'), ('cached-redir', 'c.run/c0.sock'))

    def configuration(self):
        size_bytes = 2 * self.image.stat().st_size
        return (f'cache: {{size: {size_bytes}, mode: write-back, in-memory: true}}\n' +
                super().configuration())

    def start(self):
        super().start()
        with Reader(self.socket_path('cached'), self.export) as reader:
            for offset in range(0, reader.size_bytes, WARM_BYTES):
                reader.read(offset, min(WARM_BYTES, reader.size_bytes - offset))


class AnyportFour(AnyportArray):
    """Four controllers with an element each, which is made with the array; volumes as asked for."""

    export = 'stripe'

    def __init__(self, directory, program, policy, volume_lines, element_bytes):
        self.name = f'four-{policy}'
        self.run_dir = f'{self.name}.run'
        self.ports = tuple((f'c{i}', f'{self.run_dir}/c{i}.sock')
                           for i in range(len(element_bytes)))
        self.images = [directory / f'{self.name}-disk{i}' for i in range(len(element_bytes))]
        self.policy = policy
        self.volume_lines = volume_lines
        self.element_bytes = element_bytes
        super().__init__(directory, None, program)

    def configuration(self):
        lines = [f'controllers: {len(self.images)}', f'coordination: {{policy: {self.policy}}}',
                 'elements:']
        lines += [f'  - {{name: disk{i}, image: {image}, size: {size}, controller: {i}}}'
                  for i, (image, size) in enumerate(zip(self.images, self.element_bytes))]
        return '\n'.join([*lines, 'volumes:', *self.volume_lines, ''])


class Nbdkit(Server):
    name = program = 'nbdkit'
    ports = (('nbdkit', 'nbdkit.sock'),)

    def command(self):
        return [self.program, '--foreground', '--unix', self.socket_path('nbdkit'), 'file',
                self.image]


class QemuNbd(Server):
    name = program = 'qemu-nbd'
    ports = (('qemu-nbd', 'qemu.sock'),)
    aio = 'io_uring'

    def command(self):
        return [self.program, '--socket', self.socket_path('qemu-nbd'), '--format=raw',
                '--cache=writeback', f'--aio={self.aio}', '--persistent', '--shared=0',
                f'--export-name={self.export}', self.image]

    def start(self):
        try:
            super().start()
        except Failed:
            self.stop()
            self.aio = 'threads'  # a kernel or a build without io_uring
            super().start()

    def version(self):
        return f'{super().version()}, --aio={self.aio}'


class NbdServer(Server):
    name = program = 'nbd-server'
    ports = (('nbd-server', 'nbds.sock'),)

    def command(self):
        config = self.directory / 'nbd-server.conf'
        config.write_text(f'[generic]\nunixsock = {self.socket_path("nbd-server")}\n'
                          f'[{self.export}]\nexportname = {self.image}\n', encoding='utf-8')
        self.pid_path = self.directory / 'nbd-server.pid'
        return [self.program, '-C', config, '-p', self.pid_path]

    def start(self):
        # It puts itself into the background; told not to, it would serve one connection only.
        super().start()
        self.pid = int(self.pid_path.read_text(encoding='ascii'))

    def is_running(self):
        return self.started.poll() in (None, 0)


class Bare(Server):
    """Our own yardstick, not a peer: what a server that does nothing but batch reaches with this
    client on this machine (bench/bare_server.c)."""

    name = program = 'bare'
    ports = (('bare', 'bare.sock'),)

    def command(self):
        return [self.program, self.image, self.socket_path('bare')]

    def version(self):
        return 'the yardstick: no peer, and no ratio is to it'


PEERS = (Nbdkit, QemuNbd, NbdServer)
