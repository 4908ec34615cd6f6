namespace Stint.Watchdog.Loops;

/// <summary>Buffers of one size for one loop. A few are kept; the rest goes back to the collector, so that a burst does not stay in memory.</summary>
internal sealed class BufferPool
{
    /// <summary>Bytes of each: what a pipe holds by default on Linux (pipe(7)).</summary>
    public const int Size = 64 * 1024;

    private const int Kept = 16; // two a call: eight calls at a time on one loop do not allocate

    private readonly Stack<byte[]> _free = new(Kept);

    /// <summary>Lends a buffer. It is pinned: its address may be given to the system.</summary>
    public byte[] Rent() => _free.TryPop(out var buffer) ? buffer : GC.AllocateUninitializedArray<byte>(Size, pinned: true);

    /// <summary>Takes a buffer back.</summary>
    public void Return(byte[] buffer)
    {
        if (_free.Count < Kept && buffer.Length == Size) _free.Push(buffer);
    }
}
