using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net.Sockets;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>Sends one request. The answer may come while it does: whoever reads that stops what is not needed any more.</summary>
/// <param name="socket">The connection.</param>
internal sealed class RequestSender(Socket socket)
{
    // The body is sent in pieces of at most this size: more would lie in the daemon's memory, less would cost system calls.
    private const int Piece = 64 * 1024;

    // Room for a chunk's size before its data, five digits and a line end, and behind the data a line end and the last chunk.
    private const int SizeLine = 7, Behind = 7;

    private PipeReader? _body;
    private long? _left;
    private volatile bool _stopped;

    /// <summary>Ends, never faulted, when nothing of the request is touched any more.</summary>
    public Task Sending { get; private set; } = Task.CompletedTask;

    /// <summary>What was wrong with the body: the caller's fault. The connection is shut down then, so that whoever waits for the answer looks here.</summary>
    public Exception? Fault { get; private set; }

    /// <summary>Begins; a small request has been sent when this returns.</summary>
    public void Start(RequestHead request, Invocation invocation)
    {
        (_body, _left, _stopped, Fault) = (invocation.BodyStream, invocation.BodyLength, false, null);
        Sending = Task.CompletedTask;
        ValueTask<int> first;
        try
        {
            first = socket.SendAsync(request.Rented.AsMemory(0, request.Length), SocketFlags.None);
        }
        catch (ObjectDisposedException)
        {
            // The instance is gone; whoever waits for the answer sees that too.
            ArrayPool<byte>.Shared.Return(request.Rented);
            return;
        }
        if (!first.IsCompletedSuccessfully)
        {
            Sending = SendAsync(first, request);
            return;
        }
        var sent = first.GetAwaiter().GetResult();
        if (sent == request.Length && _body is null) ArrayPool<byte>.Shared.Return(request.Rented);
        else Sending = SendAsync(new ValueTask<int>(sent), request);
    }

    /// <summary>The rest is of no use any more. <see cref="Sending"/> ends soon, at once if the socket is disposed of as well.</summary>
    public void Stop()
    {
        _stopped = true;
        if (!Sending.IsCompleted) _body?.StopReading();
    }

    private async Task SendAsync(ValueTask<int> first, RequestHead request)
    {
        try
        {
            var sent = await first.ConfigureAwait(false);
            await SendAllAsync(request.Rented.AsMemory(sent, request.Length - sent)).ConfigureAwait(false);
            if (_body is not null) await SendBodyAsync(_body).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // The reader of the answer sees the end of the connection, perhaps behind an answer that was given before it.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(request.Rented);
        }
    }

    private async Task SendBodyAsync(PipeReader body)
    {
        var rented = ArrayPool<byte>.Shared.Rent(SizeLine + Piece + Behind);
        try
        {
            while (!_stopped)
            {
                ReadResult read;
                try
                {
                    read = await body.ReadAsync().ConfigureAwait(false);
                }
                catch (Exception failure) when (failure is IOException or InvalidOperationException or OperationCanceledException)
                {
                    GiveUp(failure);
                    return;
                }
                if (read.IsCanceled || _stopped)
                {
                    body.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                    return;
                }
                var piece = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, Piece));
                var isLast = read.IsCompleted && piece.Length == read.Buffer.Length;
                var framed = Frame(rented, piece, isLast);
                body.AdvanceTo(piece.End);
                if (_left < 0 || isLast && _left > 0)
                {
                    GiveUp(new IOException("the request's body has another length than its head said"));
                    return;
                }
                await SendAllAsync(framed).ConfigureAwait(false);
                if (isLast) return;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    // With a known length the bytes as they are; else  SIZE CRLF bytes CRLF,  and  0 CRLF CRLF  behind the last (RFC 9112 section 7.1).
    private ReadOnlyMemory<byte> Frame(byte[] rented, in ReadOnlySequence<byte> piece, bool isLast)
    {
        var length = (int)piece.Length;
        piece.CopyTo(rented.AsSpan(SizeLine));
        if (_left is not null)
        {
            _left -= length;
            return rented.AsMemory(SizeLine, length);
        }
        var (start, end) = (SizeLine, SizeLine + length);
        if (length > 0)
        {
            Span<byte> size = stackalloc byte[SizeLine];
            length.TryFormat(size, out var digits, "x", CultureInfo.InvariantCulture);
            "\r\n"u8.CopyTo(size[digits..]);
            start -= digits + 2;
            size[..(digits + 2)].CopyTo(rented.AsSpan(start));
            "\r\n"u8.CopyTo(rented.AsSpan(end));
            end += 2;
        }
        if (!isLast) return rented.AsMemory(start, end - start);
        "0\r\n\r\n"u8.CopyTo(rented.AsSpan(end));
        return rented.AsMemory(start, end + 5 - start);
    }

    private void GiveUp(Exception failure)
    {
        Fault = failure;
        // A half of a body must not look like a whole one: the connection ends here.
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    private async ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0) bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None).ConfigureAwait(false)..];
    }
}
