namespace Stint.Pools;

/// <summary>The rules that hold for all pools alike; what differs by function stands in its <c>function.toml</c>.</summary>
internal sealed record PoolOptions
{
    /// <summary>How long a cancelled call may go on in its instance before the instance is killed. Default 2 s.</summary>
    public TimeSpan CancelGrace { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Wait after the first failure of a row; it doubles with each further one. Default 1 s.</summary>
    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest wait between two tries of a function that keeps failing. Default 60 s.</summary>
    public TimeSpan LongestBackoff { get; init; } = TimeSpan.FromSeconds(60);
}
