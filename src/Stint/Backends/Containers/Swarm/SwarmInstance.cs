using Stint.Backends.Upstream;
using Stint.Invocations;

namespace Stint.Backends.Containers.Swarm;

/// <summary>
/// An instance of a function: the right to one replica of its service, and the connections to the task that is that replica now. Swarm may exchange the task (a node is drained, or there are to be
/// fewer and it chose another than we did): new calls go to the next one, and those that run end where they are.
/// </summary>
internal sealed class SwarmInstance : IInstance
{
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FunctionService _service;
    private readonly TimeProvider _time;
    private readonly int _concurrentCalls;
    private readonly string? _healthPath;
    private volatile HttpUpstream _upstream;
    private int _isDisposed;

    /// <summary>Takes over a task that serves, and the connections to it.</summary>
    public SwarmInstance(FunctionService service, SwarmTask task, HttpUpstream upstream, int concurrentCalls, string? healthPath, TimeProvider time)
    {
        (_service, Task, _upstream, _concurrentCalls, _healthPath, _time) = (service, task, upstream, concurrentCalls, healthPath, time);
        Id = SwarmTask.Short(task.Id);
    }

    /// <inheritdoc/>
    public string Id { get; }

    /// <summary>The replica's task now. Guarded by the service's lock.</summary>
    public SwarmTask Task { get; private set; }

    /// <inheritdoc/>
    public Task<string> Ended => _ended.Task;

    /// <inheritdoc/>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken) => _upstream.InvokeAsync(invocation, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> ProbeAsync(CancellationToken cancellationToken) => new HttpReadiness(_upstream, _healthPath, _time).HoldsAsync(cancellationToken);

    // What a task uses is known to its node alone.
    /// <inheritdoc/>
    public InstanceUsage ReadUsage() => default;

    /// <summary>New calls go to another task.</summary>
    public void Move(SwarmTask task)
    {
        var (old, left) = (_upstream, Task);
        Task = task;
        _upstream = new HttpUpstream(task.EndPoint, _concurrentCalls, task.Ended, _time, SwarmTask.ConnectTimeout);
        _ = left.Ended.ContinueWith(static (_, old) => ((HttpUpstream)old!).Dispose(), old, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        if (Volatile.Read(ref _isDisposed) != 0) _upstream.Dispose();
    }

    /// <summary>Its task is gone, and there is no other.</summary>
    public void End(string reason) => _ended.TrySetResult(reason);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0) return default;
        _service.Leave(this);
        _upstream.Dispose();
        End("stopped");
        return default;
    }
}
