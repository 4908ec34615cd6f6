using System.Text;

namespace Stint.Functions.Wasm;

/// <summary>Reads the elements of the binary format (WebAssembly core specification 2.0, chapter 5) out of bytes that nobody has checked. It never reads past the end, and allocates only for names.</summary>
internal ref struct WasmReader(ReadOnlySpan<byte> bytes, int start, int end)
{
    /// <summary>The longest name, in bytes: V8's own limit (kV8MaxWasmStringSize).</summary>
    private const int MaxName = 100_000;

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Offset of the next byte in the module.</summary>
    public int At { get; private set; } = start;

    /// <summary>Offset after the last byte that may be read.</summary>
    public int End { get; } = end;

    /// <summary>Whether all has been read.</summary>
    public readonly bool IsAtEnd => At == End;

    /// <summary>One byte.</summary>
    public byte Byte(string what) => At < End ? _bytes[At++] : throw Cut(what);

    /// <summary>A u32 in LEB128: at most five bytes, of which the last may not carry bits beyond 32.</summary>
    public uint U32(string what)
    {
        uint value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = Byte(what);
            if (shift == 28 && next > 0x0f) throw Malformed($"{what} is no number of 32 bits");
            value |= (uint)(next & 0x7f) << shift;
            if (next < 0x80) return value;
        }
    }

    /// <summary>A number of things, each of which takes a byte at least: more than there are bytes is a lie.</summary>
    public int Count(string what)
    {
        var count = U32(what);
        return count <= (uint)(End - At) ? (int)count : throw Malformed($"{count:N0} {what} are announced where {End - At:N0} bytes are left");
    }

    /// <summary>A name.</summary>
    public string Name(string what)
    {
        var length = Count($"bytes of {what}");
        if (length > MaxName) throw Malformed($"{what} has {length:N0} bytes");
        var text = _bytes.Slice(At, length);
        try
        {
            var name = Strict.GetString(text);
            At += length;
            return name;
        }
        catch (DecoderFallbackException)
        {
            throw Malformed($"{what} is not UTF-8");
        }
    }

    /// <summary>Bytes that are not looked into.</summary>
    public void Skip(int count, string what) => At = count <= End - At ? At + count : throw Cut(what);

    /// <summary>Bytes between two offsets.</summary>
    public readonly ReadOnlySpan<byte> Slice(int from, int count) => _bytes.Slice(from, count);

    /// <summary>What is not as the format has it.</summary>
    public readonly ModuleRejectedException Malformed(string why) => new($"the file is no valid WebAssembly module: at byte {At:N0}, {why}; build it again");

    private readonly ModuleRejectedException Cut(string what) => Malformed($"{what} is missing, the section ends before it");
}
