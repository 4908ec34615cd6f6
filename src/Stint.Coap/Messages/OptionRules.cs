namespace Stint.Coap.Messages;

/// <summary>
/// Which options a request may carry, how long they may be and how often they may occur (RFC 7252 §5.10, RFC 7641 §2,
/// RFC 7959 §2.1 and §4, RFC 7967 §2, RFC 8768 §3, RFC 9175 §2.2 and §3.2).
/// </summary>
internal static class OptionRules
{
    /// <summary>
    /// Whether the occurrence is one that we recognise. A wrong length (§5.4.3) and an occurrence too many (§5.4.5) count as not recognised:
    /// a critical option is then refused, an elective one passed over.
    /// </summary>
    /// <param name="number">The option's number.</param>
    /// <param name="length">The length of its value, bytes.</param>
    /// <param name="repeated">Whether the same number came before in this message.</param>
    public static bool Recognises(int number, int length, bool repeated) => number switch
    {
        OptionNumber.IfMatch => length <= 8,
        OptionNumber.UriHost => length is >= 1 and <= 255 && !repeated,
        OptionNumber.ETag => length is >= 1 and <= 8,
        OptionNumber.IfNoneMatch => length == 0 && !repeated,
        OptionNumber.Observe => length <= 3 && !repeated,
        OptionNumber.UriPort => length <= 2 && !repeated,
        OptionNumber.UriPath or OptionNumber.UriQuery => length <= 255,
        OptionNumber.ContentFormat or OptionNumber.Accept => length <= 2 && !repeated,
        OptionNumber.HopLimit => length == 1 && !repeated,
        OptionNumber.Block1 or OptionNumber.Block2 => length <= 3 && !repeated,
        OptionNumber.Size1 or OptionNumber.Size2 => length <= 4 && !repeated,
        OptionNumber.ProxyUri => length is >= 1 and <= 1034 && !repeated,
        OptionNumber.ProxyScheme => length is >= 1 and <= 255 && !repeated,
        OptionNumber.Echo => length is >= 1 and <= 40 && !repeated,
        OptionNumber.NoResponse => length <= 1 && !repeated,
        OptionNumber.RequestTag => length <= 8,
        _ => false,
    };
}
