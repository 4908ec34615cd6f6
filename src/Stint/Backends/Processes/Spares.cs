// Warm spares: for each kind of runtime in use, a few interpreters wait in their sandboxes, with no function in them. A cold start takes one, links the code into the folder that it sees as
// /fn, and sends LOAD; what remains of a start is reading the code. A new spare is made in the background afterwards.
//
// A spare has seen no function before, and serves one function ever.
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Processes;

/// <summary>Runtimes that wait for a function.</summary>
internal sealed partial class Spares : IAsyncDisposable
{
    // Kinds differ by runtime and by settings of the sandbox; those that were wanted last have spares.
    private const int MaxKinds = 4;
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly List<Kind> _kinds = [];
    private readonly HashSet<Task> _work = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly IRuntimeLauncher _launcher;
    private readonly ProcessBackendOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<Spares> _logger;
    private long _taken;

    /// <summary>Prepares the folder; spares are made when they are expected.</summary>
    public Spares(IRuntimeLauncher launcher, ProcessBackendOptions options, TimeProvider time, ILogger<Spares> logger)
    {
        (_launcher, _options, _time, _logger) = (launcher, options, time, logger);
        if (Directory.Exists(options.LinksFolder)) Directory.Delete(options.LinksFolder, recursive: true);
        Directory.CreateDirectory(options.LinksFolder);
        File.SetUnixFileMode(options.LinksFolder, HostPrograms.TraversableFolder);
    }

    /// <summary>Starts that took a spare.</summary>
    public long Taken => Interlocked.Read(ref _taken);

    /// <summary>Spares that wait, by runtime.</summary>
    public IReadOnlyList<(Runtime Runtime, int Count)> Waiting
    {
        get
        {
            lock (_lock) return [.. _kinds.GroupBy(static kind => kind.Key.Runtime).Select(static group => (group.Key, group.Sum(static kind => kind.Ready.Count)))];
        }
    }

    /// <summary>A runtime for code that is mounted from the beginning; not started.</summary>
    public BlankRuntime Create(RuntimeKey key, string code) => new(_launcher, _options.RunFolder, key, code, _time);

    /// <summary>Takes a spare and gives it the code; null when there is none that fits.</summary>
    public BlankRuntime? TryTake(RuntimeKey key, string bundle)
    {
        BlankRuntime? spare;
        lock (_lock)
        {
            var ready = Find_NeedsLock(key)?.Ready;
            do
            {
                if (ready is null || !ready.TryDequeue(out spare)) return null;
                if (!spare.IsAlive) Own_NeedsLock(spare.DisposeAsync().AsTask());
            }
            while (!spare.IsAlive);
        }
        if (!_launcher.HasOwnView || CodeLinks.TryLink(bundle, spare.Resources.Links!))
        {
            Interlocked.Increment(ref _taken);
            return spare;
        }
        lock (_lock) Own_NeedsLock(spare.DisposeAsync().AsTask());
        return null;
    }

    /// <summary>The same for a kind that has yet to be found out, which may take as long as preparing the host's network.</summary>
    public void Expect(Func<CancellationToken, Task<RuntimeKey>> key)
    {
        if (_options.Spares == 0) return;
        lock (_lock)
        {
            if (!_stop.IsCancellationRequested) Own_NeedsLock(Task.Run(FindOutAsync));
        }

        async Task FindOutAsync()
        {
            try
            {
                Expect(await key(_stop.Token).ConfigureAwait(false));
            }
            catch (Exception refused) when (refused is InstanceStartException or OperationCanceledException)
            {
                // Whoever calls the function will be told.
            }
        }
    }

    /// <summary>Has as many spares of a kind made as there should be, in the background.</summary>
    public void Expect(RuntimeKey key)
    {
        if (_options.Spares == 0) return;
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) return;
            var kind = Find_NeedsLock(key);
            if (kind is null)
            {
                kind = new Kind(key);
                if (_kinds.Count == MaxKinds)
                {
                    foreach (var spare in _kinds[0].Ready) Own_NeedsLock(spare.DisposeAsync().AsTask());
                    _kinds.RemoveAt(0);
                }
            }
            else
            {
                _kinds.Remove(kind);
            }
            _kinds.Add(kind); // the last is the one that was wanted last
            while (kind.Ready.Count + kind.Coming < _options.Spares && !kind.IsPausing(_time))
            {
                kind.Coming++;
                Own_NeedsLock(Task.Run(() => MakeAsync(kind)));
            }
        }
    }

    /// <summary>Ends all spares.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] work;
        lock (_lock)
        {
            foreach (var spare in _kinds.SelectMany(static kind => kind.Ready)) Own_NeedsLock(spare.DisposeAsync().AsTask());
            _kinds.Clear();
            work = [.. _work];
        }
        await Task.WhenAll(work).ConfigureAwait(false);
        _stop.Dispose();
        if (Directory.Exists(_options.LinksFolder)) Directory.Delete(_options.LinksFolder, recursive: true);
    }

    private async Task MakeAsync(Kind kind)
    {
        var links = Path.Combine(_options.LinksFolder, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(links);
        File.SetUnixFileMode(links, HostPrograms.TraversableFolder | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        var spare = Create(kind.Key, links);
        spare.Resources.Links = links;
        var made = false;
        try
        {
            // The limits are the function's as soon as it has one; a blank interpreter needs little.
            var defaults = new ProcessSpec { Runtime = kind.Key.Runtime };
            await spare.StartAsync(new InstanceLimits(defaults.MemoryMiB * 1024L * 1024L, defaults.Pids, 0), StartLimit, _stop.Token).ConfigureAwait(false);
            made = true;
        }
        catch (Exception failure) when (failure is InstanceStartException or IOException or System.ComponentModel.Win32Exception or System.Net.Sockets.SocketException or UnauthorizedAccessException)
        {
            // A start without a spare will fail for the same reason and tell its caller; here it is only not to be tried again at once.
            NoSpare(_logger, kind.Key.Runtime, failure.Message);
        }
        catch (OperationCanceledException)
        {
            // stopping
        }
        bool wanted;
        lock (_lock)
        {
            kind.Coming--;
            if (!made) kind.PauseUntil = _time.GetUtcNow() + PauseAfterFailure;
            wanted = made && _kinds.Contains(kind) && !_stop.IsCancellationRequested;
            if (wanted) kind.Ready.Enqueue(spare);
        }
        if (!wanted) await spare.DisposeAsync().ConfigureAwait(false);
    }

    private Kind? Find_NeedsLock(RuntimeKey key) => _kinds.Find(kind => kind.Key == key);

    private void Own_NeedsLock(Task work)
    {
        _work.Add(work);
        _ = work.ContinueWith(done =>
        {
            lock (_lock) _work.Remove(done);
            if (done.Exception is { } failure) Failed(_logger, failure);
        }, TaskScheduler.Default);
    }

    [LoggerMessage(210, LogLevel.Warning, "no warm spare for {Runtime}: {Problem}")]
    private static partial void NoSpare(ILogger logger, Runtime runtime, string problem);

    [LoggerMessage(211, LogLevel.Error, "making or removing a warm spare failed")]
    private static partial void Failed(ILogger logger, Exception failure);

    /// <summary>The spares of one kind.</summary>
    private sealed class Kind(RuntimeKey key)
    {
        public RuntimeKey Key { get; } = key;

        public Queue<BlankRuntime> Ready { get; } = new();

        public int Coming { get; set; }

        public DateTimeOffset PauseUntil { get; set; }

        public bool IsPausing(TimeProvider time) => time.GetUtcNow() < PauseUntil;
    }
}
