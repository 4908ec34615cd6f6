// Spares: for each version in use some containers are created ahead, so that a cold start is only a start. A created container holds an address and an empty layer on the engine's disk, no
// process and no memory.
using Stint.Backends.Containers.Engine;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Containers;

/// <summary>Containers that wait for their start.</summary>
internal sealed partial class CreatedSpares(ContainerHost host) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<FunctionName, Shelf> _shelves = [];
    private readonly HashSet<Task> _work = [];
    private readonly CancellationTokenSource _stop = new();
    private long _taken;

    /// <summary>Starts that took a spare.</summary>
    public long Taken => Interlocked.Read(ref _taken);

    /// <summary>Takes a spare of this version and this image; those of another image are as old as that.</summary>
    public FunctionContainer? TryTake(FunctionVersion version, string imageId)
    {
        lock (_lock)
        {
            if (!_shelves.TryGetValue(version.Name, out var shelf) || shelf.Version.Id != version.Id) return null;
            while (shelf.Ready.TryDequeue(out var spare))
            {
                if (spare.ImageId == imageId && !spare.Ended.IsCompleted)
                {
                    Interlocked.Increment(ref _taken);
                    return spare;
                }
                Own_NeedsLock(spare.DisposeAsync().AsTask());
            }
            return null;
        }
    }

    /// <summary>From now on there are spares of this version, made in the background, and none of the function's other versions.</summary>
    public void Expect(FunctionVersion version)
    {
        // One that was made ahead would have the secrets of that moment.
        if (host.Options.Spares == 0 || version.Spec.Secrets.Count > 0) return;
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) return;
            if (_shelves.TryGetValue(version.Name, out var old)) Clear_NeedsLock(old);
            Fill_NeedsLock(_shelves[version.Name] = new Shelf(version));
        }
    }

    /// <summary>Makes up for spares that were taken, if the version is still the expected one.</summary>
    public void Refill(FunctionVersion version)
    {
        lock (_lock)
            if (!_stop.IsCancellationRequested && _shelves.TryGetValue(version.Name, out var shelf) && shelf.Version.Id == version.Id) Fill_NeedsLock(shelf);
    }

    /// <summary>The function is gone.</summary>
    public async Task ForgetAsync(FunctionName function)
    {
        Task[] work;
        lock (_lock)
        {
            if (_shelves.Remove(function, out var shelf)) Clear_NeedsLock(shelf);
            work = [.. _work];
        }
        await Task.WhenAll(work).ConfigureAwait(false);
    }

    /// <summary>Removes all spares.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        while (true)
        {
            Task[] work;
            lock (_lock)
            {
                foreach (var shelf in _shelves.Values) Clear_NeedsLock(shelf);
                _shelves.Clear();
                if (_work.Count == 0) break;
                work = [.. _work];
            }
            await Task.WhenAll(work).ConfigureAwait(false);
        }
        _stop.Dispose();
    }

    private void Fill_NeedsLock(Shelf shelf)
    {
        if (shelf.IsFilling || shelf.Ready.Count >= host.Options.Spares) return;
        shelf.IsFilling = true;
        Own_NeedsLock(Task.Run(() => FillAsync(shelf)));
    }

    private async Task FillAsync(Shelf shelf)
    {
        while (true)
        {
            FunctionContainer? spare = null;
            try
            {
                if (await host.Watch.ReachAsync(_stop.Token).ConfigureAwait(false) is null)
                {
                    var image = await host.Engine.Images.InspectAsync(shelf.Version.Spec.Container!.Image, _stop.Token).ConfigureAwait(false);
                    // Starts that somebody waits for come first.
                    await host.Turns.WaitAsync(_stop.Token).ConfigureAwait(false);
                    try
                    {
                        spare = await FunctionContainer.CreateAsync(host, shelf.Version, image, _stop.Token).ConfigureAwait(false);
                    }
                    finally
                    {
                        host.Turns.Release();
                    }
                }
            }
            catch (Exception failure) when (failure is EngineException or InstanceStartException)
            {
                // A start without a spare fails for the same reason and tells its caller.
                NoSpare(host.Logger, shelf.Version.Name, failure.Message);
            }
            catch (OperationCanceledException)
            {
                // stopping
            }
            lock (_lock)
            {
                var isWanted = !_stop.IsCancellationRequested && _shelves.GetValueOrDefault(shelf.Version.Name) == shelf;
                if (spare is not null && isWanted) shelf.Ready.Enqueue(spare);
                else if (spare is not null) Own_NeedsLock(spare.DisposeAsync().AsTask());
                if (spare is not null && isWanted && shelf.Ready.Count < host.Options.Spares) continue;
                shelf.IsFilling = false;
                return;
            }
        }
    }

    private void Clear_NeedsLock(Shelf shelf)
    {
        while (shelf.Ready.TryDequeue(out var spare)) Own_NeedsLock(spare.DisposeAsync().AsTask());
    }

    private void Own_NeedsLock(Task work)
    {
        _work.Add(work);
        _ = work.ContinueWith(done => { lock (_lock) _work.Remove(done); }, TaskScheduler.Default);
    }

    [LoggerMessage(237, LogLevel.Debug, "{Function}: no container ahead: {Problem}")]
    private static partial void NoSpare(ILogger logger, FunctionName function, string problem);

    /// <summary>The spares of one version.</summary>
    private sealed class Shelf(FunctionVersion version)
    {
        public FunctionVersion Version { get; } = version;

        public Queue<FunctionContainer> Ready { get; } = new();

        public bool IsFilling { get; set; }
    }
}
