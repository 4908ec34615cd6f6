using System.Text;
using Stint.Invocations;

namespace Stint.Backends.Processes.Protocol;

/// <summary>
/// Decodes the heads of one connection's RESPONSE frames. Most functions answer with the same headers every time, so the last list is kept and given out again: it must not be changed.
/// </summary>
internal sealed class ResponseHead
{
    private const int MaxRemembered = 512;

    private byte[] _lastBytes = [];
    private HeaderList _last = [];

    /// <summary>The headers in a head.</summary>
    /// <exception cref="ProtocolException">It is not made of names and values, or one of them could not be sent on.</exception>
    public HeaderList Decode(ReadOnlySpan<byte> head)
    {
        if (head.SequenceEqual(_lastBytes)) return _last;
        var headers = Parse(head);
        if (head.Length > MaxRemembered) return headers;
        _lastBytes = head.ToArray();
        _last = headers;
        return headers;
    }

    private static HeaderList Parse(ReadOnlySpan<byte> head)
    {
        var headers = new HeaderList();
        while (head.Length > 0)
        {
            var name = NextField(ref head, out var hasValue);
            if (!hasValue) throw new ProtocolException("a response header without a value");
            var value = NextField(ref head, out _);
            if (!HeaderSyntax.IsToken(name)) throw new ProtocolException($"'{Printable(name)}' is not a header name");
            if (!HeaderSyntax.IsValue(value)) throw new ProtocolException($"the value of the response header '{Printable(name)}' contains control characters");
            headers.Add(Encoding.ASCII.GetString(name), Encoding.UTF8.GetString(value));
        }
        return headers;
    }

    private static ReadOnlySpan<byte> NextField(ref ReadOnlySpan<byte> rest, out bool hasMore)
    {
        var end = rest.IndexOf((byte)0);
        hasMore = end >= 0;
        var field = hasMore ? rest[..end] : rest;
        rest = hasMore ? rest[(end + 1)..] : [];
        return field;
    }

    private static string Printable(ReadOnlySpan<byte> bytes)
    {
        var text = Encoding.ASCII.GetString(bytes[..Math.Min(bytes.Length, 40)]);
        return string.Create(text.Length, text, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++) span[i] = char.IsControl(source[i]) ? '?' : source[i];
        });
    }
}
