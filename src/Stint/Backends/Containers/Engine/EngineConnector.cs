using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Stint.Backends.Containers.Engine;

/// <summary>Makes the HTTP handler that reaches an engine, with its pool of connections.</summary>
internal static class EngineConnector
{
    /// <summary>The root of all requests' addresses.</summary>
    public static string Root(EngineAddress address) => (address.SocketPath, address.CertificateFolder) switch
    {
        // The engine looks at no host name.
        (not null, _) => "http://engine",
        (_, null) => "http" + address.ToString()["tcp".Length..],
        _ => "https" + address.ToString()["tcp".Length..],
    };

    /// <summary>Makes the handler.</summary>
    /// <exception cref="EngineException">The certificates cannot be read.</exception>
    public static SocketsHttpHandler Handler(EngineAddress address)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ActivityHeadersPropagator = null,
            ConnectTimeout = EngineLimits.Connect,
            // A stream that we leave (logs, events) has no end to wait for.
            MaxResponseDrainSize = 0,
            ConnectCallback = address.SocketPath is { } path ? (_, cancellationToken) => ConnectAsync(path, cancellationToken) : static (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, cancellationToken),
        };
        if (address.CertificateFolder is { } folder) handler.SslOptions = Tls(folder);
        return handler;
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint end, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            // A stream of events is silent for hours: only this tells that the other side is gone.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            await socket.ConnectAsync(end, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // docs.docker.com/engine/security/protect-access: the folder's three files have fixed names; only certificates of that authority count.
    private static SslClientAuthenticationOptions Tls(string folder)
    {
        try
        {
            var authority = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(folder, "ca.pem"));
            var own = X509Certificate2.CreateFromPemFile(Path.Combine(folder, "cert.pem"), Path.Combine(folder, "key.pem"));
            return new SslClientAuthenticationOptions
            {
                ClientCertificates = [own],
                CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, CustomTrustStore = { authority }, RevocationMode = X509RevocationMode.NoCheck },
            };
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new EngineException(EngineFault.NoPermission,
                $"the certificates for the container engine cannot be read: {fault.Message.TrimEnd('.')}. DOCKER_CERT_PATH names the folder of ca.pem, cert.pem and key.pem; without DOCKER_TLS_VERIFY the engine is spoken to without TLS.", fault);
        }
    }
}
