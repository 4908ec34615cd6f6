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

/// <summary>Who may use FunLess's API: subjects by their tokens, and whoever has the management endpoint's credentials, whether or not it asks for them.</summary>
/// <param name="subjects">The subjects.</param>
/// <param name="management">The management endpoint's credentials.</param>
/// <param name="isOpen">Nobody needs a token (<c>funless-auth = false</c>) but for the subjects themselves: a token that was taken today would be good when the endpoint is opened to others tomorrow.</param>
internal sealed class SubjectAccess(SubjectStore subjects, ManagementAccess management, bool isOpen)
{
    /// <summary>What clients are told to send.</summary>
    public static string Challenge => "Bearer realm=\"Stint\"";

    /// <summary>What an <c>Authorization</c> header allows.</summary>
    public SubjectRights RightsOf(string? authorization)
    {
        if (management.Accepts(authorization)) return SubjectRights.Everything;
        return subjects.Authenticate(authorization) switch
        {
            null => isOpen ? SubjectRights.Functions : SubjectRights.None,
            { IsAdmin: true } => SubjectRights.Everything,
            _ => SubjectRights.Functions,
        };
    }
}
