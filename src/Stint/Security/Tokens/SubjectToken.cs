using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Stint.Security.Tokens;

/// <summary>
/// What a token says: <c>NAME|SECONDS|SERIAL</c>. The token is that and its signature, each in base64url, with a dot between them; who has the key can make it again at any time, so it need not be kept to
/// be shown (docs/decisions/0021-funless-api.md).
/// </summary>
/// <param name="Name">Whose it is.</param>
/// <param name="Issued">When it was made, to the second.</param>
/// <param name="Serial">Random, so that two of one second differ.</param>
internal sealed record SubjectToken(string Name, DateTimeOffset Issued, string Serial)
{
    /// <summary>How long a token is good (contract funless.md).</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromDays(14);

    // Longer than any that is made here: a name has at most 160 characters.
    private const int MaxLength = 512;

    /// <summary>From then on it is good no more.</summary>
    public DateTimeOffset Expires => Issued + Lifetime;

    /// <summary>A fresh one.</summary>
    public static SubjectToken Make(string name, TimeProvider time) =>
        new(name, DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds()), RandomNumberGenerator.GetHexString(16, lowercase: true));

    /// <summary>The token's text.</summary>
    public string Write(TokenKey key)
    {
        var claims = Claims();
        return $"{Base64Url.EncodeToString(claims)}.{Base64Url.EncodeToString(key.Sign(claims))}";
    }

    /// <summary>Reads a text; null when it is no token, or not signed with this key. Whether it has expired is not looked at.</summary>
    public static SubjectToken? Read(string text, TokenKey key)
    {
        var dot = text.IndexOf('.', StringComparison.Ordinal);
        if (dot <= 0 || text.Length > MaxLength || !TryDecode(text.AsSpan(0, dot), out var claims) || !TryDecode(text.AsSpan(dot + 1), out var signature)) return null;
        if (!CryptographicOperations.FixedTimeEquals(signature, key.Sign(claims))) return null;
        return Encoding.UTF8.GetString(claims).Split('|') is [var name, var seconds, var serial] && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var issued) && issued <= DateTimeOffset.MaxValue.ToUnixTimeSeconds() - (long)Lifetime.TotalSeconds
            ? new SubjectToken(name, DateTimeOffset.FromUnixTimeSeconds(issued), serial)
            : null;
    }

    private byte[] Claims() => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Name}|{Issued.ToUnixTimeSeconds()}|{Serial}"));

    private static bool TryDecode(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = [];
        if (!Base64Url.IsValid(text)) return false;
        bytes = Base64Url.DecodeFromChars(text);
        return true;
    }
}
