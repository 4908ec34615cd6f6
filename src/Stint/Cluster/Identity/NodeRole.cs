// What a machine is to the others stands in its certificate, as a URI among its names (RFC 5280, 4.2.1.6): stint:gateway or stint:worker. Programs before this one neither wrote nor read it: they look at
// the DNS name only, so certificates with a role are good for them as well.
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Stint.Cluster.Identity;

/// <summary>What a machine is to the others of its cluster.</summary>
internal enum NodeRole
{
    /// <summary>It sends calls, and gives code and secrets.</summary>
    Gateway,

    /// <summary>It runs calls.</summary>
    Worker,

    /// <summary>Something of a later version: nothing that this program lets do anything.</summary>
    Other,
}

/// <summary>Roles in certificates.</summary>
internal static class NodeRoles
{
    private const string Scheme = "stint:";

    // uniformResourceIdentifier [6] IA5String
    private static readonly Asn1Tag UriName = new(TagClass.ContextSpecific, 6);

    /// <summary>A role as it stands in a certificate.</summary>
    public static Uri ToUri(NodeRole role) => new(role switch
    {
        NodeRole.Gateway => Scheme + "gateway",
        NodeRole.Worker => Scheme + "worker",
        _ => throw new ArgumentOutOfRangeException(nameof(role)),
    });

    /// <summary>The role in a certificate; null when it says none: it was issued by a program that knew none.</summary>
    public static NodeRole? Of(X509Certificate2 certificate)
    {
        NodeRole? role = null;
        foreach (var extension in certificate.Extensions)
        {
            if (extension is not X509SubjectAlternativeNameExtension) continue;
            try
            {
                var names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
                while (names.HasData)
                {
                    if (!names.PeekTag().HasSameClassAndValue(UriName)) names.ReadEncodedValue();
                    else if (names.ReadCharacterString(UniversalTagNumber.IA5String, UriName) is var uri && uri.StartsWith(Scheme, StringComparison.Ordinal)) role = role is not null ? NodeRole.Other : uri[Scheme.Length..] switch { "gateway" => NodeRole.Gateway, "worker" => NodeRole.Worker, _ => NodeRole.Other };
                }
            }
            catch (AsnContentException)
            {
                return NodeRole.Other;
            }
        }
        return role;
    }

    /// <summary>
    /// Whether a machine is what it has to be. Certificates of clusters that were made before there were roles have none: such a machine counts as a worker. As a gateway it counts only to a machine that has no
    /// role either, which goes on as it did before until it has one: a gateway from its next start, a worker from when it meets such a gateway.
    /// </summary>
    /// <param name="peer">The other's role.</param>
    /// <param name="wanted">What it has to be.</param>
    /// <param name="own">This machine's role.</param>
    public static bool Fits(NodeRole? peer, NodeRole wanted, NodeRole? own) => peer == wanted || (peer is null && (wanted is NodeRole.Worker || own is null));

    /// <summary>Which key a certificate is of, lower-case hex: the same after a renewal, and after a restart of the machine.</summary>
    public static string KeyOf(X509Certificate2 certificate) => Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));
}
