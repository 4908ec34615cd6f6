using System.Collections.Frozen;
using System.Globalization;

namespace Stint.Coap.Messages;

/// <summary>
/// Content-Format numbers and the media types they stand for (RFC 7252 §12.3 and the IANA registry "CoAP Content-Formats").
/// A number that is not in the table is written <c>application/vnd.coap; cf=N</c>, so that nothing is lost on the way to a function and back.
/// </summary>
public static class ContentFormats
{
    public const int TextPlain = 0;
    public const int LinkFormat = 40;
    public const int OctetStream = 42;
    public const int Json = 50;
    public const int Cbor = 60;

    private const string Unlisted = "application/vnd.coap";

    private static readonly FrozenDictionary<int, string> MediaTypes = new Dictionary<int, string>
    {
        [TextPlain] = "text/plain; charset=utf-8",
        [16] = "application/cose; cose-type=\"cose-encrypt0\"",
        [17] = "application/cose; cose-type=\"cose-mac0\"",
        [18] = "application/cose; cose-type=\"cose-sign1\"",
        [LinkFormat] = "application/link-format",
        [41] = "application/xml",
        [OctetStream] = "application/octet-stream",
        [47] = "application/exi",
        [Json] = "application/json",
        [51] = "application/json-patch+json",
        [52] = "application/merge-patch+json",
        [Cbor] = "application/cbor",
        [61] = "application/cwt",
        [62] = "application/multipart-core",
        [63] = "application/cbor-seq",
        [110] = "application/senml+json",
        [112] = "application/senml+cbor",
        [310] = "application/senml+xml",
        [11050] = "application/json; deflate",
        [11060] = "application/cbor; deflate",
        [11542] = "application/vnd.oma.lwm2m+tlv",
        [11543] = "application/vnd.oma.lwm2m+json",
        [20000] = "text/css",
        [30000] = "image/svg+xml",
        [21] = "image/gif",
        [22] = "image/jpeg",
        [23] = "image/png",
    }.ToFrozenDictionary();

    // Without parameters: `text/plain; charset=utf-8` and `text/plain` are the same format here; cose is told apart by its parameter and so left out.
    private static readonly FrozenDictionary<string, int> Numbers =
        MediaTypes.Where(pair => !pair.Value.StartsWith("application/cose", StringComparison.Ordinal) && !pair.Value.EndsWith("deflate", StringComparison.Ordinal))
            .ToFrozenDictionary(pair => Essence(pair.Value), pair => pair.Key, StringComparer.OrdinalIgnoreCase);

    /// <summary>The media type of a number from 0 to 65,535.</summary>
    public static string ToMediaType(int contentFormat) =>
        MediaTypes.TryGetValue(contentFormat, out var type) ? type : string.Create(CultureInfo.InvariantCulture, $"{Unlisted}; cf={contentFormat}");

    /// <summary>The number of a media type; null when it has none.</summary>
    public static int? FromMediaType(string mediaType)
    {
        foreach (var pair in MediaTypes)
            if (string.Equals(pair.Value, mediaType.Trim(), StringComparison.OrdinalIgnoreCase)) return pair.Key;
        var essence = Essence(mediaType);
        if (Numbers.TryGetValue(essence, out var number)) return number;
        if (!string.Equals(essence, Unlisted, StringComparison.OrdinalIgnoreCase)) return null;

        var at = mediaType.IndexOf("cf=", StringComparison.OrdinalIgnoreCase);
        return at >= 0 && ushort.TryParse(mediaType.AsSpan(at + 3).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }

    private static string Essence(string mediaType)
    {
        var semicolon = mediaType.IndexOf(';', StringComparison.Ordinal);
        return (semicolon < 0 ? mediaType : mediaType[..semicolon]).Trim();
    }
}
