using System.Globalization;
using System.Text;

namespace Stint.Coap.Discovery;

/// <summary>
/// Writes and filters links in the link format:
/// <code>
/// link-value = "&lt;" URI "&gt;" *( ";" name [ "=" ( token | quoted-string ) ] )      RFC 6690 §2
/// ?name=value    value may end in "*": prefix                             RFC 6690 §4.1
/// </code>
/// </summary>
internal static class LinkFormat
{
    /// <summary>The document with all links that pass the filter.</summary>
    /// <param name="links">All links.</param>
    /// <param name="query">The query's parts; the first with a <c>=</c> is the filter (§4.1 allows one), others are passed over.</param>
    public static string Write(IEnumerable<CoapLink> links, IReadOnlyList<string> query)
    {
        var filter = query.FirstOrDefault(part => part.IndexOf('=', StringComparison.Ordinal) > 0);
        var document = new StringBuilder();
        foreach (var link in links)
        {
            if (filter is not null && !Passes(link, filter)) continue;
            if (document.Length > 0) document.Append(',');
            Append(document, link);
        }

        return document.ToString();
    }

    private static bool Passes(CoapLink link, string filter)
    {
        var equals = filter.IndexOf('=', StringComparison.Ordinal);
        var wanted = filter.AsSpan(equals + 1);
        var isPrefix = wanted.EndsWith("*");
        if (isPrefix) wanted = wanted[..^1];
        return filter[..equals] switch
        {
            "href" => Matches(link.Path, wanted, isPrefix),
            "rt" => Any(link.ResourceTypes, wanted, isPrefix),
            "if" => Any(link.Interfaces, wanted, isPrefix),
            "ct" => Any(link.ContentFormats.Select(Number), wanted, isPrefix),
            "title" => link.Title is not null && Matches(link.Title, wanted, isPrefix),
            "sz" => link.Size is { } size && Matches(Number(size), wanted, isPrefix),
            "obs" => link.IsObservable && wanted.IsEmpty,
            _ => false,
        };
    }

    private static bool Any(IEnumerable<string> values, ReadOnlySpan<char> wanted, bool isPrefix)
    {
        foreach (var value in values)
            if (Matches(value, wanted, isPrefix)) return true;
        return false;
    }

    private static bool Matches(string value, ReadOnlySpan<char> wanted, bool isPrefix) =>
        isPrefix ? value.AsSpan().StartsWith(wanted, StringComparison.Ordinal) : value.AsSpan().SequenceEqual(wanted);

    private static void Append(StringBuilder document, CoapLink link)
    {
        document.Append('<').Append(link.Path).Append('>');
        if (link.ResourceTypes.Count > 0) AppendQuoted(document, "rt", string.Join(' ', link.ResourceTypes));
        if (link.Interfaces.Count > 0) AppendQuoted(document, "if", string.Join(' ', link.Interfaces));
        if (link.ContentFormats.Count == 1) document.Append(";ct=").Append(Number(link.ContentFormats[0]));
        if (link.ContentFormats.Count > 1) AppendQuoted(document, "ct", string.Join(' ', link.ContentFormats.Select(Number)));
        if (link.Title is not null) AppendQuoted(document, "title", link.Title);
        if (link.Size is { } size) document.Append(";sz=").Append(Number(size));
        if (link.IsObservable) document.Append(";obs");
    }

    private static void AppendQuoted(StringBuilder document, string name, string value)
    {
        document.Append(';').Append(name).Append("=\"");
        foreach (var c in value)
        {
            if (c is '"' or '\\') document.Append('\\');
            document.Append(c);
        }

        document.Append('"');
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
