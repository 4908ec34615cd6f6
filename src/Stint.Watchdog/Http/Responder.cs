using System.Runtime.CompilerServices;
using System.Text;
using Stint.Watchdog.Loops;

namespace Stint.Watchdog.Http;

/// <summary>Writes one answer: <see cref="Status"/>, fields, and then either the whole body at once or piece by piece.</summary>
internal sealed class Responder(Descriptor socket)
{
    private static readonly byte[] LineEnd = "\r\n"u8.ToArray();
    private static readonly byte[] LastChunk = "0\r\n\r\n"u8.ToArray();

    private readonly ByteBuilder _head = new(512);
    private readonly ByteBuilder _size = new(24);
    private bool _isOneOne, _isHead, _chunked;

    /// <summary>The status; 0 before it is known.</summary>
    public int Code { get; private set; }

    /// <summary>Whether the head has been sent, so that nothing can be taken back.</summary>
    public bool IsStarted { get; private set; }

    /// <summary>Whether the answer is complete.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Whether the connection is to be closed after it.</summary>
    public bool Closes { get; set; }

    /// <summary>Bytes of the body that were sent.</summary>
    public long Sent { get; private set; }

    /// <summary>Begins the answer to a request.</summary>
    public void Begin(RequestHead request)
    {
        (_isOneOne, _isHead) = (request.IsOneOne, request.Method.SequenceEqual("HEAD"u8));
        Closes = !request.KeepsAlive;
        (Code, IsStarted, IsComplete, Sent) = (0, false, false, 0);
    }

    /// <summary>Begins the answer to what is no request.</summary>
    public void BeginWithoutRequest()
    {
        (_isOneOne, _isHead, Closes) = (true, false, true);
        (Code, IsStarted, IsComplete, Sent) = (0, false, false, 0);
    }

    /// <summary>Begins the head.</summary>
    /// <param name="code">The status.</param>
    /// <param name="reason">Its words; the usual ones when empty.</param>
    public Responder Status(int code, ReadOnlySpan<byte> reason = default)
    {
        Code = code;
        _head.Clear().Add("HTTP/1.1 "u8).Add(code).Add(" "u8).Add(reason.IsEmpty ? HttpWords.Reason(code) : reason).Add(LineEnd);
        return this;
    }

    /// <summary>Adds a field; the value is one that was checked when it was read.</summary>
    public Responder Field(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        _head.Add(name).Add(": "u8).Add(value).Add(LineEnd);
        return this;
    }

    /// <summary>Adds a field with text of the watchdog's own.</summary>
    public Responder Field(ReadOnlySpan<byte> name, string value)
    {
        _head.Add(name).Add(": "u8).Add(value).Add(LineEnd);
        return this;
    }

    /// <summary>Adds how long the call took.</summary>
    public Responder Duration(TimeSpan duration)
    {
        _head.Add("X-Duration-Seconds: "u8).AddSeconds(duration).Add(LineEnd);
        return this;
    }

    /// <summary>Sends a message of the watchdog's own: what happened, why, and what to do.</summary>
    public ValueTask<bool> SayAsync(int code, string message)
    {
        Status(code).Field("Content-Type"u8, "text/plain; charset=utf-8"u8).Field("X-Content-Type-Options"u8, "nosniff"u8);
        // By this, a gateway tells the platform's failures from the function's own answers; the name is the one that gateways know.
        if (code >= 429) Field("X-OpenFaaS-Internal"u8, "of-watchdog"u8);
        return SendAsync(message.Length == 0 ? default : Encoding.UTF8.GetBytes(message + "\n"));
    }

    /// <summary>Sends the answer with its whole body.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> body, ReadOnlyMemory<byte> more = default)
    {
        if (!HasNoBody) _head.Add("Content-Length: "u8).Add(body.Length + (long)more.Length).Add(LineEnd);
        EndHead();
        if (HasNoBody || _isHead) body = more = default;
        if (!await socket.WriteAsync(_head.Memory, body, more)) return Fail();
        Sent += body.Length + (long)more.Length;
        return IsComplete = true;
    }

    /// <summary>Sends the head of an answer that comes in pieces, with its first piece.</summary>
    /// <param name="first">May be empty.</param>
    /// <param name="length">Bytes in all, or null when that is not known.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> StartAsync(ReadOnlyMemory<byte> first, long? length = null)
    {
        _chunked = false;
        if (length is { } bytes) _head.Add("Content-Length: "u8).Add(bytes).Add(LineEnd);
        else if (HasNoBody) _chunked = false;
        else if (_isOneOne)
        {
            _chunked = true;
            _head.Add("Transfer-Encoding: chunked\r\n"u8);
        }
        else Closes = true;
        EndHead();
        if (!first.IsEmpty && !_isHead)
        {
            if (_chunked) _head.Add(first.Length, 'x').Add(LineEnd);
            Sent += first.Length;
            return await socket.WriteAsync(_head.Memory, first, _chunked ? LineEnd : default) || Fail();
        }
        return await socket.WriteAsync(_head.Memory) || Fail();
    }

    /// <summary>Sends a piece.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> piece)
    {
        if (piece.IsEmpty || _isHead) return true;
        Sent += piece.Length;
        if (!_chunked) return await socket.WriteAsync(piece) || Fail();
        return await socket.WriteAsync(_size.Clear().Add(piece.Length, 'x').Add(LineEnd).Memory, piece, LineEnd) || Fail();
    }

    /// <summary>Sends what a pipe has, without taking it into this process's memory.</summary>
    /// <param name="pipe">Where it comes from.</param>
    /// <param name="count">Bytes that are in the pipe now.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> SpliceAsync(Descriptor pipe, int count)
    {
        if (_chunked && !await socket.WriteAsync(_size.Clear().Add(count, 'x').Add(LineEnd).Memory)) return Fail();
        for (var left = (long)count; left > 0;)
        {
            var moved = await Descriptor.SpliceAsync(pipe, socket, left);
            if (moved <= 0) return Fail();
            left -= moved;
        }
        Sent += count;
        return !_chunked || await socket.WriteAsync(LineEnd) || Fail();
    }

    /// <summary>Whether pieces are sent at all: not in answer to HEAD.</summary>
    public bool TakesPieces => !_isHead;

    /// <summary>Ends an answer that came in pieces.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> EndAsync()
    {
        if (_chunked && !_isHead && !await socket.WriteAsync(LastChunk)) return Fail();
        return IsComplete = true;
    }

    // RFC 9110 section 6.4.1
    private bool HasNoBody => Code is 204 or 304 or < 200;

    private void EndHead()
    {
        if (Closes) _head.Add("Connection: close\r\n"u8);
        else if (!_isOneOne) _head.Add("Connection: keep-alive\r\n"u8);
        _head.Add(LineEnd);
        IsStarted = true;
    }

    private bool Fail()
    {
        Closes = true;
        return false;
    }
}
