using Stint.Deliveries.Storage;

namespace Stint.Cluster.Queue;

/// <summary>Settings of the queue in the store.</summary>
internal sealed record QueueOptions
{
    /// <summary>How much may be stored, by all gateways together. The disk's reserve is the database's own business.</summary>
    public required StoreLimits Limits { get; init; }

    /// <summary>How often to look for what other gateways have added or let go of, and how much there is. Default a second.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a transaction may take before callers are told that the store does not answer. Default 10 s.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);
}
