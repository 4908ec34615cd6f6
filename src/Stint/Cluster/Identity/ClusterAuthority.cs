// A certificate authority for one cluster, made by the cluster and trusted by nobody else. It issues certificates to machines that came with a join token:
//
//   authority   ECDSA P-256, ten years, path length 0 (it issues machines' certificates only)
//   machine     ECDSA P-256, 90 days, for TLS servers and clients, subject and DNS name NAME.node.stint: a machine is known by its name, wherever it is; and what it may do by its role (NodeRole)
//
// What a request says of itself (subject, extensions) is not taken over: only its key, which it must have signed with.
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Stint.Cluster.Identity;

/// <summary>The cluster's certificate authority, with its key.</summary>
internal sealed class ClusterAuthority : IDisposable
{
    /// <summary>How long a machine's certificate is valid.</summary>
    public static readonly TimeSpan NodeLifetime = TimeSpan.FromDays(90);

    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(3650);

    // Machines' clocks differ: one that is a day behind still takes a certificate that was issued this moment.
    private static readonly TimeSpan Backdated = TimeSpan.FromDays(1);

    private readonly X509Certificate2 _certificate;

    private ClusterAuthority(X509Certificate2 certificate) => _certificate = certificate;

    /// <summary>The authority's certificate, DER.</summary>
    public byte[] CertificateBytes => _certificate.RawData;

    /// <summary>SHA-256 of the certificate, lower-case hex: what a join token carries, so that a machine knows the right cluster before it trusts anything.</summary>
    public string Fingerprint => FingerprintOf(_certificate.RawData);

    /// <summary>Makes an authority.</summary>
    /// <param name="now">The present.</param>
    public static ClusterAuthority Create(DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=Stint cluster {RandomNumberGenerator.GetHexString(8, lowercase: true)}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return new ClusterAuthority(request.CreateSelfSigned(now - Backdated, now + Lifetime));
    }

    /// <summary>The authority of these bytes.</summary>
    /// <param name="certificate">Its certificate, DER.</param>
    /// <param name="key">Its key, as <see cref="ExportKey"/> gives it.</param>
    /// <exception cref="CryptographicException">They are none, or do not belong together.</exception>
    public static ClusterAuthority Load(byte[] certificate, byte[] key)
    {
        using var ecdsa = ECDsa.Create();
        ecdsa.ImportPkcs8PrivateKey(key, out _);
        using var alone = X509CertificateLoader.LoadCertificate(certificate);
        try
        {
            return new ClusterAuthority(alone.CopyWithPrivateKey(ecdsa));
        }
        catch (ArgumentException e)
        {
            throw new CryptographicException("the authority's key does not belong to its certificate", e);
        }
    }

    /// <summary>The key, PKCS #8. To be sealed.</summary>
    public byte[] ExportKey()
    {
        using var key = _certificate.GetECDsaPrivateKey()!;
        return key.ExportPkcs8PrivateKey();
    }

    /// <summary>Issues a machine's certificate.</summary>
    /// <param name="name">Its name, checked (<see cref="NodeName"/>).</param>
    /// <param name="role">What it is; null only to play a program that knew no roles.</param>
    /// <param name="signingRequest">PKCS #10, DER: hostile.</param>
    /// <param name="now">The present.</param>
    /// <exception cref="CryptographicException">The request is none, has not signed itself, or its key is not one of P-256.</exception>
    public IssuedCertificate Issue(string name, NodeRole? role, byte[] signingRequest, DateTimeOffset now)
    {
        if (!NodeName.IsValid(name)) throw new ArgumentException($"{name} was not checked");
        var asked = CertificateRequest.LoadSigningRequest(signingRequest, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.Default);
        using var key = asked.PublicKey.GetECDsaPublicKey();
        if (key is null || key.ExportParameters(false).Curve.Oid.Value != ECCurve.NamedCurves.nistP256.Oid.Value) throw new CryptographicException("the key must be one of ECDSA on P-256");
        var request = new CertificateRequest(NodeName.Subject(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(NodeTls.ServerUsage), new Oid(NodeTls.ClientUsage)], critical: true));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(NodeName.Dns(name));
        if (role is { } known) names.AddUri(NodeRoles.ToUri(known));
        request.CertificateExtensions.Add(names.Build());
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)(serial[0] & 0x7F | 0x40); // positive, and of one length (RFC 5280, 4.1.2.2)
        // Of gateways whose clocks differ, one may issue a moment "before" another made the authority.
        var begin = now - Backdated > _certificate.NotBefore ? now - Backdated : _certificate.NotBefore;
        var end = now + NodeLifetime < _certificate.NotAfter ? now + NodeLifetime : _certificate.NotAfter;
        using var certificate = request.Create(_certificate, begin, end, serial);
        return new IssuedCertificate(name, Convert.ToHexStringLower(serial), certificate.NotAfter.ToUniversalTime(), certificate.RawData);
    }

    /// <summary>SHA-256 of a certificate, lower-case hex.</summary>
    public static string FingerprintOf(ReadOnlySpan<byte> certificate) => Convert.ToHexStringLower(SHA256.HashData(certificate));

    /// <inheritdoc/>
    public void Dispose() => _certificate.Dispose();
}

/// <summary>A machine's certificate.</summary>
/// <param name="Node">The machine.</param>
/// <param name="Serial">Its number, lower-case hex.</param>
/// <param name="NotAfter">When it expires.</param>
/// <param name="Bytes">The certificate, DER.</param>
internal sealed record IssuedCertificate(string Node, string Serial, DateTimeOffset NotAfter, byte[] Bytes);
