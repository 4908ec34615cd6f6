using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Stint.Cluster.Identity;

namespace Stint.Tests.Cluster.Identity;

/// <summary>Two machines over real TLS.</summary>
public sealed class NodeTlsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-nodes-").FullName;
    private readonly ClusterAuthority _authority = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
    private readonly HashSet<string> _revoked = [];
    private readonly List<NodeIdentity> _identities = [];

    public void Dispose()
    {
        foreach (var identity in _identities) identity.Dispose();
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Machines_of_a_cluster_recognise_each_other()
    {
        var (one, _) = Join("one");
        var (two, _) = Join("two");
        Assert.Null(await MeetAsync(Tls(one).ToNode("two"), two));
    }

    [Fact]
    public async Task Another_machine_than_the_one_that_was_asked_for_is_refused()
    {
        var (one, _) = Join("one");
        var (two, _) = Join("two");
        Assert.NotNull(await MeetAsync(Tls(one).ToNode("three"), two));
    }

    [Fact]
    public async Task A_machine_of_another_cluster_is_refused_by_both_sides()
    {
        using var other = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
        var (one, _) = Join("one");
        var (stranger, _) = Join("stranger", other);
        Assert.Contains("not accepted", await MeetAsync(Tls(stranger, trustAll: true).ToNode("one"), one), StringComparison.Ordinal);
        Assert.NotNull(await MeetAsync(Tls(one).ToNode("stranger"), stranger));
    }

    [Theory]
    [InlineData(NodeRole.Worker, NodeRole.Gateway, true)]
    [InlineData(NodeRole.Worker, NodeRole.Worker, false)]
    // Of a program that knew no roles: good for a machine that has none itself, and no gateway to one that has.
    [InlineData(NodeRole.Worker, null, false)]
    [InlineData(null, null, true)]
    [InlineData(null, NodeRole.Gateway, true)]
    [InlineData(null, NodeRole.Worker, false)]
    internal async Task A_gateway_that_is_known_by_its_address_only_must_be_one(NodeRole? own, NodeRole? other, bool isTaken)
    {
        var (one, _) = Join("one", role: own);
        var (two, _) = Join("two", role: other);
        string? said = null;
        var problem = await MeetAsync(new NodeTls(one, _revoked.Contains).ToGateway(reason => said = reason), two);
        Assert.Equal(isTaken, problem is null);
        Assert.Equal(isTaken ? null : $"the machine there, two, is no gateway: its certificate is {(other is null ? "not a gateway's" : "a worker's")}", said);
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_refused()
    {
        var (one, _) = Join("one");
        var options = new SslClientAuthenticationOptions { TargetHost = NodeName.Dns("one"), RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null };
        Assert.Equal("no certificate was shown", await MeetAsync(options, one));
    }

    [Fact]
    public async Task A_revoked_machine_is_refused_by_both_sides()
    {
        var (one, _) = Join("one");
        var (two, serial) = Join("two");
        _revoked.Add(serial);
        Assert.Contains("of two was revoked", await MeetAsync(Tls(two).ToNode("one"), one), StringComparison.Ordinal);
        Assert.NotNull(await MeetAsync(Tls(one).ToNode("two"), two));
        _revoked.Clear();
        Assert.Null(await MeetAsync(Tls(two).ToNode("one"), one));
    }

    [Fact]
    public void An_expired_certificate_is_refused_and_one_of_a_machine_whose_clock_is_an_hour_behind_is_not()
    {
        var now = TimeProvider.System.GetUtcNow();
        using var authority = ClusterAuthority.Create(now - TimeSpan.FromDays(200));
        Assert.Contains("not accepted", Judge(authority.Issue("old", NodeRole.Worker, Request("old"), now - ClusterAuthority.NodeLifetime - TimeSpan.FromMinutes(1)), authority), StringComparison.Ordinal);
        Assert.Null(Judge(authority.Issue("young", NodeRole.Worker, Request("young"), now - ClusterAuthority.NodeLifetime + TimeSpan.FromHours(1)), authority));
        Assert.Null(Judge(_authority.Issue("behind", NodeRole.Worker, Request("behind"), now - TimeSpan.FromHours(1))));
        Assert.Null(Judge(_authority.Issue("ahead", NodeRole.Worker, Request("ahead"), now + TimeSpan.FromHours(1))));
    }

    [Fact]
    public void What_a_request_says_of_itself_is_not_taken_over()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=evil.node.stint", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("evil.node.stint");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = X509CertificateLoader.LoadCertificate(_authority.Issue("good", NodeRole.Worker, request.CreateSigningRequest(), TimeProvider.System.GetUtcNow()).Bytes);
        Assert.Equal("good", NodeName.Of(certificate));
        Assert.Equal("CN=good.node.stint", certificate.Subject);
        Assert.False(certificate.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
    }

    [Fact]
    public void A_machine_cannot_issue_certificates()
    {
        var (one, _) = Join("one");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(NodeName.Subject("two"), key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(NodeName.Dns("two"));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(NodeTls.ClientUsage)], true));
        using var issuerKey = one.Certificate.GetECDsaPrivateKey()!;
        using var forged = request.Create(one.Certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(issuerKey), TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1), TimeProvider.System.GetUtcNow() + TimeSpan.FromHours(1), [1, 2, 3]);
        Assert.NotNull(NodeTls.Judge(forged, one.Authority, NodeTls.ClientUsage));
    }

    [Fact]
    public void Requests_that_are_broken_or_of_another_kind_of_key_are_refused()
    {
        var good = Request("one");
        var altered = (byte[])good.Clone();
        altered[^1] ^= 1;
        using var rsa = RSA.Create(2048);
        using var p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        foreach (var bad in (byte[][])[[], [1, 2, 3], good[..^3], altered,
            new CertificateRequest("CN=x", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSigningRequest(), new CertificateRequest("CN=x", p384, HashAlgorithmName.SHA256).CreateSigningRequest()])
            Assert.ThrowsAny<CryptographicException>(() => _authority.Issue("one", NodeRole.Worker, bad, TimeProvider.System.GetUtcNow()));
    }

    [Fact]
    public void An_authority_that_was_kept_is_the_same_one()
    {
        using var again = ClusterAuthority.Load(_authority.CertificateBytes, _authority.ExportKey());
        Assert.Equal(_authority.Fingerprint, again.Fingerprint);
        Assert.Null(Judge(again.Issue("one", NodeRole.Worker, Request("one"), TimeProvider.System.GetUtcNow())));
        using var other = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
        Assert.ThrowsAny<CryptographicException>(() => ClusterAuthority.Load(_authority.CertificateBytes, other.ExportKey()));
    }

    [Fact]
    public void A_machine_accepts_only_the_cluster_of_its_token_and_only_its_own_certificate()
    {
        using var other = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());
        var now = TimeProvider.System.GetUtcNow();
        var folder = Path.Combine(_folder, "one");
        var issued = _authority.Issue("one", NodeRole.Worker, NodeIdentity.Request(folder, "one"), now);
        Assert.Throws<CryptographicException>(() => NodeIdentity.Accept(folder, issued.Bytes, other.CertificateBytes, _authority.Fingerprint));
        Assert.Throws<CryptographicException>(() => NodeIdentity.Accept(folder, other.Issue("one", NodeRole.Worker, NodeIdentity.Request(folder, "one"), now).Bytes, _authority.CertificateBytes, _authority.Fingerprint));
        Assert.Throws<CryptographicException>(() => NodeIdentity.Accept(folder, _authority.Issue("one", NodeRole.Worker, Request("two"), now).Bytes, _authority.CertificateBytes, _authority.Fingerprint));
        Assert.Null(NodeIdentity.Load(folder));
        using var accepted = NodeIdentity.Accept(folder, issued.Bytes, _authority.CertificateBytes, _authority.Fingerprint);
        using var loaded = NodeIdentity.Load(folder)!;
        Assert.Equal(("one", accepted.Certificate.SerialNumber), (loaded.Name, loaded.Certificate.SerialNumber));
        Assert.True(loaded.Certificate.HasPrivateKey);
        Assert.All(Directory.GetFiles(folder), static file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }

    private (NodeIdentity Identity, string Serial) Join(string name, ClusterAuthority? authority = null, NodeRole? role = NodeRole.Worker)
    {
        authority ??= _authority;
        var folder = Path.Combine(_folder, name);
        var issued = authority.Issue(name, role, NodeIdentity.Request(folder, name), TimeProvider.System.GetUtcNow());
        var identity = NodeIdentity.Accept(folder, issued.Bytes, authority.CertificateBytes, authority.Fingerprint);
        _identities.Add(identity);
        Assert.Equal(issued.Serial, identity.Certificate.SerialNumber.ToLowerInvariant());
        return (identity, issued.Serial);
    }

    private PlayedTls Tls(NodeIdentity identity, bool trustAll = false) => new(new NodeTls(identity, _revoked.Contains), trustAll);

    private byte[] Request(string name) => NodeIdentity.Request(Path.Combine(_folder, $"request-{name}"), name);

    private string? Judge(IssuedCertificate issued, ClusterAuthority? of = null)
    {
        using var certificate = X509CertificateLoader.LoadCertificate(issued.Bytes);
        using var authority = X509CertificateLoader.LoadCertificate((of ?? _authority).CertificateBytes);
        return NodeTls.Judge(certificate, authority, NodeTls.ServerUsage);
    }

    /// <summary>A handshake and a byte in both directions; null when it worked, else why not: the server's reason if it has one.</summary>
    private async Task<string?> MeetAsync(SslClientAuthenticationOptions clientOptions, NodeIdentity server)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var dialled = new TcpClient();
        var connecting = dialled.ConnectAsync((IPEndPoint)listener.LocalEndpoint, limit.Token).AsTask();
        using var taken = await listener.AcceptTcpClientAsync(limit.Token);
        await connecting;
        string? refusal = null;
        var serving = ServeAsync();
        string? problem = null;
        try
        {
            await using var client = new SslStream(dialled.GetStream());
            await client.AuthenticateAsClientAsync(clientOptions, limit.Token);
            await client.WriteAsync(new byte[] { 1 }, limit.Token);
            // With TLS 1.3 a client learns only now that its certificate was refused.
            if (await client.ReadAsync(new byte[1], limit.Token) != 1) problem = "the server hung up";
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            problem = e.Message;
        }
        dialled.Close();
        await serving;
        return refusal ?? problem;

        async Task ServeAsync()
        {
            try
            {
                await using var stream = new SslStream(taken.GetStream());
                await stream.AuthenticateAsServerAsync(new NodeTls(server, _revoked.Contains).FromNodes(reason => refusal = reason), limit.Token);
                await stream.ReadExactlyAsync(new byte[1], limit.Token);
                await stream.WriteAsync(new byte[] { 2 }, limit.Token);
            }
            catch (Exception e) when (e is AuthenticationException or IOException)
            {
                taken.Close();
            }
        }
    }

    /// <summary>A machine; one that trusts all shows its certificate to strangers, as an attacker would.</summary>
    private sealed class PlayedTls(NodeTls tls, bool trustAll)
    {
        public SslClientAuthenticationOptions ToNode(string node)
        {
            var options = tls.ToNode(node);
            if (trustAll) options.RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is not null;
            return options;
        }
    }
}
