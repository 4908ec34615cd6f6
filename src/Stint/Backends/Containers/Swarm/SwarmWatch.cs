using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Containers.Swarm;

/// <summary>
/// Looks at the tasks of all services together: once a second, five times a second while a start waits. Swarm tells of services and nodes by itself, but not of tasks. While the manager is away, instances
/// go on with the tasks that they have.
/// </summary>
internal sealed partial class SwarmWatch(SwarmHost host) : IAsyncDisposable
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(1), Awaited = TimeSpan.FromMilliseconds(200);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _hurry = new(0, 1);
    private volatile EngineException? _away;
    private Task? _loop;

    /// <summary>Why the swarm cannot be asked; null while it can, and before anybody wanted to.</summary>
    public string? Problem => _away?.Message;

    /// <summary>The swarm's nodes, as far as is known.</summary>
    public int Nodes { get; private set; } = 1;

    /// <summary>Looks at once.</summary>
    public void Hurry()
    {
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) return;
            _loop ??= Task.Run(RunAsync);
            if (_hurry.CurrentCount == 0) _hurry.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Task? loop;
        lock (_lock)
        {
            _stop.Cancel();
            loop = _loop;
        }
        if (loop is not null) await loop.ConfigureAwait(false);
        _stop.Dispose();
        _hurry.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                var services = host.Services();
                await LookAsync(services).ConfigureAwait(false);
                using var soon = new CancellationTokenSource(services.Any(static service => service.IsAwaited) ? Awaited : Usual, host.Time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(soon.Token, _stop.Token);
                await ((Task)_hurry.WaitAsync(either.Token)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                _stop.Token.ThrowIfCancellationRequested();
            }
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    private async Task LookAsync(IReadOnlyList<FunctionService> services)
    {
        try
        {
            // What was made during the questions is not in the answers: it is looked at the next time.
            var present = services.Where(static service => service.Id is not null).Select(static service => (Service: service, Id: service.Id!)).ToList();
            if (present.Count > 0)
            {
                var filters = SwarmLabels.Ours(host.Options.Daemon);
                var alive = (await host.Engine.Services.ListAsync(filters, _stop.Token).ConfigureAwait(false)).Select(static service => service.ID).ToHashSet(StringComparer.Ordinal);
                var tasks = (await host.Engine.Services.ListTasksAsync(filters, _stop.Token).ConfigureAwait(false)).ToLookup(static task => task.ServiceID);
                var nodes = (await host.Engine.Services.ListNodesAsync(_stop.Token).ConfigureAwait(false)).ToDictionary(static node => node.ID, StringComparer.Ordinal);
                Nodes = Math.Max(1, nodes.Count);
                foreach (var (service, id) in present)
                {
                    if (service.Id != id) continue;
                    if (alive.Contains(id)) service.Update([.. tasks[id]], nodes, (task, port) => host.Network.Locate(task, port, nodes));
                    else service.Vanished();
                }
            }
            if (_away is not null) Back(host.Logger);
            _away = null;
            foreach (var service in services) await service.TendAsync(_stop.Token).ConfigureAwait(false);
        }
        catch (EngineException failure)
        {
            if (_away is null) Away(host.Logger, failure.Message);
            _away = failure;
            foreach (var service in services) service.EngineAway(failure);
        }
    }

    [LoggerMessage(242, LogLevel.Warning, "the swarm cannot be asked; instances that run go on: {Problem}")]
    private static partial void Away(ILogger logger, string problem);

    [LoggerMessage(243, LogLevel.Information, "the swarm answers again")]
    private static partial void Back(ILogger logger);
}
