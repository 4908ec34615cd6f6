using System.Collections.Concurrent;

namespace Stint.Ingress.Http;

/// <summary>Which headers travel, and how their names are spelt (contract tinyfaas.md: functions see the canonical HTTP capitalisation, <c>User-Agent</c>).</summary>
internal static class HeaderNames
{
    // Names come from outside: the table stops growing here, further names are spelt anew each time.
    private const int MaxRemembered = 1024;
    private static readonly ConcurrentDictionary<string, string> Remembered = new(StringComparer.Ordinal);

    /// <summary>Headers of the connection, not of the message (RFC 9110 section 7.6.1), and HTTP/2's pseudo-headers: never passed on, in either direction.</summary>
    public static bool IsHopByHop(string name) => name.Length switch
    {
        0 => true,
        2 => name.Equals("TE", StringComparison.OrdinalIgnoreCase),
        7 => name.Equals("Trailer", StringComparison.OrdinalIgnoreCase) || name.Equals("Upgrade", StringComparison.OrdinalIgnoreCase),
        10 => name.Equals("Connection", StringComparison.OrdinalIgnoreCase) || name.Equals("Keep-Alive", StringComparison.OrdinalIgnoreCase),
        16 => name.Equals("Proxy-Connection", StringComparison.OrdinalIgnoreCase),
        17 => name.Equals("Transfer-Encoding", StringComparison.OrdinalIgnoreCase),
        _ => name[0] == ':',
    };

    /// <summary>Capitalises the first letter and each one after a dash, the rest in lower case, as Go's <c>CanonicalMIMEHeaderKey</c> does.</summary>
    public static string Canonical(string name)
    {
        if (IsCanonical(name)) return name;
        if (Remembered.TryGetValue(name, out var known)) return known;
        var spelt = string.Create(name.Length, name, static (span, source) =>
        {
            var upper = true;
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = upper ? char.ToUpperInvariant(source[i]) : char.ToLowerInvariant(source[i]);
                upper = source[i] == '-';
            }
        });
        if (Remembered.Count < MaxRemembered) Remembered.TryAdd(name, spelt);
        return spelt;
    }

    private static bool IsCanonical(string name)
    {
        var upper = true;
        foreach (var c in name)
        {
            if (upper ? char.IsAsciiLetterLower(c) : char.IsAsciiLetterUpper(c)) return false;
            upper = c == '-';
        }
        return true;
    }
}
