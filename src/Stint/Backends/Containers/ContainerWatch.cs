using System.Collections.Concurrent;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Networks;

namespace Stint.Backends.Containers;

/// <summary>
/// Knows whether the engine is there, and tells containers what happens to them. After each meeting with the engine (again) it compares: what of ours nobody knows is removed, and containers
/// that do not run any more are ended.
/// </summary>
/// <param name="engine">The engine.</param>
/// <param name="daemon">Whose objects.</param>
/// <param name="networks">The networks, compared likewise.</param>
/// <param name="time">Time.</param>
/// <param name="logger">For what an operator should know.</param>
internal sealed partial class ContainerWatch(EngineClient engine, string daemon, FunctionNetworks networks, TimeProvider time, ILogger<ContainerWatch> logger) : IAsyncDisposable
{
    // Arbitrary: engines remove a few at a time about as fast as many.
    private const int ParallelRemovals = 8;
    private static readonly TimeSpan CleanUpLimit = TimeSpan.FromSeconds(15);

    private readonly ConcurrentDictionary<string, FunctionContainer> _containers = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _met = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private volatile EngineException? _away;
    private Task? _loop;

    /// <summary>Whether anybody has needed the engine so far.</summary>
    public bool IsInUse => _loop is not null;

    /// <summary>Why the engine is away; null while it is there, and before anybody needed it.</summary>
    public string? Problem => _away?.Message;

    /// <summary>Our containers that have been started.</summary>
    public int Running => _containers.Values.Count(static container => container.IsStarted);

    /// <summary>Our containers that wait for a start.</summary>
    public int Created => _containers.Values.Count(static container => !container.IsStarted);

    /// <summary>Returns when it is known whether the engine is there: null, or why it is not.</summary>
    public async ValueTask<EngineException?> ReachAsync(CancellationToken cancellationToken)
    {
        Start();
        await _met.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        return _away;
    }

    /// <summary>Tells a container of what happens to it, from before it is made.</summary>
    public void Add(FunctionContainer container) => _containers[container.Instance] = container;

    /// <summary>The container is gone.</summary>
    public void Remove(FunctionContainer container) => _containers.TryRemove(container.Instance, out _);

    /// <summary>Removes what an earlier daemon left or this one could not remove, as far as there is an engine. Without one there is nothing to say: no function may need it.</summary>
    public async Task CleanUpAsync()
    {
        using var limit = new CancellationTokenSource(CleanUpLimit, time);
        try
        {
            await RemoveUnknownAsync(await engine.Containers.ListAsync(ContainerLabels.Ours(daemon), limit.Token).ConfigureAwait(false), limit.Token).ConfigureAwait(false);
            await networks.ReconcileAsync(limit.Token).ConfigureAwait(false);
        }
        catch (EngineException)
        {
            // Whoever needs an engine is told that there is none.
        }
        catch (OperationCanceledException)
        {
            TooSlow(logger, CleanUpLimit.TotalSeconds);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task? loop;
        lock (_lock) loop = _loop;
        if (loop is not null) await loop.ConfigureAwait(false);
        _stop.Dispose();
    }

    private void Start()
    {
        if (_loop is not null) return;
        lock (_lock)
        {
            if (_loop is null && !_stop.IsCancellationRequested) _loop = Task.Run(FollowAsync);
        }
    }

    private async Task FollowAsync()
    {
        var events = new EngineEvents(engine, () => ContainerLabels.Ours(daemon), time, logger);
        try
        {
            await foreach (var news in events.FollowAsync(_stop.Token).ConfigureAwait(false))
            {
                switch (news)
                {
                    case EngineNews.Back back:
                        await ReconcileAsync(back.Containers).ConfigureAwait(false);
                        _away = null;
                        _met.TrySetResult();
                        break;
                    case EngineNews.Lost lost:
                        _away = lost.Reason;
                        _met.TrySetResult();
                        break;
                    case EngineNews.Happened { Event: var happened }:
                        Tell(happened);
                        break;
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The end.
        }
    }

    private void Tell(EngineEvent happened)
    {
        if (!happened.Actor.Attributes.TryGetValue(ContainerLabels.Instance, out var instance) || !_containers.TryGetValue(instance, out var container)) return;
        switch (happened.Action)
        {
            case "oom":
                container.RanOutOfMemory();
                break;
            case "die":
                _ = container.DieAsync(happened.ExitCode); // never faults
                break;
            case "destroy" or "remove":
                container.End("somebody removed the instance's container");
                break;
        }
    }

    private async Task ReconcileAsync(IReadOnlyList<ContainerSummary> present)
    {
        var running = present.Where(static one => one.IsRunning).Select(InstanceOf).ToHashSet();
        try
        {
            // The list is a little old: one that is not in it may have been started since.
            foreach (var container in _containers.Values)
                if (!running.Contains(container.Instance)) await container.VerifyAsync(_stop.Token).ConfigureAwait(false);
            await RemoveUnknownAsync(present, _stop.Token).ConfigureAwait(false);
            await networks.ReconcileAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (EngineException failure)
        {
            NotReconciled(logger, failure.Message); // it is lost again, or the next meeting finds what is left
        }
    }

    private Task RemoveUnknownAsync(IReadOnlyList<ContainerSummary> present, CancellationToken cancellationToken) => Parallel.ForEachAsync(
        present.Where(one => !_containers.ContainsKey(InstanceOf(one))),
        new ParallelOptions { MaxDegreeOfParallelism = ParallelRemovals, CancellationToken = cancellationToken },
        async (one, token) =>
        {
            try
            {
                await engine.Containers.RemoveAsync(one.Id, token).ConfigureAwait(false);
                LeftoverRemoved(logger, one.Names.Count > 0 ? one.Names[0].TrimStart('/') : one.Id);
            }
            catch (EngineException failure) when (!failure.IsEngineAway)
            {
                NotReconciled(logger, failure.Message);
            }
        });

    private static string InstanceOf(ContainerSummary one) => one.Labels.GetValueOrDefault(ContainerLabels.Instance, "");

    [LoggerMessage(234, LogLevel.Information, "the container {Container}, left of an earlier run, was removed")]
    private static partial void LeftoverRemoved(ILogger logger, string container);

    [LoggerMessage(235, LogLevel.Warning, "not everything that was left at the container engine could be removed: {Problem}")]
    private static partial void NotReconciled(ILogger logger, string problem);

    [LoggerMessage(236, LogLevel.Warning, "the container engine has not removed all that was left within {Seconds} s; the next start of the daemon tries again")]
    private static partial void TooSlow(ILogger logger, double seconds);
}
