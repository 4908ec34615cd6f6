namespace Stint.Backends.Containers.Swarm;

/// <summary>A start that waits for a task of its service. Guarded by the service's lock but for <see cref="Result"/>.</summary>
/// <param name="now">The time of its beginning.</param>
internal sealed class ServiceStart(long now)
{
    private readonly TaskCompletionSource<SwarmTask> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>When it began, as the clock counts.</summary>
    public long Since { get; } = now;

    /// <summary>The task that it got, or why there is none (<see cref="InstanceStartException"/>).</summary>
    public Task<SwarmTask> Result => _result.Task;

    /// <summary>Tasks that failed since.</summary>
    public int Failures { get; set; }

    /// <summary>What it waits for, for the message when it has waited too long.</summary>
    public string Stage { get; set; } = "Swarm has not made a task for it yet";

    /// <summary>Since when no node will do; null = one does.</summary>
    public long? NowhereSince { get; set; }

    /// <summary>Has a task.</summary>
    public void Got(SwarmTask task) => _result.TrySetResult(task);

    /// <summary>Has none.</summary>
    public void Failed(string error, bool isHosts) => _result.TrySetException(new InstanceStartException(error) { IsHostsFault = isHosts });
}
