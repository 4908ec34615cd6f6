namespace Stint.Security.Tokens;

/// <summary>What somebody may do with FunLess's API.</summary>
internal enum SubjectRights
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Everything but to manage subjects.</summary>
    Functions,

    /// <summary>Everything.</summary>
    Everything,
}

/// <summary>Who may use FunLess's API: subjects by their tokens, and whoever may manage the platform.</summary>
/// <param name="subjects">The subjects.</param>
/// <param name="management">Who may manage; null = everybody who reaches the management endpoint, which is the loopback's business and gives no rights here.</param>
/// <param name="isOpen">Nobody needs a token (<c>funless-auth = false</c>).</param>
internal sealed class SubjectAccess(SubjectStore subjects, ManagementAccess? management, bool isOpen)
{
    /// <summary>What clients are told to send.</summary>
    public static string Challenge => "Bearer realm=\"Stint\"";

    /// <summary>What an <c>Authorization</c> header allows.</summary>
    public SubjectRights RightsOf(string? authorization)
    {
        if (isOpen || management?.Accepts(authorization) == true) return SubjectRights.Everything;
        return subjects.Authenticate(authorization) switch
        {
            null => SubjectRights.None,
            { IsAdmin: true } => SubjectRights.Everything,
            _ => SubjectRights.Functions,
        };
    }
}
