using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Stint.Backends.Containers.Engine;
using Stint.Tests.Functions;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>TCP with certificates, as <c>DOCKER_TLS_VERIFY</c> and <c>DOCKER_CERT_PATH</c> want it.</summary>
public sealed class EngineTlsTests
{
    [Fact]
    public async Task Both_sides_show_a_certificate_of_the_same_authority()
    {
        using var folder = new TempFolder();
        var (authority, server) = Write(folder);
        await using var engine = new TlsEngine(server);
        using var client = new EngineClient(EngineAddress.Parse($"tcp://localhost:{engine.Port}", folder.Path), TimeProvider.System);
        await client.PingAsync(default);
        Assert.Equal("CN=client", engine.ClientSubject);
        authority.Dispose();
    }

    [Fact]
    public async Task A_server_of_another_authority_is_not_spoken_to()
    {
        using var folder = new TempFolder();
        using var other = new TempFolder();
        var (_, server) = Write(other);
        Write(folder);
        await using var engine = new TlsEngine(server);
        using var client = new EngineClient(EngineAddress.Parse($"tcp://localhost:{engine.Port}", folder.Path), TimeProvider.System);
        var failure = await Assert.ThrowsAsync<EngineException>(() => client.PingAsync(default));
        Assert.Equal(EngineFault.NoPermission, failure.Fault);
        Assert.Contains("TLS", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Certificates_that_are_not_there_are_said_to_be_missing()
    {
        using var folder = new TempFolder();
        var failure = Assert.Throws<EngineException>(() => new EngineClient(EngineAddress.Parse("tcp://localhost:1", folder.Path), TimeProvider.System));
        Assert.Contains("ca.pem", failure.Message, StringComparison.Ordinal);
        folder.Write("ca.pem", "nonsense");
        Assert.Throws<EngineException>(() => new EngineClient(EngineAddress.Parse("tcp://localhost:1", folder.Path), TimeProvider.System));
    }

    private static (X509Certificate2 Authority, X509Certificate2 Server) Write(TempFolder folder)
    {
        var from = new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var authority = request.CreateSelfSigned(from, from.AddYears(100));
        folder.Write("ca.pem", authority.ExportCertificatePem());
        using var client = Sign("client", out var clientKey);
        folder.Write("cert.pem", client.ExportCertificatePem());
        folder.Write("key.pem", clientKey.ExportECPrivateKeyPem());
        using var bare = Sign("server", out var serverKey);
        return (authority, bare.CopyWithPrivateKey(serverKey));

        X509Certificate2 Sign(string name, out ECDsa own)
        {
            own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var asked = new CertificateRequest($"CN={name}", own, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("localhost");
            asked.CertificateExtensions.Add(names.Build());
            return asked.Create(authority, from, from.AddYears(99), RandomNumberGenerator.GetBytes(8));
        }
    }

    private sealed class TlsEngine : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly Task _serving;

        public TlsEngine(X509Certificate2 certificate)
        {
            _listener.Start();
            _serving = ServeAsync(certificate);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public string? ClientSubject { get; private set; }

        public async ValueTask DisposeAsync()
        {
            _listener.Stop();
            await _serving;
        }

        private async Task ServeAsync(X509Certificate2 certificate)
        {
            try
            {
                while (true)
                {
                    using var connection = await _listener.AcceptTcpClientAsync();
                    await using var stream = new SslStream(connection.GetStream(), false, static (_, certificate, _, _) => certificate is not null);
                    try
                    {
                        await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, ClientCertificateRequired = true });
                        ClientSubject = stream.RemoteCertificate?.Subject;
                        var request = new byte[4096];
                        while (await stream.ReadAsync(request) > 0)
                            await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"));
                    }
                    catch (Exception refused) when (refused is IOException or System.Security.Authentication.AuthenticationException)
                    {
                        // The client does not want to.
                    }
                }
            }
            catch (Exception end) when (end is SocketException or InvalidOperationException)
            {
                // The end.
            }
        }
    }
}
