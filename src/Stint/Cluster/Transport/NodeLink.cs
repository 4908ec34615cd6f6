// One machine's way to another: one connection with many calls on it (a further one when it is full, of WebSockets for example), HTTP/2 over mutual TLS. HttpClient is told http:// and given a stream on which TLS has been spoken already: so each new connection
// has this machine's present certificate, and asks for the other machine by its name, wherever its address was found.
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Stint.Cluster.Identity;

namespace Stint.Cluster.Transport;

/// <summary>Requests to one machine, or to whichever gateway is at an address.</summary>
internal sealed class NodeLink : IDisposable
{
    /// <summary>The longest wait for a connection, TLS included.</summary>
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly IReadOnlyList<DnsEndPoint> _addresses;
    private readonly Func<Action<string>, SslClientAuthenticationOptions> _tls;
    private readonly HttpMessageInvoker _client;

    private NodeLink(string authority, IReadOnlyList<DnsEndPoint> addresses, Func<Action<string>, SslClientAuthenticationOptions> tls)
    {
        (_addresses, _tls) = (addresses, tls);
        Base = new Uri($"http://{authority}/");
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            ConnectCallback = ConnectAsync,
            ConnectTimeout = ConnectTimeout,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            EnableMultipleHttp2Connections = true,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            MaxResponseHeadersLength = NodeHeaders.MaxHeaderBytes / 1024,
            InitialHttp2StreamWindowSize = 1 << 20,
            Expect100ContinueTimeout = Timeout.InfiniteTimeSpan,
            RequestHeaderEncodingSelector = static (_, _) => System.Text.Encoding.UTF8,
            ResponseHeaderEncodingSelector = static (_, _) => System.Text.Encoding.UTF8,
            // A machine whose network went silent: calls on it end after at most seven seconds, and a connection that nothing is on is not found dead only by the next call.
            KeepAlivePingDelay = TimeSpan.FromSeconds(2),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
        }, disposeHandler: true);
    }

    /// <summary>What requests' targets begin with.</summary>
    public Uri Base { get; }

    /// <summary>This machine's address as the other one sees it, once connected.</summary>
    public IPAddress? LocalAddress { get; private set; }

    /// <summary>What the other machine is, by its certificate, once connected; null: it is from before there were roles.</summary>
    public NodeRole? PeerRole { get; private set; }

    /// <summary>To a machine by name: another one that listens at the address is refused.</summary>
    public static NodeLink ToNode(string node, IReadOnlyList<DnsEndPoint> addresses, NodeCredentials credentials) => new(NodeName.Dns(node), addresses, onRefused => credentials.Tls.ToNode(node, onRefused));

    /// <summary>To whichever gateway of the cluster is at an address: another machine there is refused.</summary>
    public static NodeLink ToGateway(DnsEndPoint address, NodeCredentials credentials) => new("gateway.stint", [address], onRefused => credentials.Tls.ToGateway(onRefused));

    /// <summary>To somebody of whom nothing is known.</summary>
    /// <param name="address">Where.</param>
    /// <param name="judge">Says why who is there is not believed; null when it is.</param>
    public static NodeLink ToStranger(DnsEndPoint address, Func<X509Certificate2, string?> judge) => new("gateway.stint", [address], onRefused => NodeTls.ToStranger(judge, onRefused));

    /// <summary>Sends a request; returns with the answer's head.</summary>
    /// <exception cref="HttpRequestException">It failed.</exception>
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => _client.SendAsync(request, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        foreach (var address in _addresses)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(address, cancellationToken).ConfigureAwait(false);
                var local = ((IPEndPoint)socket.LocalEndPoint!).Address;
                LocalAddress = local.IsIPv4MappedToIPv6 ? local.MapToIPv4() : local;
                var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
                string? refusal = null;
                var options = _tls(reason => refusal = reason);
                options.ApplicationProtocols = [SslApplicationProtocol.Http2];
                try
                {
                    await stream.AuthenticateAsClientAsync(options, cancellationToken).ConfigureAwait(false);
                    PeerRole = stream.RemoteCertificate is X509Certificate2 peer ? NodeRoles.Of(peer) : null;
                    return stream;
                }
                catch (AuthenticationException e) when (refusal is not null)
                {
                    await stream.DisposeAsync().ConfigureAwait(false);
                    throw new AuthenticationException(refusal, e);
                }
                catch
                {
                    await stream.DisposeAsync().ConfigureAwait(false);
                    throw;
                }
            }
            catch (Exception e) when (e is SocketException or IOException or AuthenticationException)
            {
                socket.Dispose();
                failure = e;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        throw failure ?? new IOException("it has said no address at which it can be reached");
    }
}
