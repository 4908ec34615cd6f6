using Stint.Backends;
using Stint.Functions;

namespace Stint.Pools;

/// <summary>A pool's record of one instance. Every member that changes is guarded by the pool's lock.</summary>
internal sealed class PooledInstance
{
    /// <param name="version">The one version of the function that it will ever run.</param>
    /// <param name="startedAt">When the pool asked for it.</param>
    public PooledInstance(FunctionVersion version, DateTimeOffset startedAt)
    {
        (Version, StartedAt) = (version, startedAt);
        Slots = version.Spec.SingleUse ? 1 : version.Spec.ConcurrentRequests;
        MemoryMiB = HostBudget.MemoryOf(version);
    }

    /// <summary>The one version that it runs.</summary>
    public FunctionVersion Version { get; }

    /// <summary>When the pool asked for it.</summary>
    public DateTimeOffset StartedAt { get; }

    /// <summary>Calls that it takes at a time.</summary>
    public int Slots { get; }

    /// <summary>What it was promised of the host's memory.</summary>
    public int MemoryMiB { get; }

    /// <summary>The sandbox; null while it is starting and when the start failed.</summary>
    public IInstance? Sandbox { get; set; }

    /// <summary>Set through <see cref="InstanceSet.Move"/>, which keeps the counts.</summary>
    public InstanceState State { get; set; }

    /// <summary>Calls in it now.</summary>
    public int InFlight { get; set; }

    /// <summary>When it goes even if a call has not left it, while it is draining; on the pool's clock. Only tunnels last so long.</summary>
    public TimeSpan LeavesAt { get; set; }

    /// <summary>A single-use instance that has had its call.</summary>
    public bool Spent { get; set; }

    /// <summary>When its last call ended, or when it got ready; on the pool's clock.</summary>
    public TimeSpan LastUsed { get; set; }

    /// <summary>It gives way to another function and goes with its last call; owned by <see cref="HostBudget"/>.</summary>
    public bool IsYielding { get; set; }

    /// <summary>Its room comes free at any moment; owned by <see cref="HostBudget"/>.</summary>
    public bool IsFreeing { get; set; }

    /// <summary>It has been handed to disposal; once is enough.</summary>
    public bool IsDisposing { get; set; }

    /// <summary>Ends the start when it takes too long or nobody wants it any more; null once that is over.</summary>
    public CancellationTokenSource? StartLimit { get; set; }

    /// <summary>The start was given up by the pool: how it ends is no failure of the function.</summary>
    public bool Abandoned { get; set; }

    /// <summary>Neighbours among the instances with a free slot; owned by <see cref="InstanceSet"/>.</summary>
    public PooledInstance? Newer { get; set; }

    /// <inheritdoc cref="Newer"/>
    public PooledInstance? Older { get; set; }

    /// <summary>Whether it is among the instances with a free slot.</summary>
    public bool IsListed { get; set; }

    /// <summary>Ready and able to take one more call.</summary>
    public bool HasRoom => State is InstanceState.Idle or InstanceState.Busy && InFlight < Slots && !Spent;
}
