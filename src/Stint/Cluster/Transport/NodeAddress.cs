using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Stint.Cluster.Transport;

/// <summary>Where a machine is reached: <c>HOST:PORT</c>, with <c>[…]</c> around an IPv6 address.</summary>
internal static class NodeAddress
{
    /// <summary>The port that machines of a cluster listen on unless they say otherwise.</summary>
    public const int DefaultPort = 8943;

    /// <summary>What is said of a text that is none.</summary>
    public const string Rule = "HOST:PORT, such as 10.0.0.7:8943, [fd00::7]:8943 or core.example:8943";

    /// <summary>Reads one; without a port, and with <c>https://</c> before it, it is one as well.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out DnsEndPoint? address)
    {
        address = null;
        text = text.Trim();
        if (text.StartsWith("https://", StringComparison.OrdinalIgnoreCase)) text = text["https://".Length..].TrimEnd('/');
        var (host, rest) = text.StartsWith('[') && text.IndexOf(']', StringComparison.Ordinal) is > 0 and var end ? (text[1..end], text[(end + 1)..])
            : text.LastIndexOf(':') is >= 0 and var colon && text.IndexOf(':', StringComparison.Ordinal) == colon ? (text[..colon], text[colon..])
            : (text, "");
        var port = DefaultPort;
        if (rest.Length > 0 && (rest[0] != ':' || !int.TryParse(rest.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is < 1 or > 65_535)) return false;
        if (host.Length is 0 or > 253 || Uri.CheckHostName(host) is UriHostNameType.Unknown or UriHostNameType.Basic) return false;
        address = new DnsEndPoint(host, port);
        return true;
    }

    /// <summary>Reads several, with commas; those that are none are left out.</summary>
    public static IReadOnlyList<DnsEndPoint> ParseList(string text)
    {
        var addresses = new List<DnsEndPoint>();
        foreach (var word in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
            if (TryParse(word, out var address)) addresses.Add(address);
        return addresses;
    }
}
