using System.Buffers;

namespace Stint.Backends.Upstream;

/// <summary>
/// What has come over a socket and has not been used yet. The array is rented and can be given away with an answer in it, so that a body reaches the caller without a copy. Used by one flow.
/// </summary>
internal sealed class ReceiveBuffer
{
    // Fits an answer of a few kilobytes; a connection whose answers are larger keeps to larger ones from then on.
    private const int SmallSize = 4096;

    private byte[]? _array;
    private int _start;
    private int _end;
    private int _size = SmallSize;

    /// <summary>What has come.</summary>
    public Span<byte> Unread => _array.AsSpan(_start, _end - _start);

    /// <summary>How much has come.</summary>
    public int Count => _end - _start;

    /// <summary>A part of <see cref="Unread"/>; valid until the next <see cref="Room"/>, or as long as the array when that is taken.</summary>
    public ReadOnlyMemory<byte> Slice(int start, int length) => _array.AsMemory(_start + start, length);

    /// <summary>Where to receive more; never empty.</summary>
    /// <param name="capacity">Bytes that <see cref="Unread"/> is expected to grow to.</param>
    public Memory<byte> Room(int capacity = 0)
    {
        _size = Math.Max(_size, capacity);
        if (_array is null) (_array, _start, _end) = (ArrayPool<byte>.Shared.Rent(_size), 0, 0);
        if (_start == _end) _start = _end = 0;
        if (_end == _array.Length || _array.Length - _start < capacity) Rearrange(capacity);
        return _array.AsMemory(_end);
    }

    /// <summary>So many bytes were received into the <see cref="Room"/>.</summary>
    public void Received(int count) => _end += count;

    /// <summary>Bytes at the beginning have been used.</summary>
    public void Consume(int count) => _start += count;

    /// <summary>Gives the array away, to be returned to the shared pool; what has not been used moves into another one.</summary>
    public byte[]? Take()
    {
        var (array, rest) = (_array, _end - _start);
        _array = rest > 0 ? ArrayPool<byte>.Shared.Rent(Math.Max(_size, rest)) : null;
        array.AsSpan(_start, rest).CopyTo(_array);
        (_start, _end) = (0, rest);
        return array;
    }

    /// <summary>Gives the array back to the shared pool. Nobody may be using it.</summary>
    public void Return()
    {
        if (_array is { } array) ArrayPool<byte>.Shared.Return(array);
        (_array, _start, _end) = (null, 0, 0);
    }

    private void Rearrange(int capacity)
    {
        var (array, rest) = (_array!, _end - _start);
        if (_start == 0 || array.Length < capacity) _array = ArrayPool<byte>.Shared.Rent(Math.Max(capacity, array.Length * 2));
        array.AsSpan(_start, rest).CopyTo(_array);
        if (!ReferenceEquals(array, _array)) ArrayPool<byte>.Shared.Return(array);
        (_start, _end) = (0, rest);
    }
}
