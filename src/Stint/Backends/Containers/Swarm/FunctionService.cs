// One service of Swarm, which is one version of a function, and the instances that the pool has of it:
//
//   pool: StartAsync ──▶ one replica more ──▶ a task runs, on whichever node ──▶ its port serves ──▶ SwarmInstance
//   pool: Dispose    ──▶ (a moment later) one replica less, at none the service stays and waits; a version that is not served any more is removed
//
// The number of replicas is always that of instances and starts, but for a service that an earlier daemon left: its replicas stay until they could have been used (keepalive).
// Which task ends when there are to be fewer is Swarm's choice. If it is not the one that has become free, the instance whose task it is goes on with the free one.
using System.Globalization;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Upstream;
using Stint.Functions;

namespace Stint.Backends.Containers.Swarm;

/// <summary>A service and its instances.</summary>
internal sealed partial class FunctionService(SwarmHost host, ServiceKey key, FunctionVersion version) : IAsyncDisposable
{
    // A start that follows right after an end, as the first one after a deployment's trial, finds the replica still there.
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(5);

    // Room may come free on a node at any time, but a caller is better told what is wrong.
    private static readonly TimeSpan PatienceForNode = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _change = new(1);
    private readonly List<SwarmInstance> _instances = [];
    private readonly List<ServiceStart> _starts = [];
    private readonly Dictionary<string, SwarmTask> _tasks = new(StringComparer.Ordinal);
    private readonly HashSet<string> _failedTasks = new(StringComparer.Ordinal);
    private bool _isHistoryKnown;
    private int _replicas;
    private long? _keptSince;
    private long? _shrinkAt;
    private ServiceOutput? _output;

    /// <summary>Which service.</summary>
    public ServiceKey Key => key;

    /// <summary>Swarm's id; null = it is not there.</summary>
    public string? Id { get; private set; }

    /// <summary>Whether somebody waits for a task.</summary>
    public bool IsAwaited
    {
        get { lock (_lock) return _starts.Exists(static start => !start.Result.IsCompleted); }
    }

    /// <summary>Whether nobody has anything of it.</summary>
    public bool IsUnused
    {
        get { lock (_lock) return _instances.Count == 0 && _starts.Count == 0; }
    }

    /// <summary>Announces a start, so that the service stays; <see cref="StartAsync"/> is next.</summary>
    public ServiceStart Enlist()
    {
        var start = new ServiceStart(host.Time.GetTimestamp());
        lock (_lock) _starts.Add(start);
        return start;
    }

    /// <summary>One instance more.</summary>
    /// <exception cref="InstanceStartException">It did not get ready. Its replica is gone.</exception>
    public async Task<IInstance> StartAsync(ServiceStart start, CancellationToken cancellationToken)
    {
        var spec = version.Spec.Container!;
        using var limit = new CancellationTokenSource(version.Spec.BootTimeout, host.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        SwarmTask? task = null;
        HttpUpstream? upstream = null;
        HttpReadiness? readiness = null;
        try
        {
            await GrowAsync(either.Token).ConfigureAwait(false);
            host.Watch.Hurry();
            task = await start.Result.WaitAsync(either.Token).ConfigureAwait(false);
            upstream = new HttpUpstream(task.EndPoint, version.Spec.ConcurrentRequests, task.Ended, host.Time, SwarmTask.ConnectTimeout);
            readiness = new HttpReadiness(upstream, spec.HealthPath, host.Time);
            await readiness.WaitAsync(either.Token).ConfigureAwait(false);
            lock (_lock)
            {
                _starts.Remove(start);
                var instance = new SwarmInstance(this, task, upstream, version.Spec.ConcurrentRequests, spec.HealthPath, host.Time);
                _instances.Add(instance);
                return instance;
            }
        }
        catch (Exception failure) when (failure is InstanceStartException or EngineException or OperationCanceledException)
        {
            upstream?.Dispose();
            string stage;
            lock (_lock)
            {
                _starts.Remove(start);
                task?.IsTaken = false;
                stage = start.Stage;
            }
            var error = failure is OperationCanceledException
                ? string.Create(CultureInfo.InvariantCulture, $"it was not ready within {version.Spec.BootTimeout.TotalSeconds:0.##} s (boot-timeout): {readiness?.Problem ?? stage}")
                : failure.Message;
            // What it printed is on its way from another node, perhaps.
            if (task is not null && _output is { } output) error = await output.WithTailAsync(task.Id, error).ConfigureAwait(false);
            // At once: Swarm would go on starting what fails.
            await ShrinkAsync(CancellationToken.None).ConfigureAwait(false);
            throw new InstanceStartException(error, failure) { IsHostsFault = failure is InstanceStartException { IsHostsFault: true } or EngineException { Fault: not (EngineFault.Rejected or EngineFault.Failed) } };
        }
    }

    /// <summary>An instance has ended. For <see cref="SwarmInstance"/>.</summary>
    public void Leave(SwarmInstance instance)
    {
        lock (_lock)
        {
            _instances.Remove(instance);
            instance.Task.IsTaken = false;
            if (!host.IsLeaving) _shrinkAt ??= host.Time.GetTimestamp();
        }
    }

    /// <summary>Takes over what an earlier daemon left.</summary>
    public void Adopt(ServiceDetails found)
    {
        lock (_lock)
        {
            if (Id == found.ID) return;
            (Id, _replicas) = (found.ID, found.Spec.Replicas);
            _isHistoryKnown = false;
            if (_replicas > _instances.Count + _starts.Count) (_keptSince, _shrinkAt) = (host.Time.GetTimestamp(), host.Time.GetTimestamp());
            _output ??= new ServiceOutput(host, version.Name);
            _output.Follow(found.ID, EngineTime.Of(host.Time.GetUtcNow()));
        }
    }

    /// <summary>Another version may be served now: looks soon whether this one is needed.</summary>
    public void Doubt()
    {
        lock (_lock) _shrinkAt ??= host.Time.GetTimestamp();
    }

    /// <summary>The engine does not answer, or is no manager: who waits is told; who runs goes on.</summary>
    public void EngineAway(EngineException reason)
    {
        lock (_lock)
            foreach (var start in _starts) start.Failed(reason.Message, isHosts: true);
    }

    /// <summary>Takes in how its tasks are.</summary>
    /// <param name="tasks">All of them, those of the past too.</param>
    /// <param name="nodes">The swarm's nodes by id.</param>
    /// <param name="locate">Where a task serves; null = that is not known yet.</param>
    public void Update(IReadOnlyCollection<TaskDetails> tasks, IReadOnlyDictionary<string, NodeDetails> nodes, Func<TaskDetails, int, System.Net.IPEndPoint?> locate)
    {
        lock (_lock)
        {
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var task in tasks)
            {
                var (runs, isWanted) = (task.Status.State == "running", task.DesiredState == "running");
                var node = task.NodeID is { Length: > 0 } id ? nodes.GetValueOrDefault(id) : null;
                if (runs && !isWanted && node?.Status.State == "down")
                {
                    // The last that is known of it is that it ran.
                    Lose(task.ID, $"the instance's node {node.Description?.Hostname ?? node.ID} is down");
                    continue;
                }
                if (runs)
                {
                    seen.Add(task.ID);
                    if (_tasks.TryGetValue(task.ID, out var known)) known.IsLeaving = !isWanted;
                    else if (isWanted && locate(task, version.Spec.Container!.HttpPort) is { } endPoint) _tasks[task.ID] = new SwarmTask(task.ID, endPoint);
                }
                else if (task.Status.State is "failed" or "rejected" or "complete" or "shutdown" or "orphaned" or "remove")
                {
                    Lose(task.ID, $"the instance's task ended: {SwarmTask.Words(task)}");
                }
                NoteForStarts(task);
            }
            foreach (var gone in _tasks.Keys.Where(id => !seen.Contains(id)).ToList()) Lose(gone, "Swarm has removed the instance's task");
            _isHistoryKnown = true;
            Distribute();
        }
    }

    /// <summary>The service is gone without our doing.</summary>
    public void Vanished()
    {
        lock (_lock)
        {
            (Id, _replicas) = (null, 0);
            foreach (var task in _tasks.Keys.ToList()) Lose(task, "somebody removed the function's service");
            Distribute();
            foreach (var start in _starts) start.Failed("somebody removed the function's service while an instance was being started", isHosts: false);
        }
    }

    /// <summary>Has as many replicas as are needed, if that is due, and removes the service when nothing of it is.</summary>
    public Task TendAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (host.IsLeaving || _shrinkAt is not { } since || host.Time.GetElapsedTime(since) < Linger) return Task.CompletedTask;
            // An earlier daemon's replicas have the time to be needed that instances have.
            if (IsKept_NeedsLock()) return Task.CompletedTask;
        }
        return ShrinkAsync(cancellationToken);
    }

    /// <summary>Removes the service, whatever runs in it.</summary>
    /// <exception cref="EngineException">It is still there.</exception>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        await _change.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await RemoveOnTurnAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>Lets go of it, at the daemon's end; the service stays.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_output is { } output) await output.DisposeAsync().ConfigureAwait(false);
        _change.Dispose();
    }

    private bool IsKept_NeedsLock()
    {
        if (_keptSince is not { } since) return false;
        var keep = version.Spec.KeepAlive;
        if (host.IsServing(key) && _instances.Count + _starts.Count < _replicas && (keep == Timeout.InfiniteTimeSpan || host.Time.GetElapsedTime(since) < keep)) return true;
        _keptSince = null;
        return false;
    }

    private void Lose(string id, string reason)
    {
        if (!_tasks.Remove(id, out var task)) return;
        task.IsLeaving = true;
        task.End(reason);
    }

    private void NoteForStarts(TaskDetails task)
    {
        if (task.Status.State is "failed" or "rejected")
        {
            if (!_failedTasks.Add(task.ID) || !_isHistoryKnown) return;
            foreach (var start in _starts.Where(static start => !start.Result.IsCompleted))
            {
                start.Stage = SwarmTask.Words(task);
                // A node may lack what another one has.
                if (++start.Failures >= 2 + host.Watch.Nodes) start.Failed(Explain(start.Stage), isHosts: false);
            }
        }
        else if (task is { DesiredState: "running", Status.State: not "running" })
        {
            var isNowhere = task.Status is { State: "pending", Err.Length: > 0 };
            foreach (var start in _starts.Where(static start => !start.Result.IsCompleted))
            {
                start.Stage = SwarmTask.Words(task);
                start.NowhereSince = isNowhere ? start.NowhereSince ?? host.Time.GetTimestamp() : null;
                if (start.NowhereSince is { } since && host.Time.GetElapsedTime(since) >= PatienceForNode) start.Failed(Explain(start.Stage), isHosts: true);
            }
        }
    }

    private string Explain(string words)
    {
        if (words.Contains("No such image", StringComparison.OrdinalIgnoreCase))
            return $"a node of the swarm has no image {version.Spec.Container!.Image}: {words}. It was never in a registry, so bring it to each node (docker save | ssh NODE docker load), keep the function where it is (constraints), or push it to a registry";
        return words.Contains("no suitable node", StringComparison.OrdinalIgnoreCase)
            ? $"{words}. Look at the nodes (docker node ls) and at the function's constraints and requests"
            : words;
    }

    /// <summary>Free tasks to those that need one: instances first whose own is going.</summary>
    private void Distribute()
    {
        foreach (var instance in _instances)
        {
            if (!instance.Task.IsLeaving) continue;
            if (TakeFree() is { } task) instance.Move(task);
            else if (instance.Task.EndReason is { } reason) instance.End(reason);
        }
        foreach (var start in _starts)
        {
            if (start.Result.IsCompleted) continue;
            if (TakeFree() is not { } task) break;
            start.Got(task);
        }
    }

    private SwarmTask? TakeFree()
    {
        foreach (var task in _tasks.Values)
        {
            if (task.IsTaken || task.IsLeaving) continue;
            task.IsTaken = true;
            return task;
        }
        return null;
    }

    private async Task GrowAsync(CancellationToken cancellationToken)
    {
        await _change.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int needed;
            lock (_lock) needed = _instances.Count + _starts.Count;
            if (Id is null) await EnsureAsync(needed, cancellationToken).ConfigureAwait(false);
            if (_replicas >= needed) return;
            try
            {
                await host.Engine.Services.ScaleAsync(Id!, needed, cancellationToken).ConfigureAwait(false);
            }
            catch (EngineException gone) when (gone.Fault is EngineFault.NoService)
            {
                Id = null;
                await EnsureAsync(needed, cancellationToken).ConfigureAwait(false);
            }
            _replicas = needed;
        }
        finally
        {
            _change.Release();
        }
    }

    /// <summary>Finds the service, or makes it.</summary>
    private async Task EnsureAsync(int replicas, CancellationToken cancellationToken)
    {
        foreach (var found in await host.Engine.Services.ListAsync(SwarmLabels.Of(host.Options.Daemon, version.Name), cancellationToken).ConfigureAwait(false))
        {
            if (found.Spec.Labels.GetValueOrDefault(SwarmLabels.Revision) != key.Revision) continue;
            Adopt(found);
            return;
        }
        var made = await new ServiceMaking(host, version, key).RunAsync(replicas, cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            (Id, _replicas, _isHistoryKnown) = (made, replicas, true);
            _output ??= new ServiceOutput(host, version.Name);
            _output.Follow(made, since: null);
        }
    }

    private async Task ShrinkAsync(CancellationToken cancellationToken)
    {
        await _change.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            int needed;
            lock (_lock)
            {
                _shrinkAt = null;
                if (Id is null) return;
                needed = _instances.Count + _starts.Count;
                if (IsKept_NeedsLock()) needed = Math.Max(needed, _replicas);
            }
            if (needed == 0 && !host.IsServing(key))
            {
                await RemoveOnTurnAsync(cancellationToken).ConfigureAwait(false);
                return;
            }
            if (needed >= _replicas) return;
            await host.Engine.Services.ScaleAsync(Id, needed, cancellationToken).ConfigureAwait(false);
            _replicas = needed;
        }
        catch (EngineException failure)
        {
            // Later; the linger is added to it.
            lock (_lock) _shrinkAt = host.Time.GetTimestamp() + (long)(RetryPause.TotalSeconds * host.Time.TimestampFrequency);
            NotShrunk(host.Logger, key.ServiceName, failure.Message);
        }
        finally
        {
            _change.Release();
        }
    }

    private async Task RemoveOnTurnAsync(CancellationToken cancellationToken)
    {
        if (Id is { } id) await host.Engine.Services.RemoveAsync(id, cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            (Id, _replicas, _keptSince) = (null, 0, null);
            foreach (var task in _tasks.Keys.ToList()) Lose(task, "the function's service was removed");
        }
        await host.Secrets.RemoveAsync(key.ServiceName, cancellationToken).ConfigureAwait(false);
        if (_output is { } output) await output.StopAsync().ConfigureAwait(false);
    }

    [LoggerMessage(240, LogLevel.Warning, "the service {Service} could not be made smaller or removed, which is tried again: {Problem}")]
    private static partial void NotShrunk(ILogger logger, string service, string problem);
}
