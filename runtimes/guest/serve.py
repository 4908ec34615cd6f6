"""
Serves a function over HTTP from inside a virtual machine. It takes the daemon's part of the runtime interface (docs/runtime-interface.md): the function's runtime is the one of the process sandbox, unchanged, so
a function answers the same in both.

    1  the function's settings, its runtime, LOAD, READY                          Function
    2  requests off a connection (RFC 9112), the body's framing taken off         Client, Body
    3  one request: both directions at once, as fast as the slower side           Exchange
    4  the callback, then a thread for each connection                            main
    5  once more when the machine goes on from a snapshot                         resumed

Started as `python3 -I -S -B STINT/runtimes/guest/serve.py [CALLBACK [PORT [ON-RESUME]]]` by init, Python 3.9 or newer; STINT/function has the settings. Only the daemon of the host speaks to it: the limits here guard
against mistakes, not against crowds.
"""
import posix
import sys
from _queue import SimpleQueue
from _socket import AF_INET, AF_UNIX, IPPROTO_TCP, MSG_DONTWAIT, SHUT_WR, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, TCP_NODELAY, socket
from _struct import Struct
from _thread import start_new_thread
from select import POLLERR, POLLHUP, POLLIN, POLLOUT, poll

PORT = 8080  # contract unifaas.md, "Guests"

HEADER = Struct("<IBBHI")  # size, type, flags, status, head size
HEADER_SIZE = 12
PIECE = 65536  # the most bytes in a frame's head, and in its body; a body up to this goes in one frame
REQUEST, BODY, CANCEL, LOAD, HELLO, RESPONSE, READY, FAILURE = 1, 2, 3, 4, 16, 17, 18, 19
MORE = 1
POLLRDHUP = 0x2000  # select has it from Python 3.12 on

USER = 1000  # "function" of /etc/passwd
AHEAD = 4 * PIECE  # what a client has not taken yet, before the function has to wait

#: Headers of the connection, not of the message (RFC 9110 section 7.6.1): never passed on, in either direction.
HOP_BY_HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
CONTROLS = frozenset((*range(9), *range(10, 32), 127))

#: Where the host tells that the machine has resumed. Nobody else knows the path; None = nowhere.
ON_RESUME = sys.argv[3].encode() if len(sys.argv) > 3 and sys.argv[3] else None


class ContractBroken(Exception):
    """The runtime sent what the runtime interface does not allow: the instance is of no use any more."""


class Gone(Exception):
    """The other side closed the connection."""


class BadRequest(Exception):
    """What came is no HTTP request; the message is the answer."""


# 1 -----------------------------------------------------------------------------------------------------------------------------------------------


def frame(kind, head=b"", body=b"", flags=0):
    return b"".join((HEADER.pack(len(head) + len(body), kind, flags, 0, len(head)), head, body))


class Connection:
    """One connection to the runtime: whole frames in."""

    def __init__(self, accepted):
        self.socket = accepted
        self.buffer = bytearray()
        if self.next()[0] != HELLO:
            raise ContractBroken("no HELLO")

    def next(self, wait=True):
        """The next frame as (type, flags, status, head, body); None when there is none yet and wait is false."""
        buffer = self.buffer
        while True:
            if len(buffer) >= HEADER_SIZE:
                size, kind, flags, status, head_size = HEADER.unpack_from(buffer)
                if head_size > size or head_size > PIECE or size - head_size > PIECE:
                    raise ContractBroken("a frame larger than the interface allows")
                if len(buffer) >= HEADER_SIZE + size:
                    head = HEADER_SIZE + head_size
                    found = kind, flags, status, bytes(buffer[HEADER_SIZE:head]), bytes(buffer[head : HEADER_SIZE + size])
                    del buffer[: HEADER_SIZE + size]
                    return found
            try:
                received = self.socket.recv(2 * PIECE, 0 if wait else MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError as e:
                raise Gone from e
            if not received:
                raise Gone
            buffer += received


class Function:
    """The function's runtime, and the connections to it that are free."""

    def __init__(self):
        # NUL between the fields: longest call in ms, processes; number of arguments, arguments; number of variables, K=V; then the head of LOAD as it is. The last argument is the socket.
        with open(__file__.rsplit("/", 3)[0] + "/function", "rb") as file:
            fields = file.read().split(b"\0")
        self.time_limit, self.processes = fields[0], int(fields[1])
        arguments, fields = fields[3 : 3 + int(fields[2])], fields[3 + int(fields[2]) :]
        variables, fields = fields[1 : 1 + int(fields[0])], fields[1 + int(fields[0]) :]
        self.free = SimpleQueue()
        folder = arguments[-1].rpartition(b"/")[0]
        posix.mkdir(folder)
        posix.chmod(folder, 0o755)
        listener = socket(AF_UNIX, SOCK_STREAM)
        listener.bind(arguments[-1])
        posix.chmod(arguments[-1], 0o666)
        listener.listen(128)
        self.ready = False
        self.process = self.start(arguments, dict(variable.split(b"=", 1) for variable in variables))
        start_new_thread(self.watch, ())
        first = Connection(accept(listener))
        first.socket.sendall(frame(LOAD, b"\0".join(fields)))
        connections = [first, *(Connection(accept(listener)) for _ in range(int(fields[1]) - 1))]
        listener.close()
        kind, _, _, head, _ = first.next()
        if kind == FAILURE:
            raise SystemExit("the function cannot be loaded: " + head.decode("utf-8", "replace"))
        if kind != READY:
            raise ContractBroken("no READY")
        self.ready = True
        for connection in connections:
            self.free.put(connection)

    def start(self, arguments, variables):
        """Starts the runtime as an ordinary user; its output is the console's."""
        process = posix.fork()
        if process != 0:
            return process
        try:
            from resource import RLIMIT_CORE, RLIMIT_NPROC, setrlimit

            posix.setsid()
            setrlimit(RLIMIT_CORE, (0, 0))
            if posix.getuid() == 0:
                setrlimit(RLIMIT_NPROC, (self.processes, self.processes))
                posix.setgroups([])
                posix.setgid(USER)
                posix.setuid(USER)
            posix.execve(arguments[0], arguments, variables)
        except BaseException as e:
            sys.stderr.write(f"stint: {arguments[0].decode()} cannot be started: {e}\n")
        posix._exit(127)

    def watch(self):
        """Without its runtime the machine is of no use."""
        from time import sleep

        code = posix.waitstatus_to_exitcode(posix.waitpid(self.process, 0)[1])
        if not self.ready:
            sleep(1)  # It may have said why it cannot load the function.
        finish(f"the function's process ended with code {code}" if code >= 0 else f"the function's process was killed by signal {-code}")


def accept(listener):
    descriptor, _ = listener._accept()
    return socket(fileno=descriptor)


def finish(message):
    """Ends the machine: init resets it."""
    sys.stderr.write(f"stint: {message}\n")
    sys.stderr.flush()
    posix._exit(1)


# 2 -----------------------------------------------------------------------------------------------------------------------------------------------


class Client:
    """One connection of the host: the requests that come over it, one after the other."""

    def __init__(self, accepted):
        self.socket = accepted
        self.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self.buffer = bytearray()

    def run(self, function):
        try:
            while True:
                try:
                    request = self.read()
                except BadRequest as e:
                    self.socket.sendall(error(400, str(e), b"", b"", b"Connection: close\r\n"))
                    return
                if request.path == ON_RESUME and request.method == b"POST":
                    resumed(self, request)
                    return
                connection = function.free.get()
                try:
                    exchange = Exchange(self, connection, request, function.time_limit)
                    exchange.run()
                finally:
                    function.free.put(connection)
                if not exchange.keeps:
                    return
        except (Gone, OSError):
            pass  # Nobody waits for anything here.
        finally:
            self.close()

    def close(self):
        """Takes what is still coming before it closes, else the kernel would reset the connection and the answer's end be lost."""
        try:
            self.socket.shutdown(SHUT_WR)
            self.socket.settimeout(2)
            left = 16 * PIECE
            while left > 0:
                received = self.socket.recv(PIECE)
                left = left - len(received) if received else 0
        except OSError:
            pass
        self.socket.close()

    def receive(self):
        """Waits for more. Raises Gone at the end."""
        received = self.socket.recv(PIECE)
        if not received:
            raise Gone
        self.buffer += received

    def read(self):
        """The next request's head."""
        searched = 0
        while True:
            while self.buffer[:2] == b"\r\n":
                del self.buffer[:2]  # RFC 9112 section 2.2
            end = self.buffer.find(b"\r\n\r\n", max(0, searched - 3))
            if end >= 0:
                break
            searched = len(self.buffer)
            if searched > PIECE:
                raise BadRequest(f"the request's head is larger than {PIECE} bytes")
            self.receive()
        lines = bytes(self.buffer[:end]).split(b"\r\n")
        del self.buffer[: end + 4]
        return Request(lines)


class Request:
    """The head of a request."""

    def __init__(self, lines):
        words = lines[0].split(b" ")
        if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not words[0] or not TOKEN.issuperset(words[0]):
            raise BadRequest("this is no HTTP/1.1 request")
        self.method, target, version = words
        if not target.startswith(b"/"):
            target = b"/" + target.partition(b"://")[2].partition(b"/")[2]  # RFC 9112 section 3.2.2
        if b"\0" in target:
            raise BadRequest("the path has a NUL in it")
        self.path, _, self.query = target.partition(b"?")
        self.headers = {}  # Canonical name → value; each once (RFC 9110 section 5.3).
        self.length, self.chunked = None, False
        options = b""
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            value = value.strip(b" \t")
            if not colon or not name or not TOKEN.issuperset(name) or not CONTROLS.isdisjoint(value):
                raise BadRequest("a line of the request's head is no header")
            lower = name.lower()
            if lower == b"connection":
                options += b"," + value.lower()
            elif lower == b"transfer-encoding":
                if value.lower() != b"chunked" or self.chunked:
                    raise BadRequest("the only transfer coding that is understood is chunked")
                self.chunked = True
            elif lower == b"content-length":
                if not value.isdigit() or self.length not in (None, int(value)):
                    raise BadRequest("the request's Content-Length is no number")
                self.length = int(value)
            if lower not in HOP_BY_HOP:
                self.add(name, lower, value)
        if self.chunked and self.length is not None:
            raise BadRequest("the request has both Content-Length and Transfer-Encoding")
        self.accept = self.headers.get(b"Accept", b"")
        self.call_id = self.headers.get(b"X-Call-Id", b"-")
        self.has_http11 = version == b"HTTP/1.1"
        options = [option.strip() for option in options.split(b",")]
        self.keeps = b"close" not in options and (self.has_http11 or b"keep-alive" in options)
        self.waits = self.has_http11 and self.headers.pop(b"Expect", b"").lower() == b"100-continue"

    def add(self, name, lower, value):
        try:
            value.decode()
        except UnicodeDecodeError:
            value = value.decode("latin-1").encode()
        name = b"-".join(part.capitalize() for part in lower.split(b"-"))
        known = self.headers.get(name)
        self.headers[name] = value if known is None else known + (b"; " if lower == b"cookie" else b", ") + value

    def head(self, time_limit):
        """The head of its REQUEST."""
        fields = [self.method, self.path, self.query, self.call_id, time_limit]
        for name, value in self.headers.items():
            fields += (name, value)
        return b"\0".join(fields)


class Body:
    """Takes the framing off a request's body, as it comes."""

    def __init__(self, request, buffer):
        self.buffer = buffer
        self.chunked = request.chunked
        self.left = 0 if request.chunked else request.length or 0  # Bytes until the body's or the chunk's end.
        self.done = not request.chunked and self.left == 0
        self.begun = False  # A chunk has been; its line's end is due.

    def take(self, most):
        """What there is of it, up to so many bytes; empty: more must come, or it is done."""
        pieces = []
        while most > 0 and not self.done:
            if self.left == 0 and not self.next_chunk():
                break
            piece = bytes(self.buffer[: min(self.left, most)])
            if not piece and self.left > 0:
                break
            del self.buffer[: len(piece)]
            pieces.append(piece)
            most -= len(piece)
            self.left -= len(piece)
            if self.left == 0 and not self.chunked:
                self.done = True
        # The end may have come with the last data; whoever knows needs no empty frame.
        if self.chunked and self.left == 0 and not self.done:
            self.next_chunk()
        return b"".join(pieces)

    def next_chunk(self):
        """Reads the line of the next chunk, and behind the last one the trailers. False: it has not come, or that was the last."""
        line_end = 2 if self.begun else 0  # The data of the last chunk is followed by one.
        end = self.buffer.find(b"\r\n", line_end)
        if end < 0:
            if len(self.buffer) > PIECE:
                raise BadRequest("the request's body breaks the chunked coding")
            return False
        digits = bytes(self.buffer[line_end:end]).partition(b";")[0].strip()
        if self.begun and self.buffer[:2] != b"\r\n" or not digits or len(digits) > 15 or not frozenset(b"0123456789abcdefABCDEF").issuperset(digits):
            raise BadRequest("the request's body breaks the chunked coding")
        size = int(digits, 16)
        if size == 0:
            trailers = end if self.buffer[end + 2 : end + 4] == b"\r\n" else self.buffer.find(b"\r\n\r\n", end)
            if trailers < 0 or len(self.buffer) < trailers + 4:
                return False
            del self.buffer[: trailers + 4]
            self.done = True
            return False
        del self.buffer[: end + 2]
        self.left, self.begun = size, True
        return True


# 3 -----------------------------------------------------------------------------------------------------------------------------------------------


class Exchange:
    """
    One request and its answer. Memory is bounded: who is ahead waits for the other.

        client ──Body──▶ input ──frames──▶ runtime ──frames──▶ output ──▶ client
    """

    def __init__(self, client, connection, request, time_limit):
        self.client, self.connection, self.request = client, connection, request
        self.head = request.head(time_limit)
        self.body = Body(request, client.buffer)
        self.input = b""  # What the runtime has not taken of its frames.
        self.output = b""  # What the client has not taken of the answer.
        self.sending = True  # Frames of the request are still to come.
        self.answering = True  # So are frames of the answer.
        self.begun = False  # The answer's head is out.
        self.chunked = False
        self.cancelled = False
        self.keeps = request.keeps

    def run(self):
        try:
            if len(self.head) > PIECE:
                raise BadRequest(f"the request's headers, path and query together are larger than {PIECE} bytes")
            self.begin()
        except BadRequest as e:  # The function has seen nothing.
            self.keeps = False
            self.client.socket.sendall(error(400, str(e), self.request.accept, self.request.call_id, b"Connection: close\r\n"))
            return
        try:
            while self.answering or self.input or (self.output and not self.cancelled):
                self.step()
        except ContractBroken as e:
            finish(f"the runtime broke its interface: {e}")
        if self.cancelled:
            self.keeps = False

    def begin(self):
        """Holds a short body until all of it is there; of a longer one the beginning."""
        if self.request.waits and not self.client.buffer and not self.body.done:
            self.client.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        first = self.body.take(PIECE)
        while not self.body.done and len(first) < PIECE:
            self.client.receive()
            first += self.body.take(PIECE - len(first))
        self.sending = not self.body.done
        self.input = frame(REQUEST, self.head, first, MORE if self.sending else 0)
        self.flush_input()

    def step(self):
        """Waits until something can be done, and does it."""
        client, runtime = self.client.socket, self.connection.socket
        if self.sending and not self.input:
            self.forward()
        wanted = poll()
        if (self.answering and len(self.output) < AHEAD) or self.input:
            wanted.register(runtime.fileno(), (POLLIN if self.answering and len(self.output) < AHEAD else 0) | (POLLOUT if self.input else 0))
        if not self.cancelled:
            reading = self.sending and not self.input
            wanted.register(client.fileno(), (POLLIN if reading else POLLRDHUP) | (POLLOUT if self.output else 0))
        for descriptor, event in wanted.poll():
            if descriptor == runtime.fileno():
                if event & POLLOUT:
                    self.flush_input()
                if event & ~POLLOUT:
                    self.answer()
            elif event & (POLLERR | POLLHUP) or (event & POLLRDHUP and self.answering):
                self.cancel()
            else:
                if event & POLLIN:
                    try:
                        self.client.receive()
                        self.forward()
                    except (Gone, OSError, BadRequest):
                        self.cancel()
                if event & POLLOUT:
                    self.flush_output()
                    if self.begun:
                        self.answer()
                elif event & POLLRDHUP:
                    self.cancel()

    def forward(self):
        """Passes on what has come of the body."""
        piece = self.body.take(PIECE)
        if piece or self.body.done:
            self.sending = not self.body.done
            self.input = frame(BODY, b"", piece, MORE if self.sending else 0)
            self.flush_input()

    def cancel(self):
        """Nobody waits any more. The runtime still says when it is free."""
        if self.cancelled:
            return
        self.cancelled, self.sending, self.output = True, False, b""
        if self.answering:
            self.input += frame(CANCEL)

    def answer(self):
        """Takes the frames of the answer that have come, as far as the client takes what is in them: nobody tells of those that have been received and wait here."""
        while self.take_frames():
            self.flush_output()
            if self.output:
                break
        self.flush_output()

    def take_frames(self):
        """Whether there may be more: the client has to take some first."""
        starved = False
        while self.answering and len(self.output) < AHEAD:
            try:
                found = self.connection.next(wait=False)
            except Gone:
                self.connection.socket.close()
                SimpleQueue().get()  # The thread that watches the process ends the machine and says why.
            if found is None:
                starved = True
                break
            kind, flags, status, head, body = found
            if kind == FAILURE:
                self.fail(head)
            elif kind == RESPONSE and not self.begun:
                self.begun = True
                self.answering = bool(flags & MORE)
                self.write_head(status, head, body)
            elif kind == BODY and self.begun:
                self.answering = bool(flags & MORE)
                self.write(body)
            else:
                raise ContractBroken(f"a frame of type {kind} where an answer was due")
        if not self.answering and self.sending:
            # The function wanted no more of the body. What still comes of it belongs to nobody.
            self.sending = self.keeps = False
            self.input += frame(CANCEL)
        return self.answering and not starved

    def write_head(self, status, head, body):
        if not 200 <= status <= 599:
            raise ContractBroken(f"status {status}")
        lines = [b"HTTP/1.1 %d %s" % (status, REASONS.get(status, b""))]
        fields = head.split(b"\0") if head else []
        if len(fields) % 2:
            raise ContractBroken("a response header without a value")
        for name, value in zip(fields[::2], fields[1::2]):
            if not name or not TOKEN.issuperset(name) or not CONTROLS.isdisjoint(value):
                raise ContractBroken("a response header that HTTP does not allow")
            if name.lower() not in HOP_BY_HOP and name.lower() != b"content-length":
                lines.append(name + b": " + value)
        # RFC 9110 sections 15.3.5 and 15.4.5: no content, and no length of one.
        if status not in (204, 304):
            if not self.answering:
                lines.append(b"Content-Length: %d" % len(body))
            elif self.request.has_http11:
                lines.append(b"Transfer-Encoding: chunked")
                self.chunked = self.request.method != b"HEAD"
                # To HEAD the head is the whole answer: a client that sent its next request after it would have to wait for the rest, or lose it if that breaks off.
                self.keeps = self.keeps and self.chunked
            else:
                self.keeps = False
        self.mute = self.request.method == b"HEAD" or status in (204, 304)
        if not self.keeps or self.sending and not self.answering:
            lines.append(b"Connection: close")
        self.output += b"\r\n".join(lines) + b"\r\n\r\n"
        self.write(body)

    def write(self, body):
        if self.cancelled:
            self.output = b""
        elif self.mute:
            pass
        elif self.chunked:
            if body:
                self.output += b"%x\r\n%b\r\n" % (len(body), body)
            if not self.answering:
                self.output += b"0\r\n\r\n"
        else:
            self.output += body

    def fail(self, message):
        """The function failed; after the head is out, all that is left to say so is to break the connection off."""
        self.answering = False
        if self.cancelled:
            return
        if self.begun:
            self.flush_output()
            self.cancelled, self.output = True, b""
            return
        close = b"" if self.keeps and not self.sending else b"Connection: close\r\n"
        self.output = error(500, message.decode("utf-8", "replace"), self.request.accept, self.request.call_id, close, self.request.method == b"HEAD")

    def flush_input(self):
        self.input = flush(self.connection.socket, self.input)

    def flush_output(self):
        try:
            self.output = flush(self.client.socket, self.output)
        except OSError:
            self.cancel()


def flush(to, data):
    """Sends what the other side takes; returns the rest."""
    try:
        while data:
            data = memoryview(data)[to.send(data, MSG_DONTWAIT) :]
    except BlockingIOError:
        return bytes(data)
    return b""


def error(status, message, accept, call_id, more=b"", is_head=False):
    """An answer that is not the function's, as the daemon words it (docs/errors.md)."""
    if b"application/json" in accept.lower():
        kind = b"application/json"
        code = b"function-failed" if status == 500 else b"bad-request"
        body = b'{"error":{"code":"%b","message":"%b","callId":"%b"}}' % (code, escape(message), escape(call_id.decode("utf-8", "replace")))
    else:
        kind, body = b"text/plain; charset=utf-8", message.encode() + b"\n"
    identity = b"X-Call-Id: %b\r\n" % call_id if call_id and call_id != b"-" else b""
    return b"HTTP/1.1 %d %b\r\n%b%bContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, REASONS[status], more, identity, kind, len(body), b"" if is_head else body)


def escape(text):
    """The inside of a JSON string in ASCII (RFC 8259 section 7)."""
    shown = []
    for character in text:
        code = ord(character)
        if code > 0xFFFF:
            code -= 0x10000
            shown.append(f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}")
        elif character in '"\\' or not 32 <= code < 127:
            shown.append(f"\\u{code:04X}")
        else:
            shown.append(character)
    return "".join(shown).encode()


REASONS = {
    200: b"OK", 201: b"Created", 202: b"Accepted", 204: b"No Content", 206: b"Partial Content", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified",
    307: b"Temporary Redirect", 308: b"Permanent Redirect", 400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 404: b"Not Found", 409: b"Conflict", 429: b"Too Many Requests",
    500: b"Internal Server Error", 501: b"Not Implemented", 503: b"Service Unavailable",
}


def resumed(client, request):
    """Takes over what a machine that went on from a snapshot cannot know: the time, and random numbers that its siblings do not have (docs/microvms.md)."""
    from fcntl import ioctl
    from time import CLOCK_REALTIME, clock_settime

    body = Body(request, client.buffer)
    random = body.take(512)
    while not body.done and len(random) < 512:
        client.receive()
        random += body.take(512 - len(random))
    try:
        clock_settime(CLOCK_REALTIME, float(request.headers.get(b"X-Stint-Time", b"")))
        descriptor = posix.open("/dev/urandom", posix.O_WRONLY)
        try:
            ioctl(descriptor, 0x40085203, Struct(f"ii{len(random)}s").pack(8 * len(random), len(random), random))  # RNDADDENTROPY, random(4)
            ioctl(descriptor, 0x5207)  # RNDRESEEDCRNG: at once, not when it is due
        finally:
            posix.close(descriptor)
    except (OSError, ValueError) as e:
        client.socket.sendall(error(500, f"the machine has not resumed: {e}", request.accept, request.call_id, b"Connection: close\r\n"))
        return
    client.socket.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


# 4 -----------------------------------------------------------------------------------------------------------------------------------------------


def announce(url):
    """GET url: the function serves. The host may need a moment to be reachable, and counts the time itself."""
    from time import sleep

    address, _, path = url.partition("://")[2].partition("/")
    host, _, port = address.partition(":")
    problem = "the host does not answer"
    for _ in range(500):
        to = socket(AF_INET, SOCK_STREAM)
        try:
            to.settimeout(5)
            to.connect((host, int(port or "80")))
            to.sendall(f"GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
            if to.recv(12):
                return
        except OSError as e:
            problem = str(e)
        finally:
            to.close()
        sleep(0.05)
    finish(f"the callback {url} failed: {problem}")


def main():
    listener = socket(AF_INET, SOCK_STREAM)
    listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", int(sys.argv[2]) if len(sys.argv) > 2 else PORT))
    try:
        function = Function()
    except SystemExit as e:
        finish(str(e))
    except Gone:
        SimpleQueue().get()  # As in Exchange.answer.
    except ContractBroken as e:
        finish(f"the runtime broke its interface: {e}")
    listener.listen(512)
    if len(sys.argv) > 1 and sys.argv[1]:
        start_new_thread(announce, (sys.argv[1],))
    while True:
        start_new_thread(Client(accept(listener)).run, (function,))


main()
