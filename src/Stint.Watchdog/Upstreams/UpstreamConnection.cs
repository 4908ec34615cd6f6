using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Upstreams;

/// <summary>A connection to the function, with what has been read from it and is still to be taken.</summary>
internal sealed class UpstreamConnection(EventLoop loop, Descriptor socket)
{
    private const long MaxRest = 500; // milliseconds; of-watchdog's number, and less than what web servers wait

    private long _restingSince;

    /// <summary>The socket.</summary>
    public Descriptor Socket => socket;

    /// <summary>Read bytes.</summary>
    public byte[] Input { get; private set; } = [];

    /// <summary>Where the next of them is.</summary>
    public int Next { get; set; }

    /// <summary>Where they end.</summary>
    public int End { get; private set; }

    /// <summary>Whether it can serve another call: it has rested for less than any server waits, has not ended, and nothing has come that nobody asked for.</summary>
    /// <param name="now">The loop's clock.</param>
    public bool IsUsable(long now)
    {
        Span<byte> nothing = stackalloc byte[1];
        return now - _restingSince < MaxRest && socket.TryRead(nothing) == Descriptor.WouldBlock;
    }

    /// <summary>Connects.</summary>
    /// <returns>The connection, or the error number.</returns>
    public static async ValueTask<(UpstreamConnection? Connection, int Error)> ConnectAsync(EventLoop loop, byte[] address)
    {
        var (socket, error) = Start(loop, address);
        if (socket is null) return (null, error);
        if (error == Libc.ErrorConnecting)
        {
            await socket.Writable;
            error = ErrorOf(socket);
        }
        if (error == 0 && !socket.IsInterrupted) return (new(loop, socket), 0);
        socket.Dispose();
        return (null, error);
    }

    /// <summary>Reads more behind what there is.</summary>
    /// <returns>0 at the end, <see cref="Descriptor.Failed"/> when it fails or there is no room: a head may have 64 KiB.</returns>
    public async ValueTask<int> ReadMoreAsync()
    {
        if (Input.Length == 0) Input = loop.Buffers.Rent();
        if (Next == End) Next = End = 0;
        if (End == Input.Length && Next > 0)
        {
            Input.AsSpan(Next, End - Next).CopyTo(Input);
            (Next, End) = (0, End - Next);
        }
        if (End == Input.Length) return Descriptor.Failed;
        var read = await socket.ReadAsync(Input, End, Input.Length - End);
        if (read > 0) End += read;
        return read;
    }

    /// <summary>Gives the memory back until the next call.</summary>
    public void Rest()
    {
        if (Input.Length > 0) loop.Buffers.Return(Input);
        (Input, Next, End) = ([], 0, 0);
        _restingSince = loop.Now;
    }

    /// <summary>Closes it.</summary>
    public void Close()
    {
        Rest();
        socket.Dispose();
    }

    private static unsafe (Descriptor? Socket, int Error) Start(EventLoop loop, byte[] address)
    {
        var number = Libc.socket(address[0], Libc.Stream | Libc.NonBlocking | Libc.CloseOnExec, 0);
        if (number < 0) return (null, Libc.Error);
        Libc.SetOption(number, Libc.TcpLevel, Libc.NoDelay, 1);
        int result;
        fixed (byte* start = address) result = Libc.connect(number, start, (uint)address.Length);
        var error = result < 0 ? Libc.Error : 0;
        if (error is 0 or Libc.ErrorConnecting) return (new Descriptor(loop, number), error);
        _ = Libc.close(number);
        return (null, error);
    }

    private static unsafe int ErrorOf(Descriptor socket)
    {
        int error;
        var length = (uint)sizeof(int);
        return Libc.getsockopt(socket.Number, Libc.SocketLevel, Libc.SocketError, &error, &length) < 0 ? Libc.Error : error;
    }
}
