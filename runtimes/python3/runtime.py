"""
Stint's runtime for python3: loads a function's fn.py and answers the daemon's requests. The wire is described in docs/runtime-interface.md,
what a function may do in docs/writing-functions.md.

    1  connect, say HELLO, wait for LOAD                                        main
    2  environment, working folder, sys.path; import fn; which arguments        load, caller
    3  a connection and a thread per concurrent request; READY                  main
    4  frame → call → frame, for ever                                           serve
    5  what fn returned → bytes and content type                                body_of, answer, stream
    6  what fn raised → one line for the caller, the traceback for the log      failure

Started as `python3 -I -S runtime.py SOCKET`, from its bytecode where there is some (RuntimeCommand.cs), Python 3.9 or newer, standard library only. Every module that is imported here costs each cold
start: `_socket` instead of `socket` saves 6 ms of 12, and json, asyncio, inspect and threading are imported when a function first needs them.
"""
import _io
import sys
from _socket import AF_UNIX, MSG_DONTWAIT, SOCK_STREAM, socket
from _struct import Struct

HEADER = Struct("<IBBHI")  # size, type, flags, status, head size
HEADER_SIZE = 12
PIECE = 65536  # the most bytes in a frame's head, and in its body
REQUEST, BODY, CANCEL, LOAD, HELLO, RESPONSE, READY, FAILURE = 1, 2, 3, 4, 16, 17, 18, 19
MORE = 1
MESSAGE_LIMIT = 4096  # bytes of a FAILURE's message

TEXT = b"Content-Type\0text/plain; charset=utf-8"
BYTES = b"Content-Type\0application/octet-stream"
JSON = b"Content-Type\0application/json"

pack = HEADER.pack
unpack = HEADER.unpack_from


class ContractBroken(BaseException):
    """The daemon sent what the runtime interface does not allow. No Exception, so that nothing takes it for the function's own; so is Gone."""


class Gone(BaseException):
    """The daemon closed the connection."""


class LoadError(Exception):
    """The code cannot be loaded; the message says why and what to do."""


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


class Exited(Exception):
    """The function called sys.exit, which must not take the runtime along."""


class Connection:
    """One connection to the daemon: whole frames in, whole frames out. Raises Gone at the end of the stream."""

    __slots__ = ("_socket", "_buffer", "_view", "_start", "_end", "_receive", "_send")

    def __init__(self, path):
        self._socket = socket(AF_UNIX, SOCK_STREAM)
        self._socket.connect(path)
        # Two of the largest frames, so that a frame is moved at most once.
        self._buffer = bytearray(2 * (HEADER_SIZE + 2 * PIECE))
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._receive = self._socket.recv_into
        self._send = self._socket.sendall
        self.send(HELLO, b"1\0python3")

    def send(self, kind, head=b"", body=b"", flags=0, status=0):
        try:
            self._send(b"".join((pack(len(head) + len(body), kind, flags, status, len(head)), head, body)))
        except OSError as e:
            raise Gone from e

    def frame(self):
        """The next frame as (type, flags, head, body); head and body are views that are valid until the next call."""
        start, end = self._start, self._end
        if start == end:
            start, end = 0, self._receive(self._buffer)
            if end == 0:
                raise Gone
        while end - start < HEADER_SIZE:
            start, end = self._fill(start, end)
        size, kind, flags, _, head_size = unpack(self._buffer, start)
        if head_size > size or head_size > PIECE or size - head_size > PIECE:
            raise ContractBroken("a frame larger than the interface allows")
        while end - start < HEADER_SIZE + size:
            start, end = self._fill(start, end)
        head = start + HEADER_SIZE
        body = head + head_size
        self._start = start = head + size
        self._end = end
        return kind, flags, self._view[head:body], self._view[body:start]

    def cancelled(self):
        """Whether a CANCEL has come, without waiting for one. Takes it."""
        start, end = self._start, self._end
        if start == end:
            start = 0
            try:
                end = self._receive(self._buffer, 0, MSG_DONTWAIT)
            except BlockingIOError:
                return False
            if end == 0:
                raise Gone
            self._start, self._end = start, end
        if end - start < HEADER_SIZE:
            return False
        if self._buffer[start + 4] != CANCEL:
            raise ContractBroken("a frame other than CANCEL before the answer's end")
        self.frame()
        return True

    def _fill(self, start, end):
        """Receives more behind what is there, after moving that to the front if there is no room for a whole frame."""
        if start > 0 and len(self._buffer) - start < HEADER_SIZE + 2 * PIECE:
            self._buffer[: end - start] = self._buffer[start:end]
            start, end = 0, end - start
        received = self._receive(self._view[end:])
        if received == 0:
            raise Gone
        return start, end + received


class Request:
    """The third argument of a function that takes three: what input and headers do not say."""

    __slots__ = ("method", "path", "query", "call_id", "time_left")

    def __init__(self, fields):
        self.method, self.path, self.query, self.call_id = fields[:4]
        #: Seconds until the caller's deadline, at the moment of the call.
        self.time_left = int(fields[4]) / 1000


class Response:
    """`stint.Response`: an answer with a status and headers of its own. `headers` is a dict or a list of pairs."""

    __slots__ = ("body", "status", "headers")

    def __init__(self, body=None, status=200, headers=None):
        self.body = body
        self.status = status
        self.headers = headers


class Log(_io.FileIO):
    """Standard output and error: once nobody reads them any more, what is written is dropped instead of failing the function."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError:
            return len(data)


def open_log(descriptor):
    return _io.TextIOWrapper(_io.BufferedWriter(Log(descriptor, "wb", closefd=False)), "utf-8", "backslashreplace", line_buffering=True)


def leave(code):
    """Ends the process at once: a function's own threads must not keep it alive."""
    from posix import _exit

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # The function closed or replaced it.
    _exit(code)


# 2 -----------------------------------------------------------------------------------------------------------------------------------------------


def load(fields):
    """Runs fn.py in the folder and environment that LOAD names; returns the function in it."""
    import os

    folder = fields[0]
    os.environ.update(zip(fields[2::2], fields[3::2]))
    try:
        os.chdir(folder)
    except OSError as e:
        raise LoadError(f"the function's folder {folder} cannot be entered: {e.strerror}") from e
    if not os.path.exists("fn.py") and not os.path.exists("fn"):
        raise LoadError("there is no fn.py: name the file with the function fn.py and put it at the top of the function's folder")

    # The code is the daemon's immutable snapshot, also where no sandbox makes it read-only.
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    sys.argv = ["fn.py"]
    module = type(sys)("stint", "What Stint offers to a function beyond input and headers.")
    module.Response, module.Request = Response, Request
    sys.modules["stint"] = module
    try:
        import fn
    except ImportError as e:
        print_exception(e)
        hint = "; add it to requirements.txt" if isinstance(e, ModuleNotFoundError) else ""
        raise LoadError(f"fn.py cannot be loaded: {type(e).__name__}: {e}{hint}") from e
    except BaseException as e:
        print_exception(e)
        raise LoadError(f"fn.py cannot be loaded: {type(e).__name__}: {e}") from e
    function = getattr(fn, "fn", None)
    if not callable(function):
        raise LoadError("fn.py defines no function named fn: add `def fn(input, headers):`")
    if getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x280:  # CO_COROUTINE, CO_ASYNC_GENERATOR
        import asyncio  # noqa: F401  now, not in the first call
    return function


def arity(function):
    """How many of (input, headers, request) the function takes: two unless it accepts fewer or demands all three."""
    code = getattr(function, "__code__", None)
    if type(function) is type(load) and not (code.co_flags & 4 and hasattr(function, "__wrapped__")):
        accepted = 3 if code.co_flags & 4 else code.co_argcount  # CO_VARARGS
        required = code.co_argcount - len(function.__defaults__ or ())
    else:
        # A partial, an object with __call__, a decorated function: rare, and inspect knows them all.
        from inspect import Parameter, signature

        try:
            parameters = signature(function).parameters.values()
        except ValueError:
            return 2
        positional = [p for p in parameters if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
        accepted = 3 if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters) else len(positional)
        required = sum(p.default is Parameter.empty for p in positional)
    if required > 3:
        raise LoadError(f"fn takes {required} arguments: define `def fn(input, headers):`")
    return required if required == 3 else min(accepted, 2)


def caller(function):
    """The function as (input, fields of the head) → result."""
    arguments = arity(function)
    if arguments == 2:
        return lambda text, fields: function(text, dict(zip(fields[5::2], fields[6::2])))
    if arguments == 1:
        return lambda text, fields: function(text)
    if arguments == 0:
        return lambda text, fields: function()
    return lambda text, fields: function(text, dict(zip(fields[5::2], fields[6::2])), Request(fields))


class Loop:
    """Runs coroutines: all on one event loop, because what a function creates in one call (a session, a lock) belongs to the loop of that call."""

    def __init__(self, connections):
        self._connections = connections
        self._run = None
        if connections > 1:
            from threading import Lock

            self._lock = Lock()

    def run(self, awaitable):
        if self._run is None:
            if self._connections == 1:
                self._start()
            else:
                with self._lock:
                    if self._run is None:
                        self._start()
        return self._run(self._guarded(awaitable))

    def _start(self):
        import asyncio

        loop = asyncio.new_event_loop()
        if self._connections == 1:
            asyncio.set_event_loop(loop)
            self._run = loop.run_until_complete
            return
        from threading import Thread

        Thread(target=loop.run_forever, name="event-loop", daemon=True).start()
        self._run = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    @staticmethod
    async def _guarded(awaitable):
        try:
            return await awaitable
        except (SystemExit, KeyboardInterrupt) as e:
            # asyncio would let these end the loop.
            print_exception(e)
            raise Exited(describe(e)) from None


# 4 -----------------------------------------------------------------------------------------------------------------------------------------------


def serve(connection, call, loop):
    """Answers requests, one at a time, until the daemon closes the connection."""
    frame, send = connection.frame, connection.send
    while True:
        result = text = data = None  # Not kept while nothing is to be done: they may be large.
        kind, flags, head, body = frame()
        if kind != REQUEST:
            if kind == CANCEL:
                continue  # It crossed with the answer.
            raise ContractBroken(f"a frame of type {kind} instead of a REQUEST")
        fields = str(head, "utf-8", "surrogateescape").split("\0")
        if len(fields) < 5 or len(fields) % 2 == 0:
            raise ContractBroken("a REQUEST with a broken head")
        if flags:
            body = rest_of(connection, body)
            if body is None:
                send(FAILURE, b"cancelled")
                continue
        # surrogateescape: input.encode("utf-8", "surrogateescape") gives back the bytes of a body that is no text.
        text = str(body, "utf-8", "surrogateescape") if body else None
        body = None
        try:
            result = call(text, fields)
            if type(result) is str:
                data = result.encode("utf-8", "surrogateescape")
                if len(data) <= PIECE:
                    send(RESPONSE, TEXT, data, 0, 200)
                    continue
            answer(connection, result, loop)
        except (Gone, ContractBroken):
            raise
        except BaseException as e:
            send(FAILURE, failure(e))


def rest_of(connection, first):
    """A body in several frames, whole; None when it was cancelled."""
    whole = bytearray(first)
    while True:
        kind, flags, _, piece = connection.frame()
        if kind == CANCEL:
            return None
        if kind != BODY:
            raise ContractBroken(f"a frame of type {kind} within a body")
        whole += piece
        if not flags & MORE:
            return whole


# 5 -----------------------------------------------------------------------------------------------------------------------------------------------


def body_of(value):
    """What a function returned as (content type's head fields, bytes or an iterator of pieces)."""
    if value is None:
        return b"", b""
    if isinstance(value, str):
        return TEXT, value.encode("utf-8", "surrogateescape")
    if isinstance(value, (bytes, bytearray)):
        return BYTES, value
    if isinstance(value, memoryview):
        return BYTES, value.tobytes()
    if hasattr(value, "__next__"):
        return None, value
    import json

    try:
        return JSON, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
    except (TypeError, ValueError, RecursionError) as e:
        raise TypeError(f"fn returned a {type(value).__name__} that is neither text, bytes nor JSON: {e}") from e


def answer(connection, result, loop):
    """Sends what the function returned."""
    if hasattr(result, "__await__"):
        result = loop.run(result)
    status, headers = 200, None
    if isinstance(result, Response):
        status, headers, result = result.status, result.headers, result.body
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"stint.Response: status {status!r} is not an integer from 200 to 599")
    if hasattr(result, "__anext__"):
        result = drain(result, loop)
    head, body = body_of(result)
    pieces = None
    if head is None:
        pieces, head, body = first_of(body)
    if headers:
        head = head_of(headers, head)
    if pieces is not None or len(body) > PIECE:
        stream(connection, status, head, body, pieces)
    else:
        connection.send(RESPONSE, head, body, 0, status)


def head_of(headers, default):
    """The head's fields for the function's own headers, with the default content type where they have none."""
    fields = []
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        field = f"{name}\0{value}"
        if not name or field.count("\0") != 1 or "\n" in field or "\r" in field:
            raise ValueError(f"stint.Response: the header {name!r} has no name, or a NUL or a line break in it")
        if name.lower() == "content-type":
            default = b""
        fields.append(field.encode("utf-8", "surrogateescape"))
    if default:
        fields.append(default)
    head = b"\0".join(fields)
    if len(head) > PIECE:
        raise ValueError("stint.Response: the headers have more than 64 KiB")
    return head


def drain(pieces, loop):
    """An asynchronous iterator as a plain one."""
    try:
        while True:
            try:
                yield loop.run(pieces.__anext__())
            except StopAsyncIteration:
                return
    finally:
        if hasattr(pieces, "aclose"):
            loop.run(pieces.aclose())


def first_of(pieces):
    """The first piece that is not empty decides the content type, and what fails before it still gives a 500."""
    for piece in pieces:
        head, data = piece_of(piece)
        if data:
            return pieces, head, data
    return None, b"", b""


def piece_of(piece):
    if isinstance(piece, str):
        return TEXT, piece.encode("utf-8", "surrogateescape")
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return BYTES, bytes(piece)
    raise TypeError(f"fn yielded a {type(piece).__name__}: a streamed answer is made of str or bytes")


def stream(connection, status, head, data, pieces):
    """Sends a long body, or one that comes piece by piece, in as many frames as it needs."""
    kind = RESPONSE
    try:
        while True:
            view = memoryview(data)
            for at in range(0, len(data), PIECE):
                last = pieces is None and at + PIECE >= len(data)
                connection.send(kind, head, view[at : at + PIECE], 0 if last else MORE, status)
                kind, head, status = BODY, b"", 0
            if pieces is None:
                return
            if connection.cancelled():
                raise Cancelled("cancelled")
            try:
                piece = next(pieces)
            except StopIteration:
                connection.send(BODY)
                return
            data = piece_of(piece)[1]
    finally:
        if hasattr(pieces, "close"):
            pieces.close()  # So that a generator's finally blocks run.


# 6 -----------------------------------------------------------------------------------------------------------------------------------------------


def describe(error):
    """The message for the caller."""
    if isinstance(error, SystemExit):
        return f"fn.py called sys.exit({error.code!r})"
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def failure(error):
    """The FAILURE's one field; the traceback goes to the log."""
    if not isinstance(error, (Cancelled, Exited)):
        print_exception(error)
    return field_of(describe(error))


def field_of(message):
    data = message.replace("\0", " ").encode("utf-8", "replace")
    return data if len(data) <= MESSAGE_LIMIT else data[:MESSAGE_LIMIT].decode("utf-8", "ignore").encode()


def print_exception(error):
    """The interpreter's own traceback (module traceback would be one more import), from the function's first frame on."""
    trace = each = error.__traceback__
    while each is not None:
        if each.tb_frame.f_code.co_filename == __file__:
            trace = each.tb_next
        each = each.tb_next
    try:
        sys.__excepthook__(type(error), error.with_traceback(trace), trace)
        sys.stderr.flush()
    except Exception:
        pass  # The function closed its standard error; the caller still gets the message.


def main(path):
    # 1
    sys.stdout, sys.stderr = open_log(1), open_log(2)
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    first = Connection(path)
    import os  # noqa: F401  load needs it; a spare has it before its LOAD comes, and HELLO need not wait for it

    kind, _, head, _ = first.frame()
    if kind != LOAD:
        raise ContractBroken(f"a frame of type {kind} instead of LOAD")
    fields = str(head, "utf-8", "surrogateescape").split("\0")
    connections = int(fields[1])
    # 2
    try:
        function = load(fields)
        call = caller(function)
    except LoadError as e:
        first.send(FAILURE, field_of(str(e)))
        leave(1)
    # 3
    loop = Loop(connections)
    for _ in range(connections - 1):
        from threading import Thread

        Thread(target=guarded, args=(serve, Connection(path), call, loop), daemon=True).start()
    first.send(READY)
    serve(first, call, loop)


def guarded(run, *arguments):
    """Runs until the daemon leaves or breaks the contract; both end the process."""
    try:
        run(*arguments)
    except (Gone, ConnectionResetError):
        leave(0)
    except ContractBroken as e:
        print(f"stint: the daemon sent {e}", file=sys.stderr)
        leave(1)


if __name__ == "__main__":
    guarded(main, sys.argv[1])
