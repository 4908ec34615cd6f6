using Stint.Backends;
using Stint.Invocations;

namespace Stint.Pools;

/// <summary>A pool at one moment, for <c>stint describe</c> and the metrics.</summary>
internal sealed record PoolView
{
    /// <summary>The function.</summary>
    public required FunctionName Name { get; init; }

    /// <summary>The version that new calls go to.</summary>
    public required string VersionId { get; init; }

    /// <summary>The version whose instances are booting to take over; null when no deployment is under way.</summary>
    public required string? NextVersionId { get; init; }

    /// <summary>Every instance, in the order of their starts.</summary>
    public required IReadOnlyList<InstanceView> Instances { get; init; }

    /// <summary>Calls that wait.</summary>
    public required int QueueLength { get; init; }

    /// <summary>Why the function does not run as it should, in one line; null when it does.</summary>
    public required string? Problem { get; init; }

    /// <summary>When the next start will be tried, while the function backs off.</summary>
    public required DateTimeOffset? NextRetry { get; init; }
}

/// <summary>One instance of a <see cref="PoolView"/>.</summary>
internal sealed record InstanceView
{
    /// <summary>Its name in logs; null while it is starting.</summary>
    public required string? Id { get; init; }

    /// <summary>The version that it runs.</summary>
    public required string VersionId { get; init; }

    /// <summary>Where in its life it is.</summary>
    public required InstanceState State { get; init; }

    /// <summary>Calls in it.</summary>
    public required int InFlight { get; init; }

    /// <summary>When its start was asked for.</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When a call last ended in it, or when it got ready; null while it is starting.</summary>
    public required DateTimeOffset? LastUsed { get; init; }

    /// <summary>What it uses of the host.</summary>
    public required InstanceUsage Usage { get; init; }
}
