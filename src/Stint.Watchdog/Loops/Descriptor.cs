using System.Runtime.CompilerServices;
using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Loops;

/// <summary>An open, non-blocking descriptor on a loop: a socket, a pipe's end or a pidfd. It owns the number and closes it.</summary>
internal sealed class Descriptor : IDisposable
{
    private readonly EventLoop _loop;
    private readonly int _slot;

    /// <summary>Takes over a descriptor.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be watched.</exception>
    public Descriptor(EventLoop loop, int number)
    {
        (_loop, Number) = (loop, number);
        Readable = new Wakeup(loop);
        Writable = new Wakeup(loop);
        _slot = loop.Watch(this);
    }

    /// <summary>The system's number; −1 once closed.</summary>
    public int Number { get; private set; }

    /// <summary>Wakes when there may be something to read.</summary>
    public Wakeup Readable { get; }

    /// <summary>Wakes when there may be room to write.</summary>
    public Wakeup Writable { get; }

    /// <summary>Whether nobody is to read any more, for a time limit or because the watchdog stops.</summary>
    public bool IsReadingOver { get; private set; }

    /// <summary>Whether nobody is to read or write any more: calls return <see cref="Failed"/>.</summary>
    public bool IsInterrupted { get; private set; }

    /// <summary>Called when the other side is gone altogether; a side that only stopped sending is not gone.</summary>
    public Action? Broken { get; set; }

    /// <summary>Called for every event; for descriptors that are neither read nor written, such as pidfds.</summary>
    public Action? Reported { get; set; }

    /// <summary>What reading and writing return when the other side is gone or a time limit has passed.</summary>
    public const int Failed = -1;

    /// <summary>Reads what there is; 0 at the end, <see cref="Failed"/> when it cannot be had.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReadAsync(byte[] buffer, int offset, int count)
    {
        while (true)
        {
            if (IsInterrupted || IsReadingOver) return Failed;
            var result = TryRead(buffer.AsSpan(offset, count));
            if (result != WouldBlock) return result;
            await Readable;
        }
    }

    /// <summary>Writes all; false when it cannot be.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> first, ReadOnlyMemory<byte> second = default, ReadOnlyMemory<byte> third = default)
    {
        while (true)
        {
            if (IsInterrupted) return false;
            var written = TryWrite(first.Span, second.Span, third.Span);
            if (written == Failed) return false;
            if (written >= 0)
            {
                Advance(ref first, ref written);
                Advance(ref second, ref written);
                Advance(ref third, ref written);
                if (first.IsEmpty && second.IsEmpty && third.IsEmpty) return true;
                continue;
            }
            await Writable;
        }
    }

    /// <summary>Moves bytes from one descriptor to another inside the kernel; one of the two is a pipe. 0 at the end, <see cref="Failed"/> when either side is gone.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<long> SpliceAsync(Descriptor from, Descriptor to, long count)
    {
        while (true)
        {
            if (from.IsInterrupted || from.IsReadingOver || to.IsInterrupted) return Failed;
            // Asked before: EAGAIN does not say which of the two it means, and what comes between it and a later question would be waited for twice.
            var hadBytes = from.Pending() > 0;
            var moved = Libc.splice(from.Number, 0, to.Number, 0, (nint)Math.Min(count, 1 << 20), Libc.SpliceMove | Libc.SpliceNonBlock);
            if (moved >= 0) return moved;
            if (Libc.Error == Libc.ErrorInterrupted) continue;
            if (Libc.Error != Libc.ErrorAgain) return Failed;
            if (hadBytes) await to.Writable;
            else await from.Readable;
        }
    }

    /// <summary>Reads without waiting; <see cref="WouldBlock"/> when there is nothing yet.</summary>
    public unsafe int TryRead(Span<byte> buffer)
    {
        while (true)
        {
            nint count;
            fixed (byte* start = buffer) count = Libc.read(Number, start, buffer.Length);
            if (count >= 0) return (int)count;
            if (Libc.Error == Libc.ErrorAgain) return WouldBlock;
            if (Libc.Error != Libc.ErrorInterrupted) return Failed;
        }
    }

    /// <summary>Nothing could be done without waiting.</summary>
    public const int WouldBlock = -2;

    /// <summary>How many bytes can be read at once (FIONREAD).</summary>
    public unsafe int Pending()
    {
        int count;
        return Libc.ioctl(Number, Libc.BytesToRead, &count) < 0 ? 0 : count;
    }

    /// <summary>Ends waiting for something to read; writing goes on.</summary>
    public void EndReading()
    {
        IsReadingOver = true;
        Readable.Set();
    }

    /// <summary>Ends every wait on it.</summary>
    public void Interrupt()
    {
        IsInterrupted = true;
        Readable.Set();
        Writable.Set();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Number < 0) return;
        _loop.Forget(_slot);
        _ = Libc.close(Number); // takes it out of the epoll as well
        Number = -1;
        Interrupt();
    }

    internal void Report(uint events)
    {
        if ((events & (Libc.EpollIn | Libc.EpollHangUp | Libc.EpollError)) != 0) Readable.Set();
        if ((events & (Libc.EpollOut | Libc.EpollHangUp | Libc.EpollError)) != 0) Writable.Set();
        if ((events & (Libc.EpollHangUp | Libc.EpollError)) != 0) Broken?.Invoke();
        Reported?.Invoke();
    }

    private unsafe int TryWrite(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        fixed (byte* one = first, two = second, three = third)
        {
            var pieces = stackalloc Libc.Piece[3];
            var count = 0;
            if (!first.IsEmpty) pieces[count++] = new() { Start = one, Length = first.Length };
            if (!second.IsEmpty) pieces[count++] = new() { Start = two, Length = second.Length };
            if (!third.IsEmpty) pieces[count++] = new() { Start = three, Length = third.Length };
            while (true)
            {
                var written = count == 0 ? 0 : Libc.writev(Number, pieces, count);
                if (written >= 0) return (int)written;
                if (Libc.Error == Libc.ErrorAgain) return WouldBlock;
                if (Libc.Error != Libc.ErrorInterrupted) return Failed;
            }
        }
    }

    private static void Advance(ref ReadOnlyMemory<byte> piece, ref int written)
    {
        var step = Math.Min(piece.Length, written);
        piece = piece[step..];
        written -= step;
    }
}
