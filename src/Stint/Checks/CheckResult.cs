namespace Stint.Checks;

/// <summary>One finding about this host.</summary>
/// <param name="Name">What was looked at, two or three words.</param>
/// <param name="Found">What is there, in a sentence.</param>
/// <param name="Cure">The command or step that would help; null when there is nothing to do.</param>
/// <param name="Concern">Who needs it.</param>
internal sealed record CheckResult(string Name, CheckStatus Status, string Found, string? Cure, Concern Concern);

/// <summary>How it stands.</summary>
internal enum CheckStatus
{
    /// <summary>Nothing to do.</summary>
    Fine,

    /// <summary>It works, but less well or less safely than it could.</summary>
    Degraded,

    /// <summary>What concerns it does not work.</summary>
    Missing,
}

/// <summary>What depends on a check.</summary>
internal enum Concern
{
    /// <summary>No function runs without it.</summary>
    Everything,

    /// <summary>python3 functions, and binary ones, whose supervisor is Python.</summary>
    Python3,

    /// <summary>nodejs functions.</summary>
    NodeJs,

    /// <summary>Container functions, and all others with <c>backend = "docker"</c>.</summary>
    Containers,

    /// <summary>Nothing stops without it.</summary>
    Comfort,
}
