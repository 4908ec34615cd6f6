using System.Net;

namespace Stint.Ingress.Http;

/// <summary>The proxies before this daemon whose <c>Forwarded</c> and <c>X-Forwarded-…</c> headers are true, because they set them themselves. Any other caller could write anything there.</summary>
/// <param name="networks">Their addresses.</param>
internal sealed class TrustedProxies(IReadOnlyList<IPNetwork> networks)
{
    /// <summary>Nobody.</summary>
    public static TrustedProxies None { get; } = new([]);

    /// <summary>Whether an address is one of theirs; IPv4 may come mapped into IPv6.</summary>
    public bool Contains(IPAddress? address)
    {
        if (networks.Count == 0 || address is null) return false;
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        foreach (var network in networks)
            if (network.Contains(plain)) return true;
        return false;
    }
}
