using Stint.Watchdog.Http;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Settings;

namespace Stint.Watchdog.Functions;

/// <summary>
/// What a process is to read. A body of up to 64 KiB, and one that is to be buffered, is read before there is a process: a client that sends slowly holds a connection, not a process.
/// </summary>
internal sealed class CallInput(Exchange exchange, WatchdogSettings settings)
{
    private byte[]? _rented;

    /// <summary>The part that is here.</summary>
    public ReadOnlyMemory<byte> Ready { get; private set; }

    /// <summary>Whether the process gets anything at all.</summary>
    public bool IsEmpty => Ready.IsEmpty && exchange.Body.IsOver;

    /// <summary>Reads what is to be here before the process starts.</summary>
    /// <returns>False when the request was refused.</returns>
    public async ValueTask<bool> ReadAsync(bool whole)
    {
        var body = exchange.Body;
        if (whole)
        {
            if (await ReadWholeAsync() is not { } bytes) return false;
            Ready = settings.MarshalRequest && settings.Mode != WatchdogMode.Http ? MarshalledRequest.Make(exchange.Head.Fields, bytes.Span) : bytes;
            return true;
        }
        if (body.IsOver || body.Length is < 0 or > BufferPool.Size) return true;
        if (body.TryTakeWhole(out var here))
        {
            Ready = here;
            return true;
        }
        _rented = exchange.Loop.Buffers.Rent();
        var count = await body.FillAsync(_rented, (int)body.Length);
        if (count < 0) return await RefuseAsync();
        Ready = _rented.AsMemory(0, count);
        return true;
    }

    /// <summary>Gives to the process what it takes at once, without a watch on the pipe.</summary>
    public unsafe void Prefill(int pipe)
    {
        fixed (byte* start = Ready.Span)
        {
            var written = Ready.IsEmpty ? 0 : Posix.Libc.write(pipe, start, Ready.Length);
            if (written > 0) Ready = Ready[(int)written..];
        }
    }

    /// <summary>Gives the rest to the process. A process that stops reading is no error: it has what it wants.</summary>
    public async Task PumpAsync(Descriptor stdin)
    {
        var buffer = exchange.Loop.Buffers.Rent();
        try
        {
            if (!await stdin.WriteAsync(Ready)) return;
            while (!exchange.Body.IsOver)
            {
                // What is large and still in the socket goes to the pipe inside the kernel.
                if (exchange.Body.DirectlyLeft > BufferPool.Size)
                {
                    var moved = await Descriptor.SpliceAsync(exchange.Socket, stdin, exchange.Body.DirectlyLeft);
                    if (moved == 0) exchange.Body.Fail();
                    if (moved <= 0) break;
                    exchange.Body.TookDirectly(moved);
                    continue;
                }
                if (await exchange.Body.ReadAsync(buffer, 0, buffer.Length) is not (> 0 and var count) || !await stdin.WriteAsync(buffer.AsMemory(0, count))) break;
            }
            // A body that broke off must not look to the process like one that is complete.
            if (exchange.Body.HasFailed || exchange.Socket.IsReadingOver) exchange.GiveUp(EndReason.ClientGone);
        }
        finally
        {
            stdin.Dispose();
            exchange.Loop.Buffers.Return(buffer);
        }
    }

    /// <summary>Gives the memory back.</summary>
    public void Release()
    {
        if (_rented is not null) exchange.Loop.Buffers.Return(_rented);
        _rented = null;
    }

    private async ValueTask<ReadOnlyMemory<byte>?> ReadWholeAsync()
    {
        var body = exchange.Body;
        if (body.Length > settings.BufferLimit) return await TooLargeAsync();
        var bytes = body.Length > 0 ? new byte[Math.Min(body.Length, 1 << 20)] : body.IsOver ? [] : new byte[4096];
        var length = 0;
        while (!body.IsOver)
        {
            if (length == bytes.Length)
            {
                if (length >= settings.BufferLimit) return await TooLargeAsync();
                Array.Resize(ref bytes, (int)Math.Min(settings.BufferLimit, Math.Min(length * 2L, body.Length > 0 ? body.Length : long.MaxValue)));
            }
            var read = await body.ReadAsync(bytes, length, bytes.Length - length);
            if (read < 0)
            {
                await RefuseAsync();
                return null;
            }
            length += read;
        }
        return bytes.AsMemory(0, length);
    }

    private async ValueTask<ReadOnlyMemory<byte>?> TooLargeAsync()
    {
        _ = await exchange.Reply.SayAsync(413, $"The body is larger than the {settings.BufferLimit} bytes that are kept in memory (buffer_limit). Send less, or let it stream: mode=streaming.");
        return null;
    }

    private async ValueTask<bool> RefuseAsync()
    {
        exchange.Reply.Closes = true;
        if (exchange.Socket.IsReadingOver)
            _ = await exchange.Reply.SayAsync(408, $"The body did not arrive within read_timeout ({GoDuration.Format(settings.ReadTimeout)}).");
        else if (exchange.Ended == EndReason.None)
            _ = await exchange.Reply.SayAsync(400, "The body broke off, or its chunks are not well-formed.");
        return false;
    }
}
