namespace Stint.Deliveries.Storage;

/// <summary>How much may be stored, and for how long.</summary>
internal sealed record StoreLimits
{
    /// <summary>Calls of one function that may wait.</summary>
    public int Calls { get; init; } = 100_000;

    /// <summary>Deliveries of one function's results that may wait.</summary>
    public int Deliveries { get; init; } = 10_000;

    /// <summary>Bytes of one function's entries, dead letters included.</summary>
    public long FunctionBytes { get; init; } = 512L * 1024 * 1024;

    /// <summary>Bytes of all entries.</summary>
    public long Bytes { get; init; } = 1024L * 1024 * 1024;

    /// <summary>Room on the disk that nothing new is accepted into: what has been accepted needs it to be ended.</summary>
    public long Reserve { get; init; } = 16L * 1024 * 1024;

    /// <summary>How long callers' own identities are remembered after their calls were done.</summary>
    public TimeSpan KeepIds { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Identities that are remembered at most.</summary>
    public int MaxIds { get; init; } = 200_000;

    /// <summary>How long dead letters are kept.</summary>
    public TimeSpan KeepDead { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Dead letters of one function that are kept; the oldest go first.</summary>
    public int MaxDead { get; init; } = 1000;
}
