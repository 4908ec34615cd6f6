"""
Stint's runtime for binary functions: runs fn.sh once per call. The request's body is its standard input, the answer is its standard output, the
request's line and headers are in Http_… variables. The wire is described in docs/runtime-interface.md.

    1  connect, say HELLO, wait for LOAD; a connection and a thread per concurrent request; READY      main
    2  head of the request → environment; spawn                                                         environment, spawn
    3  one loop that moves bytes both ways and sees the script's end and the daemon's CANCEL             Call.step
    4  how the script ended → the answer                                                                Call.finish

Started as `python3 -I -S runtime.py SOCKET`, from its bytecode where there is some (RuntimeCommand.cs), Python 3.9 or newer. Python because what counts is the spawn: posix_spawn uses vfork, which does not
copy page tables; a C program would run 8 % more calls a second and would have to be built for each machine.
"""
import posix
import sys
from _socket import AF_UNIX, MSG_DONTWAIT, SOCK_STREAM, socket
from _struct import Struct
from select import POLLERR, POLLHUP, POLLIN, POLLOUT, poll

HEADER = Struct("<IBBHI")  # size, type, flags, status, head size
HEADER_SIZE = 12
PIECE = 65536  # the most bytes in a frame's head, and in its body
REQUEST, BODY, CANCEL, LOAD, HELLO, RESPONSE, READY, FAILURE = 1, 2, 3, 4, 16, 17, 18, 19
MORE = 1
MESSAGE_LIMIT = 4096  # bytes of a FAILURE's message

TEXT = b"Content-Type\0text/plain"
KILL = 9
PIPE, XFSZ = 13, 25  # signals that Python ignores and fn.sh must not
ENOEXEC, EACCES = 8, 13
HINTS = {
    2: " (is the interpreter that its first line names installed?)",  # ENOENT
    11: " (the function has as many processes as it may: raise pids in function.toml)",  # EAGAIN
    12: " (the function needs more memory: raise memory in function.toml)",  # ENOMEM
}
#: How often a call looks whether fn.sh has ended, in milliseconds, where there is no pidfd (kernels older than 5.3): first while it can still write,
#: then when it has closed its standard output, which nearly always is its end.
LOOK, LOOK_AT_END = 20, 1


class ContractBroken(Exception):
    """The daemon sent what the runtime interface does not allow."""


class Gone(Exception):
    """The daemon closed the connection."""


class LoadError(Exception):
    """There is nothing to run; the message says why and what to do."""


class Connection:
    """One connection to the daemon: whole frames in, whole frames out. Raises Gone at the end of the stream."""

    def __init__(self, path):
        self.socket = socket(AF_UNIX, SOCK_STREAM)
        self.socket.connect(path)
        self.buffer = bytearray(2 * (HEADER_SIZE + 2 * PIECE))
        self.view = memoryview(self.buffer)
        self.start = self.end = 0
        self.send(HELLO, b"1\0binary")

    def send(self, kind, head=b"", body=b"", flags=0, status=0):
        try:
            self.socket.sendall(frame(kind, head, body, flags, status))
        except OSError as e:
            raise Gone from e

    def next(self, wait=True):
        """The next frame as (type, flags, head, body), views that are valid until the next call; None when there is none yet and wait is false."""
        while True:
            start, have = self.start, self.end - self.start
            if have >= HEADER_SIZE:
                size, kind, flags, _, head_size = HEADER.unpack_from(self.buffer, start)
                if head_size > size or head_size > PIECE or size - head_size > PIECE:
                    raise ContractBroken("a frame larger than the interface allows")
                if have >= HEADER_SIZE + size:
                    head = start + HEADER_SIZE
                    body = head + head_size
                    self.start = head + size
                    return kind, flags, self.view[head:body], self.view[body : self.start]
            elif have == 0:
                self.start = self.end = 0
            if self.start > 0 and len(self.buffer) - self.start < HEADER_SIZE + 2 * PIECE:
                self.buffer[:have] = self.buffer[self.start : self.end]
                self.start, self.end = 0, have
            try:
                received = self.socket.recv_into(self.view[self.end :], 0, 0 if wait else MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError as e:
                raise Gone from e
            if received == 0:
                raise Gone
            self.end += received


def frame(kind, head=b"", body=b"", flags=0, status=0):
    return b"".join((HEADER.pack(len(head) + len(body), kind, flags, status, len(head)), head, body))


# 2 -----------------------------------------------------------------------------------------------------------------------------------------------


class Script:
    """fn.sh, and what all its calls have in common."""

    #: The process groups of the calls that are not finished.
    running = set()

    def __init__(self, fields):
        folder, variables = fields[0], fields[2:]
        try:
            posix.chdir(folder)
        except OSError as e:
            raise LoadError(f"the function's folder {folder.decode('utf-8', 'replace')} cannot be entered: {e.strerror}") from e
        try:
            posix.stat("fn.sh")
        except OSError as e:
            raise LoadError("there is no fn.sh: name the script or program fn.sh and put it at the top of the function's folder") from e
        self.variables = dict(posix.environ)
        self.variables.setdefault(b"PATH", b"/usr/local/bin:/usr/bin:/bin")
        self.variables.setdefault(b"HOME", b"/tmp")
        self.variables.update(zip(variables[::2], variables[1::2]))
        self.command = ("./fn.sh",) if posix.access("fn.sh", posix.X_OK) else ("/bin/sh", "./fn.sh")

    def environment(self, fields, body_size):
        """The function's variables and the request's, in bytes as they came; names as OpenFaaS's watchdog has them."""
        variables = dict(self.variables)
        variables[b"Http_Method"], variables[b"Http_Path"], variables[b"Http_Query"] = fields[:3]
        for name, value in zip(fields[5::2], fields[6::2]):
            if b"=" not in name:
                variables[b"Http_" + name.replace(b"-", b"_")] = value
        length = variables.get(b"Http_Content_Length", b"") or (b"" if body_size is None else b"%d" % body_size)
        if length:
            variables[b"Http_ContentLength"] = length
        return variables

    def spawn(self, variables, stdin, stdout):
        """Starts fn.sh in a session, thus a process group, of its own. Its standard error is ours: the function's log."""
        actions = ((posix.POSIX_SPAWN_DUP2, stdin, 0), (posix.POSIX_SPAWN_DUP2, stdout, 1))
        try:
            return posix.posix_spawn(self.command[0], self.command, variables, file_actions=actions, setsid=True, setsigdef=(PIPE, XFSZ))
        except OSError as e:
            if e.errno not in (ENOEXEC, EACCES) or len(self.command) > 1:
                raise
            # No #! line, or a file system that is mounted noexec: what a shell does then.
            self.command = ("/bin/sh", "./fn.sh")
            return self.spawn(variables, stdin, stdout)


# 3 -----------------------------------------------------------------------------------------------------------------------------------------------


class Call:
    """
    One run of fn.sh. Memory is bounded: one frame of input and one of output at a time; who is ahead waits for the other.

        connection ──frame()──▶ input ──▶ stdin   fn.sh   stdout ──▶ collected ──frame──▶ output ──▶ connection
    """

    def __init__(self, connection, script, more):
        self.connection, self.script = connection, script
        self.more = more  # Frames of the request's body are still to come.
        self.input = b""  # What fn.sh has not yet taken of the frames that came.
        self.collected = []  # What fn.sh wrote and is not yet in a frame: at most PIECE bytes.
        self.size = 0
        self.output = b""  # What the daemon has not yet taken of the last frame.
        self.started = False  # The RESPONSE is on its way: others follow as BODY.
        self.cancelled = False
        self.status = None  # How fn.sh ended: its exit code, or the negative number of the signal.
        self.stdin = self.stdout = self.process = self.pid = -1

    def run(self, fields, body):
        """Runs fn.sh and sends its answer, or why there is none."""
        problem = None
        try:
            try:
                self.start(fields, body)
            except OSError as e:
                problem = f"fn.sh cannot be started: {e.strerror}{HINTS.get(e.errno, '')}"
            except ValueError as e:
                problem = f"fn.sh cannot be started: {e}"  # A variable's name that the system does not allow.
            else:
                while self.status is None or self.stdout >= 0:
                    self.step()
        finally:
            self.end()
        self.finish(problem)

    def start(self, fields, body):
        stdin, self.stdin = posix.pipe()
        try:
            self.stdout, stdout = posix.pipe()
            try:
                posix.set_blocking(self.stdin, False)
                posix.set_blocking(self.stdout, False)
                variables = self.script.environment(fields, None if self.more else len(body))
                # Before the spawn: a small body is in the pipe, and the pipe closed, when fn.sh starts to read.
                self.input = body
                self.write()
                self.input = bytes(self.input)  # The connection's buffer is used again.
                self.pid = self.script.spawn(variables, stdin, stdout)
                self.script.running.add(self.pid)
            finally:
                posix.close(stdout)
        finally:
            posix.close(stdin)
        try:
            self.process = posix.pidfd_open(self.pid)
        except (AttributeError, OSError):
            pass  # An older kernel, or a sandbox that does not know it: step looks every LOOK milliseconds.

    def step(self):
        """Waits until something can be done, and does it."""
        connection = self.connection
        room = self.size < PIECE
        if self.status is not None and room:
            # Nothing more comes; what fn.sh wrote is in the pipe by now.
            self.read()
            return
        if connection.start < connection.end or (self.more and len(self.input) == 0):
            self.receive()
        wanted = poll()
        if self.status is None and self.process >= 0:
            wanted.register(self.process, POLLIN)
        if self.stdin >= 0 and len(self.input) > 0:
            wanted.register(self.stdin, POLLOUT)
        if self.stdout >= 0 and room:
            wanted.register(self.stdout, POLLIN)
        # Frames of the body only while there is room for one. After its last only CANCEL can come.
        events = POLLIN if len(self.input) == 0 or not self.more else 0
        if len(self.output) > 0:
            events |= POLLOUT
        wanted.register(connection.socket.fileno(), events)
        timeout = None
        if self.process < 0 and self.status is None:
            timeout = LOOK if self.stdout >= 0 else LOOK_AT_END
        for descriptor, event in wanted.poll(timeout):
            if descriptor == self.stdout:
                self.read()
            elif descriptor == self.stdin:
                self.write()
            elif descriptor != self.process:
                if event & (POLLHUP | POLLERR):
                    raise Gone
                if event & POLLIN:
                    self.receive()
                if event & POLLOUT:
                    self.flush()
        if self.status is None:
            self.look()

    def receive(self):
        """Takes the frames that have come, as many as there is room for."""
        while not self.more or len(self.input) == 0:
            found = self.connection.next(wait=False)
            if found is None:
                return
            kind, flags, _, body = found
            if kind == CANCEL and not self.cancelled:
                self.cancelled, self.more = True, False
                self.input = b""
                self.close_stdin()
                self.kill()
            elif kind == BODY and self.more:
                self.more = bool(flags & MORE)
                if self.stdin >= 0:
                    self.input = bytes(body)
                    self.write()
            else:
                raise ContractBroken(f"a frame of type {kind} before the answer's end")

    def write(self):
        """Gives fn.sh what its standard input takes."""
        try:
            while len(self.input) > 0:
                self.input = memoryview(self.input)[posix.write(self.stdin, self.input) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.input = b""  # It does not want the rest, which is its right.
            self.close_stdin()
        if not self.more:
            self.close_stdin()

    def read(self):
        """Takes what fn.sh wrote. The answer begins when it is more than one frame holds: until then the exit code can still make it an error."""
        while self.size < PIECE:
            try:
                data = posix.read(self.stdout, PIECE - self.size)
            except BlockingIOError:
                if self.status is None:
                    break
                data = b""  # fn.sh has ended; who else still holds its standard output is not waited for.
            if not data:
                posix.close(self.stdout)
                self.stdout = -1
                return
            if not self.cancelled:
                self.collected.append(data)
                self.size += len(data)
        if self.size == PIECE or self.started:
            self.emit()

    def emit(self):
        """Makes a frame of what has been collected, if the last one is away."""
        if self.size == 0 or len(self.output) > 0:
            return
        body = b"".join(self.collected)
        self.collected, self.size = [], 0
        self.output = memoryview(frame(BODY, b"", body, MORE) if self.started else frame(RESPONSE, TEXT, body, MORE, 200))
        self.started = True
        self.flush()

    def flush(self):
        """Gives the daemon what its socket takes."""
        try:
            while len(self.output) > 0:
                self.output = self.output[self.connection.socket.send(self.output, MSG_DONTWAIT) :]
        except BlockingIOError:
            return
        except OSError as e:
            raise Gone from e
        if self.size == PIECE:
            self.emit()

    def look(self):
        """
        Looks whether fn.sh has ended, and how. It stays a zombie until end(), so that the number of its group cannot become another's; what it left
        running in that group ends now.
        """
        found = posix.waitid(posix.P_PID, self.pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
        if found is not None:
            self.status = found.si_status if found.si_code == posix.CLD_EXITED else -found.si_status
            self.kill()

    def kill(self):
        try:
            posix.killpg(self.pid, KILL)
        except OSError:
            pass  # Nobody is left.

    def close_stdin(self):
        if self.stdin >= 0:
            posix.close(self.stdin)
            self.stdin = -1

    def end(self):
        """Frees everything; nothing of the call is left running."""
        if self.pid > 0:
            if self.status is None:
                self.kill()
            self.script.running.discard(self.pid)
            posix.waitpid(self.pid, 0)
        for descriptor in (self.stdin, self.stdout, self.process):
            if descriptor >= 0:
                posix.close(descriptor)

    # 4 -------------------------------------------------------------------------------------------------------------------------------------------

    def finish(self, problem):
        """Sends the answer, and reads what is left of a body that fn.sh did not want."""
        connection = self.connection
        if len(self.output) > 0:
            try:
                connection.socket.sendall(self.output)
            except OSError as e:
                raise Gone from e
        if problem is None and self.cancelled:
            problem = "cancelled"
        elif problem is None and self.status > 0:
            problem = f"fn.sh exited with {self.status}"
        elif problem is None and self.status < 0:
            memory = ": most likely it needed more memory than the function has" if self.status == -KILL else ""
            problem = f"fn.sh was ended by signal {-self.status}{memory}"
        body = b"".join(self.collected)
        if problem is not None:
            connection.send(FAILURE, problem.encode("utf-8", "replace")[:MESSAGE_LIMIT])
        elif self.started:
            connection.send(BODY, b"", body)
        else:
            connection.send(RESPONSE, TEXT, body, 0, 200)
        while self.more:
            kind, flags, _, _ = connection.next()
            if kind not in (BODY, CANCEL):
                raise ContractBroken(f"a frame of type {kind} within a body")
            self.more = kind == BODY and bool(flags & MORE)


def serve(connection, script):
    """Answers requests, one at a time, until the daemon closes the connection."""
    while True:
        kind, flags, head, body = connection.next()
        if kind == CANCEL:
            continue  # It crossed with the answer.
        if kind != REQUEST:
            raise ContractBroken(f"a frame of type {kind} instead of a REQUEST")
        fields = bytes(head).split(b"\0")
        if len(fields) < 5 or len(fields) % 2 == 0:
            raise ContractBroken("a REQUEST with a broken head")
        Call(connection, script, bool(flags & MORE)).run(fields, body)


def main(path):
    # 1
    first = Connection(path)
    kind, _, head, _ = first.next()
    if kind != LOAD:
        raise ContractBroken(f"a frame of type {kind} instead of LOAD")
    fields = bytes(head).split(b"\0")
    try:
        script = Script(fields)
    except LoadError as e:
        first.send(FAILURE, str(e).encode("utf-8", "replace")[:MESSAGE_LIMIT])
        leave(1)
    for _ in range(int(fields[1]) - 1):
        from _thread import start_new_thread

        start_new_thread(guarded, (serve, Connection(path), script))
    first.send(READY)
    serve(first, script)


def guarded(run, *arguments):
    """Runs until the daemon leaves or breaks the contract; both end the process."""
    try:
        run(*arguments)
    except Gone:
        leave(0)
    except ContractBroken as e:
        print(f"stint: the daemon sent {e}", file=sys.stderr)
        leave(1)
    except BaseException as e:
        sys.__excepthook__(type(e), e, e.__traceback__)
        leave(1)


def leave(code):
    """Ends the process at once, with the scripts that other connections still run."""
    for pid in list(Script.running):
        try:
            posix.killpg(pid, KILL)
        except OSError:
            pass
    posix._exit(code)


if __name__ == "__main__":
    guarded(main, sys.argv[1])
