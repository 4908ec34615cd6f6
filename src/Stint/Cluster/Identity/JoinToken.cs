using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Stint.Cluster.Identity;

/// <summary>
/// Lets a machine into a cluster: <c>stint-join-1.FINGERPRINT.ID.SECRET</c>, all lower-case hex. The fingerprint is that of the cluster's authority: the machine trusts no other gateway with the secret.
/// </summary>
internal sealed class JoinToken
{
    private const string Format = "stint-join-1";
    private const int FingerprintLength = 64;
    private const int IdLength = 16;
    private const int SecretLength = 64;

    private readonly string _secret;

    private JoinToken(string fingerprint, string id, string secret) => (Fingerprint, Id, _secret) = (fingerprint, id, secret);

    /// <summary>SHA-256 of the authority's certificate.</summary>
    public string Fingerprint { get; }

    /// <summary>Which token it is; no secret.</summary>
    public string Id { get; }

    /// <summary>Makes a token for a cluster.</summary>
    public static JoinToken Create(string fingerprint) => new(fingerprint, RandomNumberGenerator.GetHexString(IdLength, lowercase: true), RandomNumberGenerator.GetHexString(SecretLength, lowercase: true));

    /// <summary>Reads one; false when the text is none.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out JoinToken? token)
    {
        token = text?.Trim().Split('.') is [Format, var fingerprint, var id, var secret] && IsHex(fingerprint, FingerprintLength) && IsHex(id, IdLength) && IsHex(secret, SecretLength)
            ? new JoinToken(fingerprint, id, secret)
            : null;
        return token is not null;
    }

    /// <summary>What is kept of the secret: a random number of 256 bits needs no slow hash.</summary>
    public byte[] SecretHash() => SHA256.HashData(Convert.FromHexString(_secret));

    /// <summary>The token, for the one who is to use it.</summary>
    public string Reveal() => $"{Format}.{Fingerprint}.{Id}.{_secret}";

    /// <summary>No secret.</summary>
    public override string ToString() => $"token {Id}";

    private static bool IsHex(string text, int length) => text.Length == length && text.All(char.IsAsciiHexDigitLower);
}
