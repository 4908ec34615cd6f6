using Stint.Management;
using Stint.Telemetry;

namespace Stint.Cli;

/// <summary>What happened between two readings of a daemon: <c>stint top --json</c>, and what its screen shows.</summary>
internal sealed record TopReport
{
    /// <summary>The end of the interval.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Its length.</summary>
    public required double IntervalSeconds { get; init; }

    /// <summary>How long the daemon has been running.</summary>
    public required double UptimeSeconds { get; init; }

    /// <summary>Instances that hold room on the host.</summary>
    public required int Instances { get; init; }

    /// <summary>The most that there may be.</summary>
    public required int InstanceBudget { get; init; }

    /// <summary>Memory promised to instances.</summary>
    public required long MemoryPromisedBytes { get; init; }

    /// <summary>The most that may be promised.</summary>
    public required long MemoryBudgetBytes { get; init; }

    /// <summary>Calls wait because the host has no room.</summary>
    public required bool IsContended { get; init; }

    /// <summary>The workers of a gateway.</summary>
    public required IReadOnlyList<TopNodeView> Nodes { get; init; }

    /// <summary>The functions, the busiest first.</summary>
    public required IReadOnlyList<TopFunctionReport> Functions { get; init; }

    /// <summary>The report of an interval. Without <paramref name="before"/>, or when the daemon was restarted since: from its start on.</summary>
    public static TopReport Between(TopView? before, TopView after)
    {
        if (before?.StartedAt != after.StartedAt) before = null;
        var seconds = Math.Max(0.001, (after.Time - (before?.Time ?? after.StartedAt)).TotalSeconds);
        double[] bounds = [.. after.DurationBounds];
        var known = before?.Functions.ToDictionary(static function => function.Name) ?? [];
        return new TopReport
        {
            Time = after.Time,
            IntervalSeconds = seconds,
            UptimeSeconds = Math.Max(0, (after.Time - after.StartedAt).TotalSeconds),
            Instances = after.Instances,
            InstanceBudget = after.InstanceBudget,
            MemoryPromisedBytes = after.MemoryPromisedBytes,
            MemoryBudgetBytes = after.MemoryBudgetBytes,
            IsContended = after.IsContended,
            Nodes = after.Nodes,
            Functions =
            [
                .. after.Functions.Select(function => Of(known.GetValueOrDefault(function.Name), function, seconds, bounds))
                    .OrderByDescending(static function => function.CallsPerSecond).ThenByDescending(static function => function.Queue).ThenBy(static function => function.Name, StringComparer.Ordinal),
            ],
        };
    }

    private static TopFunctionReport Of(TopFunctionView? before, TopFunctionView after, double seconds, double[] bounds)
    {
        // Removed and deployed again meanwhile: its counters began anew.
        if (before is not null && (before.Requests > after.Requests || before.Durations.Count != after.Durations.Count)) before = null;
        var durations = after.Durations.Select((count, bucket) => count - (before?.Durations[bucket] ?? 0)).ToList();
        return new TopFunctionReport
        {
            Name = after.Name,
            State = after.State,
            Why = after.Why,
            Instances = after.Instances,
            Queue = after.Queue,
            CallsPerSecond = (after.Requests - (before?.Requests ?? 0)) / seconds,
            // What a gateway's own pool refused and a worker answered then is an error for a moment.
            ErrorsPerSecond = Math.Max(0, after.Errors - (before?.Errors ?? 0)) / seconds,
            P50Seconds = Histogram.Quantile(bounds, durations, 0.5),
            P99Seconds = Histogram.Quantile(bounds, durations, 0.99),
            ColdStarts = after.ColdStarts,
            ColdStartsNow = after.ColdStarts - (before?.ColdStarts ?? 0),
            MemoryBytes = after.MemoryBytes,
        };
    }
}

/// <summary>One function of a <see cref="TopReport"/>.</summary>
internal sealed record TopFunctionReport
{
    /// <summary>Full name.</summary>
    public required string Name { get; init; }

    /// <summary><c>ready</c>, <c>building</c>, <c>broken</c> or <c>unsupported</c>.</summary>
    public required string State { get; init; }

    /// <summary>Why it does not run as it should; null when it does.</summary>
    public required string? Why { get; init; }

    /// <summary>Instances by state.</summary>
    public required InstanceCountsView Instances { get; init; }

    /// <summary>Calls that wait.</summary>
    public required int Queue { get; init; }

    /// <summary>Calls that ended, per second.</summary>
    public required double CallsPerSecond { get; init; }

    /// <summary>Of these, in an error.</summary>
    public required double ErrorsPerSecond { get; init; }

    /// <summary>Median duration of the interval's calls; null when there were none.</summary>
    public required double? P50Seconds { get; init; }

    /// <summary>99th percentile of the same.</summary>
    public required double? P99Seconds { get; init; }

    /// <summary>Instances that got ready, in all.</summary>
    public required long ColdStarts { get; init; }

    /// <summary>And in the interval.</summary>
    public required long ColdStartsNow { get; init; }

    /// <summary>Memory of all instances together.</summary>
    public required long MemoryBytes { get; init; }
}
