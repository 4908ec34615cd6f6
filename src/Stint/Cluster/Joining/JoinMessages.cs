namespace Stint.Cluster.Joining;

/// <summary>Asks a gateway which authority its cluster has. Nothing that it answers is believed but by the fingerprint of a token.</summary>
internal sealed record AuthorityQuestion;

/// <summary>The authority.</summary>
/// <param name="Authority">Its certificate, DER.</param>
internal sealed record AuthorityAnswer(byte[] Authority);

/// <summary>A machine wants to become one of the cluster.</summary>
/// <param name="Token">The join token.</param>
/// <param name="Name">What it wants to be called.</param>
/// <param name="Request">PKCS #10, DER.</param>
internal sealed record JoinQuestion(string Token, string Name, byte[] Request);

/// <summary>It is one.</summary>
/// <param name="Certificate">Its certificate, DER.</param>
/// <param name="Authority">The authority's, DER.</param>
internal sealed record JoinAnswer(byte[] Certificate, byte[] Authority);

/// <summary>A machine of the cluster wants a certificate that is valid longer. Answered by a <see cref="JoinAnswer"/>.</summary>
/// <param name="Request">PKCS #10, DER.</param>
internal sealed record RenewQuestion(byte[] Request);

/// <summary>Paths of these messages.</summary>
internal static class JoinPaths
{
    /// <summary><see cref="AuthorityQuestion"/>; for everybody.</summary>
    public const string Authority = "/open/authority";

    /// <summary><see cref="JoinQuestion"/>; for everybody.</summary>
    public const string Join = "/open/join";

    /// <summary><see cref="RenewQuestion"/>.</summary>
    public const string Renew = "/renew";
}
