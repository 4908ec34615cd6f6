using System.Runtime.CompilerServices;
using Stint.Watchdog.Loops;

namespace Stint.Watchdog.Http;

/// <summary>Reads one request's body: first what came with the head, then from the socket, and not a byte beyond its end.</summary>
internal sealed class RequestBody(Descriptor socket)
{
    private static readonly byte[] Continue = "HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray();

    private readonly ChunkReader _chunks = new();
    private Framing _framing;
    private long _left;
    private bool _expectsContinue;

    /// <summary>What was read from the socket: the head, and what followed it.</summary>
    public byte[] Input { get; set; } = [];

    /// <summary>Where in the input the head ends; what is before stays while the request is answered.</summary>
    public int HeadEnd { get; set; }

    /// <summary>What of the input is still to be taken: from here …</summary>
    public int Next { get; set; }

    /// <summary>… to here.</summary>
    public int End { get; set; }

    /// <summary>Whether all of it has been read.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Whether reading failed: the client broke off, was too slow, or does not keep to HTTP.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Its length in bytes; −1 when it comes in chunks.</summary>
    public long Length => _framing.End == BodyEnd.Chunks ? -1 : _framing.Length;

    /// <summary>Bytes that are still to come from the socket and may be taken from there directly; 0 unless nothing is left in the input and the length is known.</summary>
    public long DirectlyLeft => _framing.End == BodyEnd.Length && Next == End && !_expectsContinue && !HasFailed ? _left : 0;

    /// <summary>Called when the last of it has been read.</summary>
    public Action? Over { get; set; }

    /// <summary>Begins with a head's body.</summary>
    public void Begin(Framing framing, bool expectsContinue)
    {
        (_framing, _left, _expectsContinue, HasFailed) = (framing, framing.Length, expectsContinue, false);
        IsOver = framing.End == BodyEnd.None;
        if (framing.End == BodyEnd.Chunks) _chunks.Reset();
        if (IsOver) Over?.Invoke();
    }

    /// <summary>Reads a piece; 0 at the end, <see cref="Descriptor.Failed"/> when it cannot be had.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReadAsync(byte[] buffer, int offset, int count)
    {
        if (HasFailed) return Descriptor.Failed;
        if (IsOver || count == 0) return 0;
        if (_framing.End == BodyEnd.Length) return await ReadLengthAsync(buffer, offset, (int)Math.Min(count, _left));
        while (true)
        {
            if (Next < End)
            {
                if (!_chunks.TryTake(Input.AsSpan(Next, End - Next), out var used, buffer.AsSpan(offset, count), out var written)) return Fail();
                Next += used;
                if (_chunks.IsOver) Finish();
                if (written > 0 || IsOver) return written;
                continue;
            }
            if (!await ContinueAsync()) return Fail();
            Next = End = HeadEnd;
            if (await socket.ReadAsync(Input, HeadEnd, Input.Length - HeadEnd) is var read and > 0) End += read;
            else return Fail();
        }
    }

    /// <summary>The whole body where it lies, when all of it came with the head; valid until the next request is read.</summary>
    public bool TryTakeWhole(out ReadOnlyMemory<byte> body)
    {
        body = default;
        if (_framing.End != BodyEnd.Length || IsOver || End - Next < _left) return false;
        body = Input.AsMemory(Next, (int)_left);
        Next += (int)_left;
        TookDirectly(_left);
        return true;
    }

    /// <summary>Reads until the buffer is full or the body is over; the number of bytes, or <see cref="Descriptor.Failed"/>.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> FillAsync(byte[] buffer, int count)
    {
        var filled = 0;
        while (filled < count && !IsOver)
        {
            var read = await ReadAsync(buffer, filled, count - filled);
            if (read < 0) return read;
            filled += read;
        }
        return filled;
    }

    /// <summary>Bytes were taken from the socket directly.</summary>
    public void TookDirectly(long count)
    {
        _left -= count;
        if (_left == 0) Finish();
    }

    /// <summary>Reading failed.</summary>
    public int Fail()
    {
        HasFailed = true;
        return Descriptor.Failed;
    }

    private async ValueTask<int> ReadLengthAsync(byte[] buffer, int offset, int count)
    {
        int read;
        if (Next < End)
        {
            read = Math.Min(count, End - Next);
            Input.AsSpan(Next, read).CopyTo(buffer.AsSpan(offset));
            Next += read;
        }
        else
        {
            if (!await ContinueAsync()) return Fail();
            read = await socket.ReadAsync(buffer, offset, count);
            if (read <= 0) return Fail();
        }
        TookDirectly(read);
        return read;
    }

    private void Finish()
    {
        IsOver = true;
        Over?.Invoke();
    }

    // RFC 9110 section 10.1.1: the client waits for this before it sends; who is answered at once need not send at all.
    private ValueTask<bool> ContinueAsync()
    {
        if (!_expectsContinue) return new(true);
        _expectsContinue = false;
        return socket.WriteAsync(Continue);
    }
}
