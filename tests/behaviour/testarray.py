"""
What the behaviour tests share: an array in folders of its own, started, asked and stopped.

(Not array.py: Python has a module of that name.)

A test is a script with a main(); run(main) gives its exit status: 0, 1, or 77 with the reason when
this machine lacks what it needs. Every array of a test

 - has a short run-dir of its own (a socket's path may have 107 bytes) and images of its own, in
   memory (tmpfs) or on disk, which are different ways through the array;
 - is looked at when it was stopped: no process, socket or run-dir is left, and its stderr has no
   report of a sanitizer and nothing that the test did not expect.
"""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ANYPORT = os.environ.get('ANYPORT', 'anyport')
LONG = os.environ.get('ANYPORT_TEST_LONG', '') not in ('', '0')
MIB = 1 << 20
# What controllers say that take over a dead one's elements; and a setting, so that none does.
TAKEN = r'is owned by c\d+ now, \d+ ms|blocks that a dead cache held'
NO_TAKEOVER = {'enabled': False}
# The distribution's programs first: nbdsh looks for the Python that has libnbd.
CLIENTS_PATH = f'/usr/bin:/bin:/usr/sbin:/sbin:{os.environ.get("PATH", "")}'
PATIENCE = 60  # seconds that anything is waited for, on a slow machine with sanitizers


class Skip(Exception):
    """This machine lacks what the test, or a part of it, needs."""


def run(main):
    """Runs a test and exits with its status."""
    seed = int(os.environ.get('ANYPORT_TEST_SEED', random.randrange(1 << 32)))
    print(f'seed {seed} (ANYPORT_TEST_SEED repeats it)', flush=True)
    random.seed(seed)
    try:
        main()
    except Skip as skip:
        print(f'skipped: {skip}')
        sys.exit(77)
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
    sys.exit(0)


def need(*programs):
    """Skips the test unless all these client programs are installed."""
    for program in programs:
        if shutil.which(program, path=CLIENTS_PATH) is None:
            raise Skip(f'{program} is not installed')


def libnbd():
    """libnbd's module, or a skip."""
    try:
        import nbd
    except ImportError:
        raise Skip('libnbd for Python (python3-libnbd) is not installed') from None
    return nbd


def note(text):
    print(f'{time.strftime("%T")} {text}', flush=True)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def same(found, wanted, what):
    if found != wanted:
        raise AssertionError(f'{what}: {found!r}, not {wanted!r}')


def fails_with(number, what, call, *arguments):
    """A call of libnbd that must fail with this errno."""
    nbd = libnbd()
    try:
        call(*arguments)
    except nbd.Error as error:
        same(error.errnum, number, what)
        return
    raise AssertionError(f'{what}: it succeeded')


def wait_until(condition, what, seconds=PATIENCE):
    """Looks again and again, and fails when the time is over. Returns what condition() returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f'{what}: not within {seconds} s')
        time.sleep(0.01)


def command(*words, fails=False, timeout=PATIENCE, **more):
    """Runs a client; its output, both streams. It must succeed (or fail)."""
    environment = dict(os.environ, PATH=CLIENTS_PATH, LC_ALL='C')
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, env=environment, **more)
    if (done.returncode != 0) != fails:
        said = f'status {done.returncode}\n{done.stdout}'
        raise AssertionError(f'{" ".join(map(str, words))}: {said}')
    return done.stdout


# --- folders ---

MEMORY, DISK = 'memory', 'disk'


def _file_system(folder):
    try:
        return command('stat', '-f', '-c', '%T', folder).strip()
    except (AssertionError, OSError):
        return None


def _place(kind):
    """A folder in memory or on a disk, whatever /tmp is here."""
    candidates = [os.environ.get('ANYPORT_TEST_DISK'), '/tmp', '/var/tmp', '.']
    if kind == MEMORY:
        candidates = ['/dev/shm', '/tmp']
    for folder in candidates:
        if folder and os.access(folder, os.W_OK):
            if (_file_system(folder) in ('tmpfs', 'ramfs')) == (kind == MEMORY):
                return folder
    raise Skip(f'no folder for images in {kind}')


@contextlib.contextmanager
def folders():
    """{MEMORY: path, DISK: path}, taken away at the end."""
    made = {}
    try:
        for kind in (MEMORY, DISK):
            made[kind] = tempfile.mkdtemp(prefix='ap', dir=_place(kind))
        yield made
    finally:
        for folder in made.values():
            shutil.rmtree(folder, ignore_errors=True)


# --- the array ---

# Where a controller dies it may have been writing, or not; those that are left see to it.
REDONE = re.compile(r'anyport: c\d+: finished what c\d+ had begun to write: commands: \d+')
SANITIZER = re.compile(r'AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|Assertion|'
                       r'SUMMARY: ')


def is_sanitized():
    """The program was built with sanitizers: slower, and larger."""
    with open(ANYPORT, 'rb') as program:
        return b'__asan_init' in program.read()


def write_config(folder, fields, name='array.yaml'):
    """A configuration, one line a field, and one a list entry; JSON is YAML."""
    path = os.path.join(folder, name)
    with open(path, 'w') as file:
        for key, value in fields.items():
            if isinstance(value, list):
                file.write(f'{key}:\n')
                for entry in value:
                    file.write(f'  - {json.dumps(entry)}\n')
            else:
                file.write(f'{key}: {json.dumps(value)}\n')
    return path


def elements_and_volumes(places, controllers, kinds=(MEMORY, DISK), size='64MiB', count=None):
    """disk0 and vol0 at controller 0, disk1 and vol1 at controller 1, ..., of the kinds in turn."""
    elements, volumes = [], []
    for i in range(controllers if count is None else count):
        image = os.path.join(places[kinds[i % len(kinds)]], f'disk{i}.img')
        elements.append({'name': f'disk{i}', 'image': image, 'size': size,
                         'controller': i % controllers})
        volumes.append({'name': f'vol{i}', 'element': f'disk{i}'})
    return {'elements': elements, 'volumes': volumes}


def processes_of_session(session):
    """Process ids in a session, whoever their parents are by now."""
    found = []
    for entry in os.listdir('/proc'):
        try:
            with open(f'/proc/{entry}/stat') as stat:
                fields = stat.read().rsplit(')', 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[3]) == session and fields[0] != 'Z':
            found.append(int(entry))
    return found


class Array:
    """
    An array that runs. As a context manager it is stopped at the end by SIGTERM and must exit with
    `status`; `expected` is a pattern of the lines on stderr that the test provokes.
    """

    def __init__(self, places, controllers=4, kinds=(MEMORY, DISK), size='64MiB', count=None,
                 status=0, expected=None, **settings):
        self.places = places
        self.controllers = controllers
        self.status = status
        self.expected = re.compile(expected) if expected else None
        self.home = tempfile.mkdtemp(prefix='ap', dir='/tmp')
        fields = {'array': 'test', 'run-dir': os.path.join(self.home, 'r'),
                  'controllers': controllers}
        fields.update(elements_and_volumes(places, controllers, kinds, size, count))
        fields.update(settings)
        self.fields = fields
        self.run_dir = fields['run-dir']
        self.config = write_config(self.home, fields)
        self.ports = ['front'] + [f'c{i}' for i in range(controllers)]
        self.process = None

    def start(self, *options):
        self.log = open(os.path.join(self.home, 'stderr'), 'w+')
        self.process = subprocess.Popen([ANYPORT, 'run', *options, self.config], stdout=subprocess.PIPE,
                                        stderr=self.log, stdin=subprocess.DEVNULL, text=True,
                                        start_new_session=True)
        self.session = self.process.pid  # of all its processes, whoever leads them later
        line = self.process.stdout.readline()
        if 'is running' not in line:
            self.process.wait(PATIENCE)
            raise AssertionError(f'the array did not start: {line}{self.stderr()}')
        return self

    def stderr(self):
        self.log.flush()
        with open(self.log.name) as file:
            return file.read()

    def socket(self, port):
        return os.path.join(self.run_dir, f'{port}.sock')

    def uri(self, volume, port='front'):
        return f'nbd+unix:///{volume}?socket={self.socket(port)}'

    def volume_size(self, volume):
        return next(v['size'] for v in self.state()['volumes'] if v['name'] == volume)

    def state(self):
        """status --json, as an object."""
        return json.loads(subprocess.run([ANYPORT, 'status', '--json', self.run_dir], check=True,
                                         stdout=subprocess.PIPE, timeout=PATIENCE).stdout)

    def controller(self, index):
        return self.state()['controllers'][index]

    def element(self, index):
        return self.state()['elements'][index]

    def wait_quiet(self):
        """Until no command is in flight and no buffer taken; they must all come back."""
        def quiet():
            return all(one[key] == 0 for one in self.state()['controllers']
                       if one['state'] == 'running'
                       for key in ('host_in_flight', 'peer_in_flight', 'buffers_bytes',
                                   'slots_used'))
        wait_until(quiet, 'commands and buffers come back')

    def connect(self, volume, port='front', contexts=(), structured=True):
        """A libnbd handle that checks nothing by itself: what we send, the array sees."""
        handle = libnbd().NBD()
        handle.set_export_name(volume)
        handle.set_strict_mode(0)
        handle.set_request_structured_replies(structured)
        for context in contexts:
            handle.add_meta_context(context)
        handle.connect_unix(self.socket(port))
        return handle

    def stop(self, signal_number=signal.SIGTERM):
        """Stops it; checks what it leaves."""
        self.process.send_signal(signal_number)
        self.ended()

    def kill(self):
        """All processes at once, by SIGKILL; what they leave behind is put away."""
        os.killpg(self.session, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        wait_until(lambda: not processes_of_session(self.session), 'all are dead')
        text = self.stderr()
        self.log.close()
        self.process = None
        check(not SANITIZER.search(text), f'a report on stderr:\n{text}')
        shutil.rmtree(self.run_dir)
        return text

    def ended(self, seconds=PATIENCE):
        """It was told to end, or ends by itself: waits, and checks what it leaves."""
        status = self.process.wait(seconds)
        self.process.stdout.close()
        text = self.last_words = self.stderr()
        self.log.close()
        left = processes_of_session(self.session)
        session, self.process = self.session, None
        same(left, [], f'processes left of session {session}')
        check(not SANITIZER.search(text), f'a report on stderr:\n{text}')
        for line in text.splitlines():
            if REDONE.fullmatch(line):
                continue
            check(self.expected is not None and self.expected.search(line),
                  f'unexpected on stderr:\n{text}')
        same(status, self.status, f'exit status, with this on stderr:\n{text}\n')
        check(not os.path.exists(self.run_dir), f'{self.run_dir} is left')

    def kill_configurator(self):
        """Kills the configuration controller alone."""
        self.process.kill()
        self.process.wait(PATIENCE)

    @contextlib.contextmanager
    def orphaned(self):
        """For a test that kills the configuration controller: at the end SIGTERM to each controller
        stops those that are left; checks what they leave (the run-dir is nobody's any more)."""
        session = self.session
        try:
            yield
            for pid in processes_of_session(session):
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not processes_of_session(session), 'orphans stop on SIGTERM')
            for line in self.stderr().splitlines():
                check(self.expected is not None and self.expected.search(line), f'on stderr: {line}')
            self.process.stdout.close()
            self.log.close()
            self.process = None
        finally:
            self._end_at_once()
            shutil.rmtree(self.home, ignore_errors=True)

    def _end_at_once(self):
        """After a failure: nothing of ours stays, and its stderr is shown."""
        if self.process is not None:
            for pid in [self.process.pid] + processes_of_session(self.session):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process.stdout.close()
            sys.stderr.write(self.stderr())
            self.log.close()
            self.process = None

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self._end_at_once()
            shutil.rmtree(self.home, ignore_errors=True)
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is None and self.process is not None:
                self.stop()
        finally:
            self._end_at_once()
            shutil.rmtree(self.home, ignore_errors=True)


class Bystander(threading.Thread):
    """A well-behaved host that works on, with bytes of its own, while something happens to others.
    At the end of the context it must have met no error and no answer later than `seconds`."""

    def __init__(self, array, volume, port='c0', seconds=4):
        super().__init__()
        self.host = array.connect(volume, port)
        self.seconds = seconds
        self.enough = threading.Event()
        self.failure = None
        self.done, self.worst = 0, 0

    def run(self):
        try:
            while not self.enough.is_set():
                data = random.randbytes(4096)
                offset = random.randrange(MIB // 4096) * 4096
                before = time.monotonic()
                self.host.pwrite(data, offset)
                found = self.host.pread(4096, offset)
                self.worst = max(self.worst, time.monotonic() - before)
                check(found == data, f'a bystander read other bytes at {offset}')
                self.done += 1
        except Exception as error:  # told by the thread that waits for us
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.enough.set()
        self.join()
        if kind is None:
            check(self.failure is None, f'a bystander was disturbed: {self.failure}')
            check(self.done > 0, 'a bystander did nothing')
            check(self.worst < self.seconds, f'a bystander waited {self.worst:.3f} s')
            self.host.shutdown()


# --- the protocol by hand, for what no client does ---

OPTION_MAGIC = 0x49484156454F5054
OPTION_REPLY_MAGIC = 0x3E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_MAGIC = 0x67446698
STRUCTURED_MAGIC = 0x668E33EF
(OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_PEEK, OPT_STARTTLS, OPT_INFO, OPT_GO, OPT_STRUCTURED,
 OPT_LIST_META, OPT_SET_META, OPT_EXTENDED) = range(1, 12)
REP_ACK, REP_SERVER, REP_INFO, REP_META = range(1, 5)
REP_ERROR = 1 << 31
(REP_ERR_UNSUP, REP_ERR_POLICY, REP_ERR_INVALID, REP_ERR_PLATFORM, REP_ERR_TLS_REQD,
 REP_ERR_UNKNOWN, REP_ERR_SHUTDOWN, REP_ERR_BLOCK_SIZE, REP_ERR_TOO_BIG) = (
    REP_ERROR | i for i in range(1, 10))
(CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_CACHE, CMD_ZERO,
 CMD_BLOCK_STATUS) = range(8)
FLAG_FUA, FLAG_NO_HOLE, FLAG_DF, FLAG_ONE, FLAG_FAST_ZERO = (1 << i for i in range(5))
EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP = 1, 5, 12, 22, 28, 75, 95


class Closed(Exception):
    """The array closed the connection."""


class Host:
    """A connection on which anything can be said."""

    def __init__(self, array, port='front', greet=True, timeout=PATIENCE, flags=3):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(array.socket(port))
        if greet:
            greeting = self.receive(18)
            same(greeting[:16], b'NBDMAGICIHAVEOPT', 'the greeting')
            self.send(struct.pack('>I', flags))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed() from None

    def receive(self, count):
        data = b''
        while len(data) < count:
            try:
                more = self.socket.recv(min(count - len(data), MIB))
            except ConnectionResetError:
                more = b''
            if not more:
                raise Closed()
            data += more
        return data

    def expect_close(self, what):
        """Whatever still comes, the end of the connection comes within the time limit."""
        try:
            while True:
                self.receive(1)
        except Closed:
            pass
        except socket.timeout:
            raise AssertionError(f'{what}: the connection was not closed') from None

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # options

    def send_option(self, option, data=b'', magic=OPTION_MAGIC, length=None):
        length = len(data) if length is None else length
        self.send(struct.pack('>QII', magic, option, length) + data)

    def option_reply(self):
        """(option, reply type, payload)"""
        magic, option, kind, length = struct.unpack('>QIII', self.receive(20))
        same(magic, OPTION_REPLY_MAGIC, 'option reply magic')
        return option, kind, self.receive(length)

    def option(self, option, data=b''):
        """All replies up to an ACK or an error: (last type, [(type, payload)])"""
        self.send_option(option, data)
        replies = []
        while True:
            answered, kind, payload = self.option_reply()
            same(answered, option, 'the option that is answered')
            replies.append((kind, payload))
            if kind == REP_ACK or kind & REP_ERROR:
                return kind, replies

    def go(self, volume, structured=False, contexts=()):
        if structured:
            same(self.option(OPT_STRUCTURED)[0], REP_ACK, 'STRUCTURED_REPLY')
        name = volume.encode()
        if contexts:
            data = struct.pack('>I', len(name)) + name + struct.pack('>I', len(contexts))
            for context in contexts:
                data += struct.pack('>I', len(context)) + context.encode()
            same(self.option(OPT_SET_META, data)[0], REP_ACK, 'SET_META_CONTEXT')
        kind, replies = self.option(OPT_GO, struct.pack('>I', len(name)) + name + b'\0\0')
        same(kind, REP_ACK, f'GO to {volume}')
        self.structured = structured
        self.size, self.flags = next(struct.unpack('>QH', payload[2:]) for kind, payload in replies
                                     if kind == REP_INFO and payload[:2] == b'\0\0')
        return self

    # requests

    def send_request(self, kind, offset=0, length=0, payload=b'', flags=0, cookie=7,
                     magic=REQUEST_MAGIC):
        self.send(struct.pack('>IHHQQI', magic, flags, kind, cookie, offset, length) + payload)

    def simple_reply(self, length=0):
        """(error, cookie, payload)"""
        magic, error, cookie = struct.unpack('>IIQ', self.receive(16))
        same(magic, SIMPLE_MAGIC, 'simple reply magic')
        return error, cookie, self.receive(length) if error == 0 else b''

    def chunk(self):
        """(done, chunk type, cookie, payload)"""
        magic, flags, kind, cookie, length = struct.unpack('>IHHQI', self.receive(20))
        same(magic, STRUCTURED_MAGIC, 'structured reply magic')
        return bool(flags & 1), kind, cookie, self.receive(length)

    def request(self, kind, offset=0, length=0, payload=b'', flags=0):
        """Sends a request and returns its error, 0 or the number on the wire."""
        cookie = random.randrange(1 << 64)
        self.send_request(kind, offset, length, payload, flags, cookie)
        if not (self.structured and kind in (CMD_READ, CMD_BLOCK_STATUS)):
            error, answered, self.data = self.simple_reply(length if kind == CMD_READ else 0)
            same(answered, cookie, 'the cookie')
            return error
        error, done = 0, False
        while not done:
            done, chunk, answered, payload = self.chunk()
            same(answered, cookie, 'the cookie')
            if chunk & 0x8000:
                error = struct.unpack('>I', payload[:4])[0]
        return error

    def works(self, what):
        """The connection still understands us: a read at the start and a flush are answered."""
        same(self.request(CMD_READ, 0, 512), 0, f'a read after {what}')
        same(self.request(CMD_FLUSH), 0, f'a flush after {what}')
