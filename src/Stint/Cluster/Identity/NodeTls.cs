// TLS between machines of a cluster. Both sides show a certificate; each accepts one that the cluster's authority issued, for this use, that has not expired and was not revoked. The system's list of
// authorities does not count, nor do addresses: a client asks for the machine by name, wherever it found the address.
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Stint.Cluster.Identity;

/// <summary>How machines of a cluster recognise each other.</summary>
/// <param name="identity">This machine.</param>
/// <param name="isRevoked">Whether a serial number, lower-case hex, is refused.</param>
internal sealed class NodeTls(NodeIdentity identity, Func<string, bool> isRevoked)
{
    /// <summary>id-kp-serverAuth, RFC 5280, 4.2.1.12.</summary>
    public const string ServerUsage = "1.3.6.1.5.5.7.3.1";

    // No certificate has this name: it is only what is asked for.
    private const string AnyHost = "gateway.stint";

    /// <summary>id-kp-clientAuth.</summary>
    public const string ClientUsage = "1.3.6.1.5.5.7.3.2";

    /// <summary>For a connection to a machine.</summary>
    /// <param name="node">Its name: another machine of the cluster that listens there is refused.</param>
    /// <param name="onRefused">Is told why the machine there was refused.</param>
    public SslClientAuthenticationOptions ToNode(string node, Action<string>? onRefused = null) =>
        To(NodeName.Dns(node), Own(), peer => Refusal(peer, ServerUsage) ?? (NodeName.Of(peer) is var name && name != node ? $"the machine there is not {node} but {name}" : null), onRefused);

    /// <summary>For a connection to a gateway that is known by its address only: any gateway of the cluster is accepted, and no other machine of it.</summary>
    /// <param name="onRefused">Is told why the machine there was refused.</param>
    public SslClientAuthenticationOptions ToGateway(Action<string>? onRefused = null) =>
        To(AnyHost, Own(), peer => Refusal(peer, ServerUsage) ?? (NodeRoles.Fits(NodeRoles.Of(peer), NodeRole.Gateway, identity.Role) ? null : NotAGateway(peer)), onRefused);

    /// <summary>What is said of a machine that should be a gateway.</summary>
    public static string NotAGateway(X509Certificate2 peer) => $"the machine there, {NodeName.Of(peer)}, is no gateway: its certificate is {(NodeRoles.Of(peer) is NodeRole.Worker ? "a worker's" : "not a gateway's")}";

    /// <summary>For a connection of a machine that is none of the cluster's yet.</summary>
    /// <param name="judge">Says why the other side is not believed; null when it is.</param>
    /// <param name="onRefused">Is told that as well.</param>
    public static SslClientAuthenticationOptions ToStranger(Func<X509Certificate2, string?> judge, Action<string>? onRefused = null) => To(AnyHost, null, judge, onRefused);

    /// <summary>For connections from machines.</summary>
    /// <param name="onRefused">Is told why somebody was refused.</param>
    /// <param name="allowsStrangers">
    /// Somebody who shows no certificate may connect all the same: one that wants to join. So may one whose certificate was revoked: it is to be told. What they may ask for is decided for each request.
    /// </param>
    public SslServerAuthenticationOptions FromNodes(Action<string> onRefused, bool allowsStrangers = false) => new()
    {
        ServerCertificateContext = Own(),
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            if (certificate is null && allowsStrangers) return true;
            var refusal = certificate is not X509Certificate2 peer ? "no certificate was shown" : allowsStrangers ? Judge(peer, identity.Authority, ClientUsage) : Refusal(peer, ClientUsage);
            if (refusal is not null) onRefused(refusal);
            return refusal is null;
        },
    };

    private SslStreamCertificateContext Own() => SslStreamCertificateContext.Create(identity.Certificate, [identity.Authority], offline: true);

    private static SslClientAuthenticationOptions To(string host, SslStreamCertificateContext? own, Func<X509Certificate2, string?> judge, Action<string>? onRefused) => new()
    {
        TargetHost = host,
        ClientCertificateContext = own,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            var refusal = certificate is not X509Certificate2 peer ? "the machine there shows no certificate" : judge(peer);
            if (refusal is not null) onRefused?.Invoke(refusal);
            return refusal is null;
        },
    };

    /// <summary>Why a machine's certificate is refused; null when it is accepted.</summary>
    public string? Refusal(X509Certificate2 peer, string usage)
    {
        if (Judge(peer, identity.Authority, usage) is { } problem) return problem;
        var serial = peer.SerialNumber.ToLowerInvariant();
        return isRevoked(serial) ? $"the certificate {serial} of {NodeName.Of(peer)} was revoked" : null;
    }

    /// <summary>Why a certificate is not one of this authority's, for this use, now; null when it is.</summary>
    public static string? Judge(X509Certificate2 certificate, X509Certificate2 authority, string usage)
    {
        if (NodeName.Of(certificate) is null) return $"the certificate of {certificate.Subject} is not a machine's";
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new System.Security.Cryptography.Oid(usage));
        if (chain.Build(certificate)) return null;
        return $"the certificate of {NodeName.Of(certificate)} is not accepted: {string.Join(", ", chain.ChainStatus.Select(static status => status.StatusInformation.Trim().TrimEnd('.')))}";
    }
}
