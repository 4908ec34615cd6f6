using System.Collections.Concurrent;

namespace Stint.Ingress.Http;

/// <summary>How headers' names are spelt (contract tinyfaas.md: functions see the canonical HTTP capitalisation, <c>User-Agent</c>).</summary>
internal static class HeaderNames
{
    // Names come from outside: the table stops growing here, further names are spelt anew each time.
    private const int MaxRemembered = 1024;
    private static readonly ConcurrentDictionary<string, string> Remembered = new(StringComparer.Ordinal);

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
