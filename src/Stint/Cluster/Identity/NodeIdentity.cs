using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Stint.Files;

namespace Stint.Cluster.Identity;

/// <summary>This machine in the cluster: its key and certificate, and the authority that it trusts. In a folder, each a PEM file, the key for its owner alone.</summary>
internal sealed class NodeIdentity : IDisposable
{
    private const string KeyFile = "key.pem";
    private const string CertificateFile = "node.pem";
    private const string AuthorityFile = "authority.pem";

    private NodeIdentity(string name, X509Certificate2 certificate, X509Certificate2 authority) => (Name, Role, Certificate, Authority) = (name, NodeRoles.Of(certificate), certificate, authority);

    /// <summary>The machine's name.</summary>
    public string Name { get; }

    /// <summary>What it is to the others; null: its certificate is from before there were roles.</summary>
    public NodeRole? Role { get; }

    /// <summary>Its certificate with its key.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>The cluster's authority.</summary>
    public X509Certificate2 Authority { get; }

    /// <summary>A request for a certificate, PKCS #10, for a key that is made in the folder if there is none: it never leaves the machine.</summary>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    public static byte[] Request(string folder, string name)
    {
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var path = Path.Combine(folder, KeyFile);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(path)) key.ImportFromPem(File.ReadAllText(path));
        else Write(path, key.ExportPkcs8PrivateKeyPem());
        return new CertificateRequest(NodeName.Subject(name), key, HashAlgorithmName.SHA256).CreateSigningRequest();
    }

    /// <summary>Keeps what the cluster answered.</summary>
    /// <param name="folder">The folder with the key.</param>
    /// <param name="certificate">The machine's certificate, DER.</param>
    /// <param name="authority">The authority's, DER.</param>
    /// <param name="fingerprint">The authority's fingerprint, out of the token.</param>
    /// <exception cref="CryptographicException">The authority is another one, or the certificate is not of it, or not of this key.</exception>
    public static NodeIdentity Accept(string folder, byte[] certificate, byte[] authority, string fingerprint)
    {
        if (ClusterAuthority.FingerprintOf(authority) != fingerprint) throw new CryptographicException("this is not the cluster that the token is for: its authority has another fingerprint");
        using var issued = X509CertificateLoader.LoadCertificate(certificate);
        using var root = X509CertificateLoader.LoadCertificate(authority);
        using var key = ReadKey(folder);
        using (Combine(issued, key))
        {
            if (NodeTls.Judge(issued, root, NodeTls.ServerUsage) is { } problem) throw new CryptographicException($"the cluster issued a certificate that it would refuse: {problem}");
        }
        Write(Path.Combine(folder, AuthorityFile), root.ExportCertificatePem());
        Write(Path.Combine(folder, CertificateFile), issued.ExportCertificatePem());
        return Load(folder)!;
    }

    /// <summary>The identity in a folder; null when there is none yet.</summary>
    /// <exception cref="CryptographicException">The files do not belong together.</exception>
    public static NodeIdentity? Load(string folder)
    {
        if (!File.Exists(Path.Combine(folder, CertificateFile))) return null;
        using var alone = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(folder, CertificateFile)));
        using var key = ReadKey(folder);
        var authority = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(folder, AuthorityFile)));
        return new NodeIdentity(NodeName.Of(alone) ?? throw new CryptographicException($"the certificate in {folder} is not a machine's"), Combine(alone, key), authority);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Certificate.Dispose();
        Authority.Dispose();
    }

    private static X509Certificate2 Combine(X509Certificate2 certificate, ECDsa key)
    {
        try
        {
            return certificate.CopyWithPrivateKey(key);
        }
        catch (ArgumentException e)
        {
            throw new CryptographicException("the certificate is not of this machine's key", e);
        }
    }

    private static ECDsa ReadKey(string folder)
    {
        var key = ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(Path.Combine(folder, KeyFile)));
        return key;
    }

    private static void Write(string path, string text) => PrivateFile.Write(path, System.Text.Encoding.ASCII.GetBytes(text + "\n"));
}
