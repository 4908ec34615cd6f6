using System.Buffers.Text;

namespace Stint.Watchdog.Http;

/// <summary>How the end of a body is known (RFC 9112 section 6.3).</summary>
internal enum BodyEnd
{
    /// <summary>There is no body.</summary>
    None,

    /// <summary>After a number of bytes.</summary>
    Length,

    /// <summary>With the last chunk.</summary>
    Chunks,

    /// <summary>With the connection; answers only.</summary>
    Close,
}

/// <summary>A body's framing.</summary>
/// <param name="End">How its end is known.</param>
/// <param name="Length">Bytes, where that is how.</param>
internal readonly record struct Framing(BodyEnd End, long Length = 0)
{
    /// <summary>Reads it from a head's fields.</summary>
    /// <returns>0, or the status that refuses it: whatever two readers could understand in two ways is refused (RFC 9112 section 11.2, request smuggling).</returns>
    public static int TryRead(HeaderFields fields, BodyEnd without, out Framing framing)
    {
        framing = new(without);
        var coding = fields.IndexOf("Transfer-Encoding"u8);
        var length = fields.IndexOf("Content-Length"u8);
        if (coding >= 0)
        {
            if (length >= 0 || fields.IndexOf("Transfer-Encoding"u8, coding + 1) >= 0) return 400;
            if (!System.Text.Ascii.EqualsIgnoreCase(fields.Value(coding), "chunked"u8)) return 501;
            framing = new(BodyEnd.Chunks);
            return 0;
        }
        if (length < 0) return 0;
        var value = fields.Value(length);
        for (var i = fields.IndexOf("Content-Length"u8, length + 1); i >= 0; i = fields.IndexOf("Content-Length"u8, i + 1))
        {
            if (!fields.Value(i).SequenceEqual(value)) return 400;
        }
        if (value.IsEmpty || value.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !Utf8Parser.TryParse(value, out long bytes, out var used) || used != value.Length) return 400;
        framing = bytes == 0 && without == BodyEnd.None ? new(BodyEnd.None) : new(BodyEnd.Length, bytes);
        return 0;
    }
}
