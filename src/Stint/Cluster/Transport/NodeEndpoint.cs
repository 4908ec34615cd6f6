using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Stint.Cluster.Identity;
using Stint.Ingress;

namespace Stint.Cluster.Transport;

/// <summary>Answers what another machine asks.</summary>
/// <param name="request">What it asks.</param>
internal delegate Task NodeHandler(NodeRequest request);

/// <summary>Where other machines reach this one: HTTP/2 over mutual TLS, without ASP.NET's pipeline.</summary>
internal sealed partial class NodeEndpoint : IHttpApplication<IFeatureCollection>, IAsyncDisposable
{
    // As at the gRPC endpoint: gateways have one connection, with all calls on it.
    private const int MaxStreamsPerConnection = 4096;

    private readonly KestrelServer _server;
    private readonly NodeCredentials _credentials;
    private readonly IReadOnlyDictionary<string, NodeHandler> _handlers;
    private readonly ILogger _logger;

    /// <summary>Prepares it; nothing listens yet.</summary>
    /// <param name="listen">Addresses.</param>
    /// <param name="port">TCP port; 0 = any free one.</param>
    /// <param name="credentials">This machine.</param>
    /// <param name="handlers">By path. Those that begin with <c>/open/</c> are for machines that have no certificate yet; without one, nobody has a certificate to show.</param>
    /// <param name="services">Kestrel's.</param>
    /// <param name="loggers">Log.</param>
    public NodeEndpoint(IReadOnlyList<IPAddress> listen, int port, NodeCredentials credentials, IReadOnlyDictionary<string, NodeHandler> handlers, IServiceProvider services, ILoggerFactory loggers)
    {
        (_credentials, _handlers, _logger) = (credentials, handlers, loggers.CreateLogger<NodeEndpoint>());
        var isOpen = handlers.Keys.Any(IsOpen);
        // Clients say http:// and speak TLS (NodeLink).
        var kestrel = new KestrelServerOptions { ApplicationServices = services, AddServerHeader = false, AllowAlternateSchemes = true };
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestHeadersTotalSize = NodeHeaders.MaxHeaderBytes;
        kestrel.Limits.MaxRequestHeaderCount = 400;
        kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
        kestrel.Limits.Http2.MaxRequestHeaderFieldSize = NodeHeaders.MaxHeaderBytes / 2;
        kestrel.Limits.Http2.InitialStreamWindowSize = 1 << 20;
        kestrel.Limits.Http2.InitialConnectionWindowSize = 16 << 20;
        kestrel.RequestHeaderEncodingSelector = static _ => Encoding.UTF8;
        kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.UTF8;
        foreach (var address in listen)
        {
            kestrel.Listen(new IPEndPoint(address, port), endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http2;
                endpoint.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(credentials.Server(isOpen, LogRefused)), HandshakeTimeout = TimeSpan.FromSeconds(10) });
            });
        }
        _server = BareKestrel.Make(kestrel, loggers);
    }

    /// <summary>The port it listens on, once started.</summary>
    public int Port => new Uri(_server.Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">An address cannot be bound; the message says which.</exception>
    public Task StartAsync(CancellationToken cancellationToken) => BareKestrel.StartAsync(_server, this, "node", "--node-port", cancellationToken);

    /// <summary>Accepts no more requests (GOAWAY) and waits for running ones until the token fires.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _server.StopAsync(cancellationToken);

    /// <inheritdoc/>
    public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

    /// <inheritdoc/>
    public void DisposeContext(IFeatureCollection context, Exception? exception) { }

    /// <inheritdoc/>
    public Task ProcessRequestAsync(IFeatureCollection context)
    {
        var path = context.GetRequiredFeature<IHttpRequestFeature>().Path;
        var node = NodeOf(context);
        if (node is null && !IsOpen(path)) return ReplyWire.RefuseAsync(context, NodeHeaders.RefusedRequest, "this machine's certificate is not, or no longer, accepted in this cluster", StatusCodes.Status403Forbidden);
        return _handlers.TryGetValue(path, out var handler)
            ? handler(new NodeRequest(context, node ?? ""))
            : ReplyWire.RefuseAsync(context, NodeHeaders.RefusedRequest, "this machine does not know that request: it is of another version or another kind", StatusCodes.Status404NotFound);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _server.Dispose();
        return ValueTask.CompletedTask;
    }

    private static bool IsOpen(string path) => path.StartsWith("/open/", StringComparison.Ordinal);

    // The chain was looked at when the connection was made. It may have been revoked since.
    private string? NodeOf(IFeatureCollection context) =>
        context.Get<ITlsConnectionFeature>()?.ClientCertificate is { } certificate && !_credentials.IsRevoked(certificate.SerialNumber.ToLowerInvariant()) ? Known.Of(certificate) : null;

    [LoggerMessage(2730, LogLevel.Warning, "A connection to the node port was refused: {Problem}")]
    private partial void LogRefused(string problem);

    /// <summary>Names of certificates, read once for each connection.</summary>
    private static class Known
    {
        private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<X509Certificate2, string> Names = [];

        public static string? Of(X509Certificate2 certificate)
        {
            if (Names.TryGetValue(certificate, out var name)) return name;
            if (NodeName.Of(certificate) is not { } read) return null;
            Names.AddOrUpdate(certificate, read);
            return read;
        }
    }
}

/// <summary>A request of another machine.</summary>
/// <param name="Context">Kestrel's features.</param>
/// <param name="Node">The machine, by its certificate; empty: one that has none yet.</param>
internal readonly record struct NodeRequest(IFeatureCollection Context, string Node)
{
    /// <summary>Its headers.</summary>
    public IHeaderDictionary Headers => Context.GetRequiredFeature<IHttpRequestFeature>().Headers;

    /// <summary>Fires when it has been given up.</summary>
    public CancellationToken Aborted => Context.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;

    /// <summary>Where it came from.</summary>
    public IPAddress? From => Context.Get<IHttpConnectionFeature>()?.RemoteIpAddress;
}
