using System.Collections.Frozen;

namespace Stint.Scheduling;

/// <summary>A checked APP script: who may run which functions (contract funless.md, "APP scripts"; docs/scheduling.md). Immutable.</summary>
/// <param name="Tags">The entries by tag.</param>
internal sealed record AppScript(FrozenDictionary<string, AppTag> Tags)
{
    /// <summary>The entry of functions that have no tag, or one that the script does not know.</summary>
    public const string DefaultTag = "default";
}

/// <summary>One entry.</summary>
/// <param name="Blocks">Tried in this order; at least one.</param>
/// <param name="FallsToDefault"><c>followup: default</c>: when no block has a valid worker, the entry <c>default</c> is tried; otherwise the call fails.</param>
internal sealed record AppTag(IReadOnlyList<AppBlock> Blocks, bool FallsToDefault);

/// <summary>Some workers, and when and how one of them is chosen.</summary>
internal sealed record AppBlock
{
    /// <summary><c>workers</c>: their names, in order; null = all (<c>"*"</c>).</summary>
    public IReadOnlyList<string>? Workers { get; init; }

    /// <summary><c>strategy</c>.</summary>
    public AppStrategy Strategy { get; init; }

    /// <summary><c>invalidate.capacity_used</c>: per cent of a worker's memory that may be in use with the call counted; null = any.</summary>
    public int? CapacityUsed { get; init; }

    /// <summary><c>invalidate.max_concurrent_invocations</c>: a worker that runs so many calls takes no more; null = any number.</summary>
    public int? MaxConcurrentInvocations { get; init; }

    /// <summary><c>affinity</c>: tags of which each must be running on the worker.</summary>
    public IReadOnlyList<string> Affinity { get; init; } = [];

    /// <summary><c>affinity</c> with <c>!</c>: tags of which none may be running on the worker.</summary>
    public IReadOnlyList<string> AntiAffinity { get; init; } = [];
}

/// <summary>How one of several valid workers is chosen.</summary>
internal enum AppStrategy
{
    /// <summary><c>best-first</c>: the first in the order of the block.</summary>
    BestFirst,

    /// <summary><c>random</c>.</summary>
    Random,

    /// <summary><c>platform</c>: as <see cref="DefaultPolicy"/> does.</summary>
    Platform,
}
