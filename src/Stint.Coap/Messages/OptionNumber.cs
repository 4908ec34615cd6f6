namespace Stint.Coap.Messages;

/// <summary>The option numbers that the library knows, and what RFC 7252 §5.4 reads out of a number.</summary>
public static class OptionNumber
{
    public const int IfMatch = 1;
    public const int UriHost = 3;
    public const int ETag = 4;
    public const int IfNoneMatch = 5;

    /// <summary>RFC 7641.</summary>
    public const int Observe = 6;
    public const int UriPort = 7;
    public const int LocationPath = 8;
    public const int UriPath = 11;
    public const int ContentFormat = 12;
    public const int MaxAge = 14;
    public const int UriQuery = 15;

    /// <summary>RFC 8768.</summary>
    public const int HopLimit = 16;
    public const int Accept = 17;
    public const int LocationQuery = 20;

    /// <summary>RFC 7959.</summary>
    public const int Block2 = 23;

    /// <summary>RFC 7959.</summary>
    public const int Block1 = 27;

    /// <summary>RFC 7959.</summary>
    public const int Size2 = 28;
    public const int ProxyUri = 35;
    public const int ProxyScheme = 39;
    public const int Size1 = 60;

    /// <summary>RFC 9175.</summary>
    public const int Echo = 252;

    /// <summary>RFC 7967.</summary>
    public const int NoResponse = 258;

    /// <summary>RFC 9175.</summary>
    public const int RequestTag = 292;

    /// <summary>Odd numbers are critical: who does not understand one must not go on.</summary>
    public static bool IsCritical(int number) => (number & 1) != 0;

    /// <summary>Whether a change of the option makes a different cache entry (§5.4.6).</summary>
    public static bool IsCacheKey(int number) => (number & 0x1e) != 0x1c;
}
