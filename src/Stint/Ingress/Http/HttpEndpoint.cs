using System.Net;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Stint.Ingress.Http;

/// <summary>The listening side of the HTTP endpoint: Kestrel with HTTP/1.1 and cleartext HTTP/2 on one port.</summary>
internal sealed class HttpEndpoint : IAsyncDisposable
{
    private readonly KestrelServer _server;
    private readonly HttpIngress _ingress;

    /// <summary>Prepares it; nothing listens yet.</summary>
    public HttpEndpoint(HttpIngressOptions options, HttpIngress ingress, IServiceProvider services, ILoggerFactory loggers)
    {
        _ingress = ingress;
        var kestrel = new KestrelServerOptions { ApplicationServices = services, AddServerHeader = false, AllowAlternateSchemes = true };
        // Our own limit is counted where the body is read (LimitedBodyReader): Kestrel's would answer before the ingress could.
        kestrel.Limits.MaxRequestBodySize = null;
        // Function headers are UTF-8, whatever a client's library makes of that.
        kestrel.RequestHeaderEncodingSelector = static _ => Encoding.UTF8;
        kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.UTF8;
        foreach (var address in options.Listen) kestrel.Listen(new IPEndPoint(address, options.Port), Configure);
        _server = BareKestrel.Make(kestrel, loggers);
    }

    /// <summary>Where it listens, once started: one URL for each address.</summary>
    public IReadOnlyList<string> Urls => [.. _server.Features.Get<IServerAddressesFeature>()?.Addresses ?? []];

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">An address cannot be bound; the message says which.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => BareKestrel.StartAsync(_server, _ingress, "HTTP", "--http-port", cancellationToken);

    /// <summary>Stops accepting and waits for running requests until the token fires.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _server.StopAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }

    private static void Configure(ListenOptions listen)
    {
        listen.Protocols = HttpProtocols.Http1AndHttp2;
        listen.Use(static next => connection => H2cPrefix.DetectAsync(next, connection));
    }
}
