using System.Buffers;

namespace Stint.Watchdog.Http;

/// <summary>The alphabets of RFC 9110, and the names of statuses.</summary>
internal static class HttpWords
{
    // RFC 9110 section 5.6.2: tchar
    private static readonly SearchValues<byte> Token = SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"u8);

    private static readonly SearchValues<byte> NotInField = SearchValues.Create([.. Enumerable.Range(0, 32).Where(static b => b != '\t').Select(static b => (byte)b), 127]);

    /// <summary>Whether it is a method or a field's name.</summary>
    public static bool IsToken(ReadOnlySpan<byte> text) => !text.IsEmpty && !text.ContainsAnyExcept(Token);

    /// <summary>Whether it has no control characters but tabs.</summary>
    public static bool IsFieldText(ReadOnlySpan<byte> text) => !text.ContainsAny(NotInField);

    /// <summary>Whether a request's target has only what a target may have: no spaces, no control characters.</summary>
    public static bool IsTarget(ReadOnlySpan<byte> text) => !text.IsEmpty && text.IndexOfAnyInRange((byte)0, (byte)32) < 0 && !text.Contains((byte)127);

    /// <summary>The words after a status.</summary>
    public static ReadOnlySpan<byte> Reason(int status) => status switch
    {
        100 => "Continue"u8,
        101 => "Switching Protocols"u8,
        200 => "OK"u8,
        206 => "Partial Content"u8,
        301 => "Moved Permanently"u8,
        304 => "Not Modified"u8,
        400 => "Bad Request"u8,
        404 => "Not Found"u8,
        405 => "Method Not Allowed"u8,
        408 => "Request Timeout"u8,
        413 => "Content Too Large"u8,
        416 => "Range Not Satisfiable"u8,
        417 => "Expectation Failed"u8,
        429 => "Too Many Requests"u8,
        431 => "Request Header Fields Too Large"u8,
        500 => "Internal Server Error"u8,
        501 => "Not Implemented"u8,
        502 => "Bad Gateway"u8,
        503 => "Service Unavailable"u8,
        504 => "Gateway Timeout"u8,
        505 => "HTTP Version Not Supported"u8,
        _ => ""u8,
    };
}
