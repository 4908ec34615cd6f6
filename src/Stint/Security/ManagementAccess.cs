namespace Stint.Security;

/// <summary>Who may manage, whichever API they use: whoever shows the token, or, when the operator has set them up, user and password.</summary>
/// <param name="token">The token.</param>
/// <param name="basic">User and password; null = none are set up.</param>
internal sealed class ManagementAccess(ManagementToken token, BasicCredentials? basic)
{
    // OpenFaaS's clients know no token, but send any password of this user.
    private const string TokenUser = "admin";

    /// <summary>What clients are told to send (RFC 9110 section 11.6.1).</summary>
    public static string Challenge => "Bearer, Basic realm=\"Stint\", charset=\"UTF-8\"";

    /// <summary>Whether an <c>Authorization</c> header is good enough.</summary>
    public bool Accepts(string? authorization) => BasicCredentials.TryParse(authorization, out var user, out var password)
        ? basic?.Accepts(user, password) == true | (user == TokenUser && token.Is(password))
        : token.Accepts(authorization);
}
