using System.Buffers.Text;
using System.Text;

namespace Stint.Watchdog.Http;

/// <summary>Bytes that are put together, over and over in the same memory.</summary>
internal sealed class ByteBuilder(int capacity)
{
    private byte[] _bytes = GC.AllocateUninitializedArray<byte>(capacity);

    /// <summary>How many bytes there are.</summary>
    public int Length { get; private set; }

    /// <summary>They themselves.</summary>
    public ReadOnlyMemory<byte> Memory => _bytes.AsMemory(0, Length);

    /// <summary>They themselves.</summary>
    public ReadOnlySpan<byte> Span => _bytes.AsSpan(0, Length);

    /// <summary>Begins anew; memory beyond what is usual is given back.</summary>
    public ByteBuilder Clear()
    {
        Length = 0;
        if (_bytes.Length > 64 * 1024) _bytes = GC.AllocateUninitializedArray<byte>(capacity);
        return this;
    }

    /// <summary>Adds bytes.</summary>
    public ByteBuilder Add(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        Length += bytes.Length;
        return this;
    }

    /// <summary>Adds text as UTF-8.</summary>
    public ByteBuilder Add(ReadOnlySpan<char> text)
    {
        Length += Encoding.UTF8.GetBytes(text, Room(Encoding.UTF8.GetMaxByteCount(text.Length)));
        return this;
    }

    /// <summary>Adds a number in decimal, or with the format <c>x</c> in hexadecimal, or <c>F6</c> for six decimals.</summary>
    public ByteBuilder Add(long number, char format = 'D')
    {
        _ = Utf8Formatter.TryFormat(number, Room(24), out var written, format);
        Length += written;
        return this;
    }

    /// <summary>Adds a number of seconds with six decimals, as X-Duration-Seconds has it.</summary>
    public ByteBuilder AddSeconds(TimeSpan duration)
    {
        Add((long)duration.TotalSeconds).Add("."u8);
        var micro = duration.Ticks / TimeSpan.TicksPerMicrosecond % 1_000_000;
        var digits = Room(6);
        for (var i = 5; i >= 0; i--, micro /= 10) digits[i] = (byte)('0' + micro % 10);
        Length += 6;
        return this;
    }

    /// <summary>Room for more, to be followed by <see cref="Advance"/>.</summary>
    public Span<byte> Room(int size)
    {
        if (_bytes.Length - Length < size) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + size));
        return _bytes.AsSpan(Length, size);
    }

    /// <summary>Room was used.</summary>
    public void Advance(int count) => Length += count;

    /// <summary>Drops all but the first bytes.</summary>
    public void Cut(int length) => Length = length;
}
