using System.Net;
using Stint.Network;

namespace Stint.Deliveries.Callbacks;

/// <summary>
/// Where results may be sent: whoever can call a function can name a URL, and is not to reach through us what only this host can reach. Addresses are looked at when they are connected to, so that
/// a name cannot mean something else by then.
/// </summary>
/// <param name="allowed">Networks that are allowed although they are this host's own or link-local.</param>
/// <param name="resolve">Finds a name's addresses; null = as the host does.</param>
internal sealed class CallbackRules(IReadOnlyList<IPNetwork> allowed, Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null)
{
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> _resolve = resolve ?? Dns.GetHostAddressesAsync;

    /// <summary>The header that names the URL.</summary>
    public const string Header = "X-Callback-Url";

    private const int MaxLength = 2048; // arbitrary; no server takes longer ones for granted

    /// <summary>Why a URL is not acceptable, for its caller; null when it is, as far as one can tell without looking its name up.</summary>
    public string? Refuse(string url)
    {
        if (url.Length > MaxLength) return $"{Header} is longer than {MaxLength} characters";
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0) return $"{Header} must be an absolute URL with http or https, such as http://example.com/done";
        if (IPAddress.TryParse(uri.IdnHost.Trim('[', ']'), out var address) && !IsAllowed(address)) return $"{Header} {Refusal(address)}";
        return uri.IdnHost.Equals("localhost", StringComparison.OrdinalIgnoreCase) && !IsAllowed(IPAddress.Loopback) && !IsAllowed(IPAddress.IPv6Loopback) ? $"{Header} {Refusal(IPAddress.Loopback)}" : null;
    }

    /// <summary>Whether an address may be connected to.</summary>
    public bool IsAllowed(IPAddress address)
    {
        var plain = LocalAddress.Plain(address);
        foreach (var network in allowed)
            if (network.Contains(plain)) return true;
        return !LocalAddress.Is(plain);
    }

    /// <summary>Why an address may not.</summary>
    public static string Refusal(IPAddress address) => $"leads to {address}, which is this host itself, link-local or no single host; the daemon's operator can allow it with --callback-allow";

    /// <summary>Connects to the allowed ones among a host's addresses.</summary>
    /// <exception cref="CallbackRefusedException">There is none.</exception>
    public async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(context.DnsEndPoint.Host, out var literal) ? [literal] : await _resolve(context.DnsEndPoint.Host, cancellationToken).ConfigureAwait(false);
        var good = Array.FindAll(addresses, IsAllowed);
        if (good.Length == 0 && addresses.Length > 0) throw new CallbackRefusedException($"{context.DnsEndPoint.Host} {Refusal(addresses[0])}");
        return await TcpStream.OpenAsync(good, context.DnsEndPoint.Port, cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>A callback leads where it must not.</summary>
internal sealed class CallbackRefusedException(string message) : IOException(message);
