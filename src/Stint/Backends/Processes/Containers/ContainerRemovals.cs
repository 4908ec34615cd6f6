using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Processes.Containers;

/// <summary>Containers that could not be removed because the engine was away: they are removed when it is back. What is left when the daemon ends, its next start finds by its labels.</summary>
internal sealed partial class ContainerRemovals(EngineClient engine, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastTry = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly HashSet<string> _pending = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private Task _work = Task.CompletedTask;

    /// <summary>Has a container removed as soon as there is an engine.</summary>
    /// <param name="id">Its id or name.</param>
    public void Add(string id)
    {
        lock (_lock)
        {
            _pending.Add(id);
            if (_work.IsCompleted && !_stop.IsCancellationRequested) _work = Task.Run(WorkAsync);
        }
    }

    /// <summary>Tries a last time.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task work;
        lock (_lock) work = _work;
        await work.ConfigureAwait(false);
        using var limit = new CancellationTokenSource(LastTry, time);
        if (!await TryAllAsync(limit.Token).ConfigureAwait(false))
            lock (_lock) Left(logger, _pending.Count);
        _stop.Dispose();
    }

    private async Task WorkAsync()
    {
        try
        {
            while (!await TryAllAsync(_stop.Token).ConfigureAwait(false)) await Task.Delay(Pause, time, _stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // the end, which tries once more
        }
    }

    private async Task<bool> TryAllAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            string? next;
            lock (_lock) next = _pending.FirstOrDefault();
            if (next is null) return true;
            try
            {
                await engine.Containers.RemoveAsync(next, cancellationToken).ConfigureAwait(false);
            }
            catch (EngineException)
            {
                return false;
            }
            catch (OperationCanceledException)
            {
                return false;
            }
            lock (_lock) _pending.Remove(next);
        }
    }

    [LoggerMessage(236, LogLevel.Error, "left behind: {Count} containers, because the container engine is away; the next start removes them, or: stint wipe --containers")]
    private static partial void Left(ILogger logger, int count);
}
