using System.Text;
using Stint.Coap.Messages;

namespace Stint.Coap;

/// <summary>What a handler answers. Immutable; one object may answer many requests.</summary>
public sealed record CoapResponse
{
    /// <summary>A bare 2.04.</summary>
    public static readonly CoapResponse Changed = new() { Code = CoapCode.Changed };

    /// <summary>A response code: 2.xx, 4.xx or 5.xx.</summary>
    public required CoapCode Code { get; init; }

    /// <summary>
    /// The body, of any size; the server cuts it into blocks. Its bytes must not change any more, as later blocks and notifications are read from them.
    /// The body of an error is a text for people and cut at the block size.
    /// </summary>
    public ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>The body's format, 0 to 65,535, see <see cref="ContentFormats"/>.</summary>
    public int? ContentFormat { get; init; }

    /// <summary>Seconds for which the answer is good, or with 5.03 after which to try again. Without it clients assume 60 s.</summary>
    public uint? MaxAge { get; init; }

    /// <summary>1 to 8 bytes that name this representation. An answer in blocks gets one from its content when this is empty.</summary>
    public ReadOnlyMemory<byte> ETag { get; init; }

    /// <summary>
    /// Other options, in ascending order of their numbers, such as Location-Path. Those that the server writes itself (ETag, Observe, Content-Format,
    /// Max-Age, the block and size options, Echo) are passed over.
    /// </summary>
    public IReadOnlyList<CoapOption> Options { get; init; } = [];

    /// <summary>2.05 with a text.</summary>
    public static CoapResponse Text(string text) => new() { Code = CoapCode.Content, ContentFormat = ContentFormats.TextPlain, Payload = Encoding.UTF8.GetBytes(text) };

    /// <summary>2.05 with bytes.</summary>
    public static CoapResponse Content(ReadOnlyMemory<byte> payload, int? contentFormat = null) =>
        new() { Code = CoapCode.Content, ContentFormat = contentFormat, Payload = payload };

    /// <summary>An error with a text for people (RFC 7252 §5.5.2: a diagnostic payload has no Content-Format).</summary>
    public static CoapResponse Error(CoapCode code, string diagnostic = "") => new() { Code = code, Payload = Encoding.UTF8.GetBytes(diagnostic) };
}
