namespace Stint.Management;

/// <summary><c>GET /stint/v1/top</c>: counters and states of everything at one moment, small enough to be asked for every second. Rates are the reader's: two of these, subtracted.</summary>
internal sealed record TopView
{
    /// <summary>When it was read.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>When the daemon started; with another one, all counters began anew.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>Instances that hold room on the host.</summary>
    public int Instances { get; init; }

    /// <summary>The most of them that there may be (<c>instance-budget</c>).</summary>
    public int InstanceBudget { get; init; }

    /// <summary>Memory that is promised to instances.</summary>
    public long MemoryPromisedBytes { get; init; }

    /// <summary>The most that may be promised (<c>memory-budget</c>).</summary>
    public long MemoryBudgetBytes { get; init; }

    /// <summary>Calls wait because the host has no room for another instance.</summary>
    public bool IsContended { get; init; }

    /// <summary>Upper bounds in seconds of the buckets of <see cref="TopFunctionView.Durations"/>; one more follows without a bound.</summary>
    public IReadOnlyList<double> DurationBounds { get; init => field = value ?? []; } = [];

    /// <summary>The workers of this gateway, by name; empty without a cluster.</summary>
    public IReadOnlyList<TopNodeView> Nodes { get; init => field = value ?? []; } = [];

    /// <summary>All that are deployed, by name.</summary>
    public IReadOnlyList<TopFunctionView> Functions { get; init => field = value ?? []; } = [];
}

/// <summary>One worker of a <see cref="TopView"/>, as the gateway knows it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State">alive, draining, unreachable or dead.</param>
/// <param name="Running">Calls that run on it, of all gateways.</param>
/// <param name="InFlight">Those of them that came from this gateway.</param>
/// <param name="Instances">Instances that are there.</param>
/// <param name="MemoryBytes">What functions may have of its memory; 0 = unknown.</param>
/// <param name="AvailableBytes">What another function could have of it.</param>
/// <param name="Load">The load average of its last minute.</param>
/// <param name="Processors">Its processors.</param>
internal sealed record TopNodeView(string Name, string State, int Running, int InFlight, int Instances, long MemoryBytes, long AvailableBytes, double Load, int Processors);

/// <summary>One function of a <see cref="TopView"/>; counters since it was deployed first or the daemon's start.</summary>
internal sealed record TopFunctionView
{
    /// <summary>Full name.</summary>
    public required string Name { get; init; }

    /// <summary>As <see cref="FunctionView.State"/>.</summary>
    public string State { get; init => field = value ?? ""; } = "";

    /// <summary>Instances by state.</summary>
    public InstanceCountsView Instances { get; init => field = value ?? new(0, 0, 0, 0); } = new(0, 0, 0, 0);

    /// <summary>Calls that wait.</summary>
    public int Queue { get; init; }

    /// <summary>Calls that ended.</summary>
    public long Requests { get; init; }

    /// <summary>Of these, in an error, whoever's.</summary>
    public long Errors { get; init; }

    /// <summary>Instances that got ready.</summary>
    public long ColdStarts { get; init; }

    /// <summary>Calls by duration, a count for each bucket alone.</summary>
    public IReadOnlyList<long> Durations { get; init => field = value ?? []; } = [];

    /// <summary>Memory of all instances together.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Why it does not run as it should, in one line; null when it does.</summary>
    public string? Why { get; init; }
}
