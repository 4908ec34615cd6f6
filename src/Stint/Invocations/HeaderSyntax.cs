using System.Buffers;

namespace Stint.Invocations;

/// <summary>What the names and values of headers may be made of, and which headers never travel on.</summary>
internal static class HeaderSyntax
{
    private const string TokenCharacters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private static readonly SearchValues<char> TokenChars = SearchValues.Create(TokenCharacters);
    private static readonly SearchValues<byte> TokenBytes = SearchValues.Create([.. TokenCharacters.Select(static c => (byte)c)]);
    private static readonly SearchValues<char> ForbiddenChars = SearchValues.Create([.. Controls().Select(static code => (char)code)]);
    private static readonly SearchValues<byte> ForbiddenBytes = SearchValues.Create([.. Controls().Select(static code => (byte)code)]);

    /// <summary>Whether it is a token (RFC 9110 section 5.6.2), as names of headers and methods are.</summary>
    public static bool IsToken(ReadOnlySpan<char> text) => text.Length > 0 && !text.ContainsAnyExcept(TokenChars);

    /// <inheritdoc cref="IsToken(ReadOnlySpan{char})"/>
    public static bool IsToken(ReadOnlySpan<byte> text) => text.Length > 0 && !text.ContainsAnyExcept(TokenBytes);

    /// <summary>Whether it can be a header's value: no control characters but the tab (RFC 9110 section 5.5).</summary>
    public static bool IsValue(ReadOnlySpan<char> text) => !text.ContainsAny(ForbiddenChars);

    /// <inheritdoc cref="IsValue(ReadOnlySpan{char})"/>
    public static bool IsValue(ReadOnlySpan<byte> text) => !text.ContainsAny(ForbiddenBytes);

    /// <summary>
    /// Headers of the connection, not of the message (RFC 9110 section 7.6.1), those for proxies, and HTTP/2's pseudo-headers: never passed on, in either direction. What a
    /// <c>Connection</c> header names besides is <see cref="IsNamedBy"/>'s.
    /// </summary>
    public static bool IsHopByHop(string name) => name.Length switch
    {
        0 => true,
        2 => Is(name, "TE"),
        7 => Is(name, "Trailer") || Is(name, "Upgrade"),
        10 => Is(name, "Connection") || Is(name, "Keep-Alive"),
        14 => Is(name, "HTTP2-Settings"),
        16 => Is(name, "Proxy-Connection"),
        17 => Is(name, "Transfer-Encoding"),
        18 => Is(name, "Proxy-Authenticate"),
        19 => Is(name, "Proxy-Authorization"),
        25 => Is(name, "Proxy-Authentication-Info"),
        _ => name[0] == ':',
    };

    /// <summary>Whether a <c>Connection</c> header's value names a header, which then is the connection's too.</summary>
    public static bool IsNamedBy(ReadOnlySpan<char> connection, string name)
    {
        foreach (var range in connection.Split(','))
            if (connection[range].Trim(" \t").Equals(name, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }

    private static bool Is(string name, string other) => name.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<int> Controls() => Enumerable.Range(0, 32).Where(static code => code != '\t').Append(127);
}
