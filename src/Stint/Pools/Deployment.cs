using Stint.Functions;

namespace Stint.Pools;

/// <summary>A new version whose first instances are booting while the old one serves.</summary>
/// <param name="version">The new version.</param>
/// <param name="patience">When the pool stops waiting for room and lets the old instances go first; on the pool's clock.</param>
internal sealed class Deployment(FunctionVersion version, TimeSpan patience)
{
    /// <summary>What kept it from serving, when somebody deployed again.</summary>
    public const string Overtaken = "a newer deployment took its place";

    /// <summary>What kept it from serving, when there is nothing left to serve.</summary>
    public const string Closed = "the function was removed, or the daemon stopped";

    private readonly TaskCompletionSource<string?> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The new version.</summary>
    public FunctionVersion Version { get; } = version;

    /// <summary>When the pool stops waiting for room.</summary>
    public TimeSpan Patience { get; } = patience;

    /// <summary>Healthy instances that it takes before the new version serves.</summary>
    public int Target { get; } = Math.Clamp(version.Spec.MinInstances, 1, Math.Max(1, version.Spec.MaxInstances));

    /// <summary>Ends with null when the version serves, else with what kept it from it.</summary>
    public Task<string?> Done => _done.Task;

    /// <summary>Whether what kept it from serving was somebody's wish, and so no error.</summary>
    public static bool IsGivenUp(string problem) => problem is Overtaken or Closed;

    /// <summary>Ends <see cref="Done"/>.</summary>
    public void End(string? problem) => _done.TrySetResult(problem);
}
