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
    private readonly NodeRole _admits;
    private readonly IReadOnlyDictionary<string, NodeHandler> _handlers;
    private readonly ILogger _logger;

    /// <summary>Prepares it; nothing listens yet.</summary>
    /// <param name="listen">Addresses.</param>
    /// <param name="port">TCP port; 0 = any free one.</param>
    /// <param name="credentials">This machine.</param>
    /// <param name="admits">Which machines it answers: a worker gateways, a gateway workers.</param>
    /// <param name="handlers">By path. Those that begin with <c>/open/</c> are for machines that have no certificate yet; without one, nobody has a certificate to show.</param>
    /// <param name="services">Kestrel's.</param>
    /// <param name="loggers">Log.</param>
    public NodeEndpoint(IReadOnlyList<IPAddress> listen, int port, NodeCredentials credentials, NodeRole admits, IReadOnlyDictionary<string, NodeHandler> handlers, IServiceProvider services, ILoggerFactory loggers)
    {
        (_credentials, _admits, _handlers, _logger) = (credentials, admits, handlers, loggers.CreateLogger<NodeEndpoint>());
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
        // What a thousand streams may hold back together. Those whose function reads nothing for hours (a WebSocket) must not use up what all others need.
        kestrel.Limits.Http2.InitialConnectionWindowSize = 1 << 30;
        // A gateway whose network went silent asks nothing any more (NodeLink's pings come more often): what it has here, WebSockets above all, ends after ten seconds.
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(5);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(5);
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
        var peer = PeerOf(context);
        if (!IsOpen(path))
        {
            if (peer is null) return ReplyWire.RefuseAsync(context, NodeHeaders.RefusedRequest, "this machine's certificate is not, or no longer, accepted in this cluster", StatusCodes.Status403Forbidden);
            if (!NodeRoles.Fits(peer.Role, _admits, _credentials.Identity.Role)) return RefuseAsync(context, peer, path);
        }
        return _handlers.TryGetValue(path, out var handler)
            ? handler(new NodeRequest(context, peer?.Name ?? "") { Key = peer?.Key ?? "" })
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
    private Peer? PeerOf(IFeatureCollection context) =>
        context.Get<ITlsConnectionFeature>()?.ClientCertificate is { } certificate && !_credentials.IsRevoked(certificate.SerialNumber.ToLowerInvariant()) ? Peer.Of(certificate) : null;

    private Task RefuseAsync(IFeatureCollection context, Peer peer, string path)
    {
        // Once for each connection: whoever has a stolen certificate may ask as often as they like.
        if (peer.IsRefusedFirst()) LogNotAdmitted(peer.Name, path);
        return ReplyWire.RefuseAsync(context, NodeHeaders.RefusedRequest, _admits is NodeRole.Gateway
            ? $"this machine is a worker, which answers gateways only; the certificate of {peer.Name} is not a gateway's"
            : $"this machine is a gateway, which answers workers only; the certificate of {peer.Name} is not a worker's", StatusCodes.Status403Forbidden);
    }

    [LoggerMessage(2730, LogLevel.Warning, "A connection to the node port was refused: {Problem}")]
    private partial void LogRefused(string problem);

    [LoggerMessage(2734, LogLevel.Warning, "{Node} asked for {Path} and was refused: its certificate does not allow that. If nobody has pointed it here by mistake, that certificate is in the wrong hands: stint cluster remove {Node}")]
    private partial void LogNotAdmitted(string node, string path);

    /// <summary>What a certificate says of its machine, read once for each connection.</summary>
    private sealed class Peer(string name, X509Certificate2 certificate)
    {
        private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<X509Certificate2, Peer> Known = [];

        private int _isRefused;

        public string Name => name;

        public NodeRole? Role { get; } = NodeRoles.Of(certificate);

        public string Key { get; } = NodeRoles.KeyOf(certificate);

        public bool IsRefusedFirst() => Interlocked.Exchange(ref _isRefused, 1) == 0;

        public static Peer? Of(X509Certificate2 certificate)
        {
            if (Known.TryGetValue(certificate, out var peer)) return peer;
            if (NodeName.Of(certificate) is not { } name) return null;
            peer = new Peer(name, certificate);
            Known.AddOrUpdate(certificate, peer);
            return peer;
        }
    }
}

/// <summary>A request of another machine.</summary>
/// <param name="Context">Kestrel's features.</param>
/// <param name="Node">The machine, by its certificate; empty: one that has none yet.</param>
internal readonly record struct NodeRequest(IFeatureCollection Context, string Node)
{
    /// <summary>The key of its certificate (<see cref="NodeRoles.KeyOf"/>); empty: it has none yet.</summary>
    public string Key { get; init; } = "";

    /// <summary>Its headers.</summary>
    public IHeaderDictionary Headers => Context.GetRequiredFeature<IHttpRequestFeature>().Headers;

    /// <summary>Fires when it has been given up.</summary>
    public CancellationToken Aborted => Context.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted;

    /// <summary>Where it came from.</summary>
    public IPAddress? From => Context.Get<IHttpConnectionFeature>()?.RemoteIpAddress;
}
