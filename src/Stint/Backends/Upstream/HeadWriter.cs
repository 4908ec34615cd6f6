using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;

namespace Stint.Backends.Upstream;

/// <summary>Writes the lines of a request's head into a rented buffer. What it is given must have been checked; it only keeps the size.</summary>
internal ref struct HeadWriter
{
    // UTF-8 needs at most three bytes for a UTF-16 unit.
    private const int MaxBytesPerChar = 3;

    private byte[] _rented;
    private int _length;

    /// <summary>Begins.</summary>
    /// <param name="size">Bytes that will do as a rule.</param>
    public HeadWriter(int size) => _rented = ArrayPool<byte>.Shared.Rent(size);

    /// <summary>Bytes so far.</summary>
    public readonly int Length => _length;

    /// <summary><c>Name: value</c> and the line's end.</summary>
    public void Header(string name, string value)
    {
        Begin(name);
        Value(value);
        End();
    }

    /// <summary><c>Name: </c></summary>
    public void Begin(string name)
    {
        Value(name);
        Raw(": "u8);
    }

    /// <summary>Text, in UTF-8.</summary>
    public void Value(ReadOnlySpan<char> text)
    {
        if (!Encoding.UTF8.TryGetBytes(text, _rented.AsSpan(_length), out var written)) written = Encoding.UTF8.GetBytes(text, Room(text.Length * MaxBytesPerChar));
        _length += written;
    }

    /// <summary>An address; IPv4 as such even if it came mapped into IPv6.</summary>
    public void Value(IPAddress address)
    {
        const int longest = 65; // INET6_ADDRSTRLEN with a scope
        (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).TryFormat(Room(longest), out var written);
        _length += written;
    }

    /// <summary>A number.</summary>
    public void Value(long number)
    {
        number.TryFormat(Room(20), out var written, default, CultureInfo.InvariantCulture);
        _length += written;
    }

    /// <summary>Bytes as they are.</summary>
    public void Raw(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        _length += bytes.Length;
    }

    /// <summary>Bytes as they are.</summary>
    public void Raw(in ReadOnlySequence<byte> bytes)
    {
        bytes.CopyTo(Room((int)bytes.Length));
        _length += (int)bytes.Length;
    }

    /// <summary>The line's end.</summary>
    public void End() => Raw("\r\n"u8);

    /// <summary>Gives the buffer away, to be returned to the shared pool.</summary>
    public readonly byte[] Take() => _rented;

    private Span<byte> Room(int needed)
    {
        if (_rented.Length - _length < needed)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_rented.Length * 2, _length + needed));
            _rented.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_rented);
            _rented = larger;
        }
        return _rented.AsSpan(_length);
    }
}
