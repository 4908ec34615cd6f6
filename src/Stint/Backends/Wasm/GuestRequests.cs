using System.Net;
using System.Net.Sockets;
using Stint.Functions;
using Stint.Network;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Wasm;

/// <summary>Makes the HTTP requests of FunLess's guests (<c>__http_request</c>), who have no network themselves. What fails is status 0 for the guest and a line in the function's log.</summary>
internal sealed class GuestRequests : IDisposable
{
    /// <summary>The longest body of a request or an answer, bytes.</summary>
    public const int MaxBytes = 8 << 20;

    private const int MaxRedirects = 5;
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan KeepConnections = TimeSpan.FromSeconds(15);

    private readonly GuestTargets _targets;
    private readonly FunctionLogs _logs;
    private readonly HttpClient _outbound;
    private readonly HttpClient _host;

    /// <param name="targets">Where they may go.</param>
    /// <param name="logs">Where failures are told.</param>
    public GuestRequests(GuestTargets targets, FunctionLogs logs)
    {
        (_targets, _logs) = (targets, logs);
        // Each has connections of its own: one that was allowed to one function is not another's.
        (_outbound, _host) = (Client(NetworkAccess.Outbound), Client(NetworkAccess.Host));
    }

    /// <summary>Makes a request. Never throws but for want of memory.</summary>
    /// <param name="function">Whose.</param>
    /// <param name="method">GET, POST, PUT or DELETE.</param>
    /// <param name="url">Of http or https.</param>
    /// <param name="headers">Name, value, name, value …</param>
    /// <param name="body">Its body.</param>
    /// <param name="cancellationToken">The call's end.</param>
    /// <returns>Status and body; status 0 when there is no answer.</returns>
    public async Task<(int Status, ReadOnlyMemory<byte> Body)> SendAsync(
        WasmFunction function, string method, string url, ReadOnlyMemory<string> headers, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var shown = url.Length <= 200 ? url : url[..200] + "…";
        try
        {
            if (function.Network == NetworkAccess.None) return Failed("the function has no network (network = \"none\")");
            if (!Uri.TryCreate(url, UriKind.Absolute, out var target) || target.Scheme is not ("http" or "https")) return Failed("it is no http or https URL");
            if (body.Length > MaxBytes) return Failed($"its body is longer than {MaxBytes >> 20} MiB");
            using var request = new HttpRequestMessage(new HttpMethod(method), target) { Content = body.IsEmpty ? null : new ReadOnlyMemoryContent(body) };
            if (Add(request, headers.Span) is { } header) return Failed($"\"{header}\" is no header that can be sent");
            using var response = await (function.Network == NetworkAccess.Host ? _host : _outbound).SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            var content = await ReadAsync(response, cancellationToken).ConfigureAwait(false);
            return content is null ? Failed($"the answer is longer than {MaxBytes >> 20} MiB") : ((int)response.StatusCode, content.Value);
        }
        catch (Exception failure) when (failure is HttpRequestException or SocketException or IOException or InvalidOperationException or FormatException or NotSupportedException or ArgumentException)
        {
            return Failed(failure.InnerException is IOException inner ? inner.Message : failure.Message);
        }
        catch (OperationCanceledException)
        {
            return Failed("the call's time was over");
        }

        (int, ReadOnlyMemory<byte>) Failed(string why)
        {
            _logs.Append(function.Name, "", "stderr", $"__http_request: {method} {shown} failed: {why}");
            return (0, ReadOnlyMemory<byte>.Empty);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _outbound.Dispose();
        _host.Dispose();
    }

    // A header that cannot be sent; null when all can.
    private static string? Add(HttpRequestMessage request, ReadOnlySpan<string> headers)
    {
        for (var i = 0; i + 1 < headers.Length; i += 2)
        {
            var (name, value) = (headers[i], headers[i + 1]);
            if (value.AsSpan().ContainsAny('\r', '\n', '\0')) return name;
            // The connection is ours, and so is how long the body is.
            if (name.ToLowerInvariant() is "connection" or "transfer-encoding" or "content-length" or "upgrade" or "keep-alive" or "te" or "trailer" or "expect") continue;
            if (request.Headers.TryAddWithoutValidation(name, value)) continue;
            request.Content ??= new ReadOnlyMemoryContent(ReadOnlyMemory<byte>.Empty);
            if (!request.Content.Headers.TryAddWithoutValidation(name, value)) return name;
        }
        return null;
    }

    private static async Task<ReadOnlyMemory<byte>?> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength > MaxBytes) return null;
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        using var whole = new MemoryStream();
        var buffer = new byte[16 * 1024];
        for (int read; (read = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
        {
            if (whole.Length + read > MaxBytes) return null;
            whole.Write(buffer, 0, read);
        }
        return whole.GetBuffer().AsMemory(0, (int)whole.Length);
    }

    private HttpClient Client(NetworkAccess access) => new(new SocketsHttpHandler
    {
        MaxAutomaticRedirections = MaxRedirects,
        UseCookies = false,
        UseProxy = false,
        ConnectTimeout = ConnectLimit,
        PooledConnectionIdleTimeout = KeepConnections,
        ActivityHeadersPropagator = null,
        ConnectCallback = (context, cancellationToken) => ConnectAsync(access, context.DnsEndPoint, cancellationToken),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan, // the call's own limit holds
    };

    private async ValueTask<Stream> ConnectAsync(NetworkAccess access, DnsEndPoint target, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(target.Host, cancellationToken).ConfigureAwait(false);
        var open = Array.FindAll(addresses, address => _targets.Permits(access, address, target.Port));
        if (open.Length == 0)
            throw new IOException($"{target.Host}:{target.Port} is not open to functions: it is this host, a network on it, link-local, or IPv6; `network-allow` opens it to all, network = \"host\" to this function");
        return await TcpStream.OpenAsync(open, target.Port, cancellationToken).ConfigureAwait(false);
    }
}
