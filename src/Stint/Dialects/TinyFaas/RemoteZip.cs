using System.Net;
using System.Net.Sockets;
using Stint.Functions.Deployments;
using Stint.Network;

namespace Stint.Dialects.TinyFaas;

/// <summary>
/// Fetches a zip for <c>/uploadURL</c>. It is a request that a stranger makes this host send, so it goes only where the stranger could go as well: not to this host itself, not to link-local
/// addresses such as a cloud's metadata service. Every address that a name resolves to is checked at the moment of connecting, also after a redirect.
/// </summary>
internal sealed class RemoteZip : IDisposable
{
    private const int MaxRedirects = 5;
    private static readonly TimeSpan TimeLimit = TimeSpan.FromMinutes(2);

    private readonly HttpClient _http;
    private readonly long _maxBytes;

    /// <summary>Prepares it.</summary>
    /// <param name="maxBytes">The largest zip.</param>
    /// <param name="allowLocal">Whether loopback and link-local targets are allowed.</param>
    public RemoteZip(long maxBytes, bool allowLocal)
    {
        _maxBytes = maxBytes;
        _http = new HttpClient(new SocketsHttpHandler
        {
            MaxAutomaticRedirections = MaxRedirects,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            // A proxy that the operator configured decides by itself what may be reached; the check below then sees the proxy's address.
            ConnectCallback = allowLocal ? null : ConnectAsync,
        })
        {
            Timeout = TimeLimit,
        };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("stint");
    }

    /// <summary>Fetches into a stream.</summary>
    /// <exception cref="DeploymentException">It cannot be fetched, is too large, or lies where it must not.</exception>
    public async Task FetchAsync(string? url, Stream destination, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")) throw TinyFaasFunction.Bad("'url' must be an http or https URL");
        try
        {
            using var response = await _http.GetAsync(uri, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode) throw TinyFaasFunction.Bad($"{uri.Host} answered {(int)response.StatusCode} for the url");
            if (response.Content.Headers.ContentLength > _maxBytes) throw TooLarge();
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            var buffer = new byte[64 * 1024];
            var total = 0L;
            while (await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
            {
                if ((total += count) > _maxBytes) throw TooLarge();
                await destination.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is HttpRequestException or SocketException)
        {
            throw TinyFaasFunction.Bad($"the url cannot be fetched: {failure.InnerException?.Message ?? failure.Message}");
        }
        catch (IOException failure) when (!cancellationToken.IsCancellationRequested)
        {
            throw TinyFaasFunction.Bad($"the url cannot be fetched: {failure.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw TinyFaasFunction.Bad($"the url could not be fetched within {TimeLimit.TotalSeconds:0} s");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken).ConfigureAwait(false);
        var allowed = Array.FindAll(addresses, static address => !LocalAddress.Is(address));
        if (allowed.Length == 0)
            throw new IOException($"{context.DnsEndPoint.Host} is this host itself or link-local; uploads from there need --allow-local-urls");
        return await TcpStream.OpenAsync(allowed, context.DnsEndPoint.Port, cancellationToken).ConfigureAwait(false);
    }

    private DeploymentException TooLarge() => TinyFaasFunction.Bad($"the zip is larger than {_maxBytes / (1024 * 1024)} MiB (--max-upload)");
}
