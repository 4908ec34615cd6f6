namespace Stint.Scheduling;

/// <summary>What is known of a machine that runs functions, at the moment of a decision.</summary>
/// <param name="Name">Its name, as scripts use it.</param>
internal sealed record WorkerSnapshot(string Name)
{
    /// <summary>Its memory; null when it has not said.</summary>
    public WorkerMemory? Memory { get; init; }

    /// <summary>Calls that run on it now.</summary>
    public int Running { get; init; }

    /// <summary>Its processors; 1 when it has not said.</summary>
    public int Cores { get; init; } = 1;

    /// <summary>Calls that run on it for each processor. From 1 on, another call takes processor time from those.</summary>
    public double Load => (double)Running / Cores;

    /// <summary>The tags of the functions that have a call running on it now.</summary>
    public IReadOnlySet<string> RunningTags { get; init; } = NoTags;

    private static readonly HashSet<string> NoTags = [];
}

/// <summary>Memory of a worker, bytes.</summary>
/// <param name="Available">What could be given to functions without swapping.</param>
/// <param name="Total">All of it.</param>
internal readonly record struct WorkerMemory(long Available, long Total);
