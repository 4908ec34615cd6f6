namespace Stint.Coap.Messages;

/// <summary>A request method or a response code: three bits class, five bits detail, written <c>c.dd</c> (RFC 7252 §12.1).</summary>
/// <param name="Value">The byte on the wire.</param>
public readonly record struct CoapCode(byte Value)
{
    /// <summary>0.00: no request and no response (ping, bare acknowledgement, reset).</summary>
    public static readonly CoapCode Empty = new(0);

    /// <summary>0.01.</summary>
    public static readonly CoapCode Get = new(1);

    /// <summary>0.02.</summary>
    public static readonly CoapCode Post = new(2);

    /// <summary>0.03.</summary>
    public static readonly CoapCode Put = new(3);

    /// <summary>0.04.</summary>
    public static readonly CoapCode Delete = new(4);

    /// <summary>0.05 (RFC 8132).</summary>
    public static readonly CoapCode Fetch = new(5);

    /// <summary>0.06 (RFC 8132).</summary>
    public static readonly CoapCode Patch = new(6);

    /// <summary>0.07 (RFC 8132).</summary>
    public static readonly CoapCode IPatch = new(7);

    /// <summary>2.01.</summary>
    public static readonly CoapCode Created = Of(2, 1);

    /// <summary>2.02.</summary>
    public static readonly CoapCode Deleted = Of(2, 2);

    /// <summary>2.03: the client's stored answer is still the right one.</summary>
    public static readonly CoapCode Valid = Of(2, 3);

    /// <summary>2.04.</summary>
    public static readonly CoapCode Changed = Of(2, 4);

    /// <summary>2.05.</summary>
    public static readonly CoapCode Content = Of(2, 5);

    /// <summary>2.31: send the next block (RFC 7959).</summary>
    public static readonly CoapCode Continue = Of(2, 31);

    /// <summary>4.00.</summary>
    public static readonly CoapCode BadRequest = Of(4, 0);

    /// <summary>4.01.</summary>
    public static readonly CoapCode Unauthorized = Of(4, 1);

    /// <summary>4.02: a critical option that is unknown or unusable.</summary>
    public static readonly CoapCode BadOption = Of(4, 2);

    /// <summary>4.03.</summary>
    public static readonly CoapCode Forbidden = Of(4, 3);

    /// <summary>4.04.</summary>
    public static readonly CoapCode NotFound = Of(4, 4);

    /// <summary>4.05.</summary>
    public static readonly CoapCode MethodNotAllowed = Of(4, 5);

    /// <summary>4.06.</summary>
    public static readonly CoapCode NotAcceptable = Of(4, 6);

    /// <summary>4.08: blocks are missing (RFC 7959).</summary>
    public static readonly CoapCode RequestEntityIncomplete = Of(4, 8);

    /// <summary>4.12.</summary>
    public static readonly CoapCode PreconditionFailed = Of(4, 12);

    /// <summary>4.13.</summary>
    public static readonly CoapCode RequestEntityTooLarge = Of(4, 13);

    /// <summary>4.15.</summary>
    public static readonly CoapCode UnsupportedContentFormat = Of(4, 15);

    /// <summary>4.29 (RFC 8516).</summary>
    public static readonly CoapCode TooManyRequests = Of(4, 29);

    /// <summary>5.00.</summary>
    public static readonly CoapCode InternalServerError = Of(5, 0);

    /// <summary>5.01.</summary>
    public static readonly CoapCode NotImplemented = Of(5, 1);

    /// <summary>5.02.</summary>
    public static readonly CoapCode BadGateway = Of(5, 2);

    /// <summary>5.03; Max-Age says when to try again.</summary>
    public static readonly CoapCode ServiceUnavailable = Of(5, 3);

    /// <summary>5.04.</summary>
    public static readonly CoapCode GatewayTimeout = Of(5, 4);

    /// <summary>5.05.</summary>
    public static readonly CoapCode ProxyingNotSupported = Of(5, 5);

    /// <summary>0 for requests; 2, 4 and 5 for responses; 1, 3, 6 and 7 are reserved.</summary>
    public int Class => Value >> 5;

    /// <summary>The part after the dot, 0 to 31.</summary>
    public int Detail => Value & 0x1f;

    /// <summary>Whether it is a request method, known or not.</summary>
    public bool IsRequest => Class == 0 && Value != 0;

    /// <summary>Whether it is one of the seven methods of RFC 7252 and RFC 8132.</summary>
    public bool IsKnownMethod => Value is >= 1 and <= 7;

    /// <summary>Whether it is a response code.</summary>
    public bool IsResponse => Class is 2 or 4 or 5;

    /// <summary>Whether it is a response that says yes (2.xx).</summary>
    public bool IsSuccess => Class == 2;

    /// <summary>The code of a class (0 to 7) and a detail (0 to 31).</summary>
    public static CoapCode Of(int @class, int detail)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)@class, 7u, nameof(@class));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)detail, 31u, nameof(detail));
        return new CoapCode((byte)((@class << 5) | detail));
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Class}.{Detail:00}";
}
