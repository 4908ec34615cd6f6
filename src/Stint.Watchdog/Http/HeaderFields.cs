using System.Text;

namespace Stint.Watchdog.Http;

/// <summary>The fields of one head, as places in the bytes they were read from: nothing is copied.</summary>
internal sealed class HeaderFields
{
    private const int MaxFields = 1000; // arbitrary, above what any client sends; the head's size is bounded besides

    private (int Name, int NameLength, int Value, int ValueLength)[] _fields = new (int, int, int, int)[32];
    private byte[] _bytes = [];

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>A field's name.</summary>
    public ReadOnlySpan<byte> Name(int index) => _bytes.AsSpan(_fields[index].Name, _fields[index].NameLength);

    /// <summary>A field's value, without white space around it.</summary>
    public ReadOnlySpan<byte> Value(int index) => _bytes.AsSpan(_fields[index].Value, _fields[index].ValueLength);

    /// <summary>The first field of a name; empty when there is none.</summary>
    public ReadOnlySpan<byte> Find(ReadOnlySpan<byte> name) => IndexOf(name) is var index and >= 0 ? Value(index) : default;

    /// <summary>The place of the first field of a name; −1 when there is none.</summary>
    public int IndexOf(ReadOnlySpan<byte> name, int from = 0)
    {
        for (var i = from; i < Count; i++)
        {
            if (Ascii.EqualsIgnoreCase(Name(i), name)) return i;
        }
        return -1;
    }

    /// <summary>Whether one of a name's fields has a word in its comma-separated list.</summary>
    public bool Lists(ReadOnlySpan<byte> name, ReadOnlySpan<byte> word)
    {
        for (var i = IndexOf(name); i >= 0; i = IndexOf(name, i + 1))
        {
            foreach (var range in Value(i).Split((byte)','))
            {
                if (Ascii.EqualsIgnoreCase(Trim(Value(i)[range]), word)) return true;
            }
        }
        return false;
    }

    /// <summary>Reads the field lines of a head (RFC 9112 section 5): <c>field-name ":" OWS field-value OWS CRLF</c>, up to the empty line.</summary>
    /// <param name="bytes">Where they are; must stay as they are while the fields are looked at.</param>
    /// <param name="start">Where the first line begins.</param>
    /// <param name="end">After the CRLF of the last line.</param>
    /// <returns>Whether they are well-formed. Strict, since other readers of the same bytes must not see other fields: no folded lines, no space before the colon, no control characters.</returns>
    public bool TryRead(byte[] bytes, int start, int end)
    {
        (_bytes, Count) = (bytes, 0);
        while (start < end)
        {
            var line = bytes.AsSpan(start, end - start);
            line = line[..line.IndexOf("\r\n"u8)];
            var colon = line.IndexOf((byte)':');
            if (colon <= 0 || !HttpWords.IsToken(line[..colon]) || Count == MaxFields) return false;
            var value = line[(colon + 1)..];
            if (!HttpWords.IsFieldText(value)) return false;
            var trimmed = Trim(value);
            var leading = trimmed.IsEmpty ? 0 : value.IndexOfAnyExcept((byte)' ', (byte)'\t');
            if (Count == _fields.Length) Array.Resize(ref _fields, Count * 2);
            _fields[Count++] = (start, colon, start + colon + 1 + leading, trimmed.Length);
            start += line.Length + 2;
        }
        return true;
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text) => text.Trim(" \t"u8);
}
