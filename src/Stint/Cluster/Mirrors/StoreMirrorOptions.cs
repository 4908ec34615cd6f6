using Stint.Cluster.Nodes;
using Stint.Cluster.Store;

namespace Stint.Cluster.Mirrors;

/// <summary>Settings of a machine's copy of the store.</summary>
internal sealed record StoreMirrorOptions
{
    /// <summary>The store; whoever made it closes it.</summary>
    public required ClusterStore Store { get; init; }

    /// <summary>The file with the key of its secrets.</summary>
    public required string KeyFile { get; init; }

    /// <summary>The daemon's state folder; the copy is in <c>mirror</c> of it.</summary>
    public required string State { get; init; }

    /// <summary>This machine's name: unique in the cluster.</summary>
    public required string Node { get; init; }

    /// <summary>Whether it runs instances. Default yes.</summary>
    public bool IsWorker { get; init; } = true;

    /// <summary>This machine's load, for the others. Must not throw.</summary>
    public required Func<NodeReport> Report { get; init; }

    /// <summary>Ask the store so often whether something changed even when it reported nothing. Default 3 s.</summary>
    public TimeSpan AskEvery { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Compare the whole copy so often, so that edits of it are undone. Default a minute.</summary>
    public TimeSpan CompareEvery { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Remove blobs that nobody needs so often. Default ten minutes.</summary>
    public TimeSpan SweepEvery { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>What could not be copied for another reason than the store's being away is tried again after this, then twice that and so on up to 64 times it. Default 5 s.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(5);
}
