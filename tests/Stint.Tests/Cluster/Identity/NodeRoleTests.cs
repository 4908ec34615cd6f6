using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Stint.Cluster.Identity;

namespace Stint.Tests.Cluster.Identity;

/// <summary>What a machine may do, as its certificate says it.</summary>
public sealed class NodeRoleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-roles-").FullName;
    private readonly ClusterAuthority _authority = ClusterAuthority.Create(TimeProvider.System.GetUtcNow());

    public void Dispose()
    {
        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(NodeRole.Gateway)]
    [InlineData(NodeRole.Worker)]
    [InlineData(null)]
    internal void A_certificate_says_what_its_machine_is_and_the_name_is_as_it_was(NodeRole? role)
    {
        using var certificate = X509CertificateLoader.LoadCertificate(_authority.Issue("one", role, Request(), TimeProvider.System.GetUtcNow()).Bytes);
        Assert.Equal(role, NodeRoles.Of(certificate));
        Assert.Equal("one", NodeName.Of(certificate));
        // As programs before roles read it: one DNS name, and nothing else that they look at.
        Assert.Equal(["one.node.stint"], certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().Single().EnumerateDnsNames());
    }

    [Theory]
    [InlineData("stint:emperor")]
    [InlineData("stint:")]
    [InlineData("stint:gateway", "stint:worker")]
    [InlineData("stint:gateway", "stint:gateway")]
    public void What_this_program_does_not_know_is_not_taken_for_something_else(params string[] uris)
    {
        using var certificate = Certificate(uris);
        Assert.Equal(NodeRole.Other, NodeRoles.Of(certificate));
        foreach (var wanted in (NodeRole[])[NodeRole.Gateway, NodeRole.Worker])
            foreach (var own in (NodeRole?[])[NodeRole.Gateway, NodeRole.Worker, null]) Assert.False(NodeRoles.Fits(NodeRole.Other, wanted, own));
    }

    [Fact]
    public void Other_names_are_no_roles()
    {
        using var certificate = Certificate("spiffe://stint/gateway");
        Assert.Null(NodeRoles.Of(certificate));
    }

    [Fact]
    public void A_request_cannot_ask_for_a_role()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=one.node.stint", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(NodeRoles.ToUri(NodeRole.Gateway));
        request.CertificateExtensions.Add(names.Build());
        using var certificate = X509CertificateLoader.LoadCertificate(_authority.Issue("one", NodeRole.Worker, request.CreateSigningRequest(), TimeProvider.System.GetUtcNow()).Bytes);
        Assert.Equal(NodeRole.Worker, NodeRoles.Of(certificate));
    }

    [Fact]
    public void The_key_is_the_same_after_a_renewal_and_another_machines_is_not()
    {
        var keys = new List<string>();
        foreach (var folder in (string[])["one", "one", "two"])
        {
            using var certificate = X509CertificateLoader.LoadCertificate(_authority.Issue("one", NodeRole.Worker, NodeIdentity.Request(Path.Combine(_folder, folder), "one"), TimeProvider.System.GetUtcNow()).Bytes);
            keys.Add(NodeRoles.KeyOf(certificate));
        }
        Assert.Equal(keys[0], keys[1]);
        Assert.NotEqual(keys[0], keys[2]);
        Assert.Equal(64, keys[0].Length);
    }

    private byte[] Request() => NodeIdentity.Request(Path.Combine(_folder, "request"), "one");

    private static X509Certificate2 Certificate(params string[] uris)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(NodeName.Subject("one"), key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(NodeName.Dns("one"));
        foreach (var uri in uris) names.AddUri(new Uri(uri));
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow(), TimeProvider.System.GetUtcNow() + TimeSpan.FromDays(1));
    }
}
