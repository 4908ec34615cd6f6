// What is made ahead for cold starts, in two stages, for each kind of runtime in use:
//
//   spare            an interpreter that is up in its sandbox, with no function in it. What remains of a start is linking the code into the folder that it sees as /fn, LOAD, and reading the code.
//   empty sandbox    the same without the interpreter: for a start that finds no spare. What remains is starting the interpreter, too.
//
// Either has seen no function before, and serves one function ever. What a start took is made anew in the background afterwards.
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions;

namespace Stint.Backends.Processes;

/// <summary>Runtimes, and sandboxes for runtimes, that wait for a function.</summary>
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
    private readonly int _emptySandboxes;
    private readonly ProcessBackendOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<Spares> _logger;
    private long _taken;
    private long _takenEmpty;

    /// <summary>Prepares the folder; spares are made when they are expected.</summary>
    public Spares(IRuntimeLauncher launcher, ProcessBackendOptions options, TimeProvider time, ILogger<Spares> logger)
    {
        (_launcher, _options, _time, _logger) = (launcher, options, time, logger);
        // Where there are no walls, an empty sandbox would be a spare.
        _emptySandboxes = launcher.HasOwnView ? options.EmptySandboxes : 0;
        if (Directory.Exists(options.LinksFolder)) Directory.Delete(options.LinksFolder, recursive: true);
        Directory.CreateDirectory(options.LinksFolder);
        File.SetUnixFileMode(options.LinksFolder, HostPrograms.TraversableFolder);
    }

    /// <summary>Starts that took a spare.</summary>
    public long Taken => Interlocked.Read(ref _taken);

    /// <summary>Starts that took an empty sandbox.</summary>
    public long TakenEmpty => Interlocked.Read(ref _takenEmpty);

    /// <summary>What waits, by runtime.</summary>
    public IReadOnlyList<(Runtime Runtime, int Spares, int EmptySandboxes)> Waiting
    {
        get
        {
            lock (_lock)
                return [.. _kinds.GroupBy(static kind => kind.Key.Runtime).Select(static group => (group.Key, group.Sum(static kind => kind.Spares.Ready.Count), group.Sum(static kind => kind.Empty.Ready.Count)))];
        }
    }

    /// <summary>A runtime for code that is mounted from the beginning; not started.</summary>
    public BlankRuntime Create(RuntimeKey key, string code) => new(_launcher, _options.RunFolder, key, code, _time);

    /// <summary>Takes a spare, or else an empty sandbox, and gives it the code; null when there is none that fits.</summary>
    public BlankRuntime? TryTake(RuntimeKey key, string bundle)
    {
        BlankRuntime? taken;
        bool isSpare;
        lock (_lock)
        {
            if (Find_NeedsLock(key) is not { } kind) return null;
            taken = TakeAlive_NeedsLock(kind.Spares);
            isSpare = taken is not null;
            taken ??= TakeAlive_NeedsLock(kind.Empty);
        }
        if (taken is null) return null;
        if (!_launcher.HasOwnView || CodeLinks.TryLink(bundle, taken.Resources.Links!))
        {
            Interlocked.Increment(ref isSpare ? ref _taken : ref _takenEmpty);
            return taken;
        }
        lock (_lock) Own_NeedsLock(taken.DisposeAsync().AsTask());
        return null;
    }

    /// <summary>The same for a kind that has yet to be found out, which may take as long as preparing the host's network.</summary>
    public void Expect(Func<CancellationToken, Task<RuntimeKey>> key)
    {
        if (_options.Spares + _emptySandboxes == 0) return;
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

    /// <summary>Has as much of a kind made as there should be, in the background.</summary>
    public void Expect(RuntimeKey key)
    {
        if (_options.Spares + _emptySandboxes == 0) return;
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) return;
            var kind = Find_NeedsLock(key);
            if (kind is null)
            {
                kind = new Kind(key, new Shelf(_options.Spares), new Shelf(_emptySandboxes));
                if (_kinds.Count == MaxKinds)
                {
                    Discard_NeedsLock(_kinds[0]);
                    _kinds.RemoveAt(0);
                }
            }
            else
            {
                _kinds.Remove(kind);
            }
            _kinds.Add(kind); // the last is the one that was wanted last
            Fill_NeedsLock(kind, kind.Spares);
            Fill_NeedsLock(kind, kind.Empty);
        }
    }

    /// <summary>Ends all that waits.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] work;
        lock (_lock)
        {
            foreach (var kind in _kinds) Discard_NeedsLock(kind);
            _kinds.Clear();
            work = [.. _work];
        }
        await Task.WhenAll(work).ConfigureAwait(false);
        _stop.Dispose();
        if (Directory.Exists(_options.LinksFolder)) Directory.Delete(_options.LinksFolder, recursive: true);
    }

    private void Fill_NeedsLock(Kind kind, Shelf shelf)
    {
        while (shelf.Ready.Count + shelf.Coming < shelf.Wanted && _time.GetUtcNow() >= kind.PauseUntil)
        {
            shelf.Coming++;
            Own_NeedsLock(Task.Run(() => MakeAsync(kind, shelf)));
        }
    }

    private async Task MakeAsync(Kind kind, Shelf shelf)
    {
        var links = Path.Combine(_options.LinksFolder, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(links);
        File.SetUnixFileMode(links, HostPrograms.TraversableFolder | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        var blank = Create(kind.Key, links);
        blank.Resources.Links = links;
        var made = false;
        try
        {
            // The limits are the function's as soon as it has one; a blank interpreter needs little.
            var defaults = new ProcessSpec { Runtime = kind.Key.Runtime };
            var limits = new InstanceLimits(defaults.MemoryMiB * 1024L * 1024L, defaults.Pids, 0);
            if (shelf == kind.Spares) await blank.StartAsync(limits, StartLimit, _stop.Token).ConfigureAwait(false);
            else await blank.PrepareAsync(limits, StartLimit, _stop.Token).ConfigureAwait(false);
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
            shelf.Coming--;
            if (!made) kind.PauseUntil = _time.GetUtcNow() + PauseAfterFailure;
            wanted = made && _kinds.Contains(kind) && !_stop.IsCancellationRequested;
            if (wanted) shelf.Ready.Enqueue(blank);
        }
        if (!wanted) await blank.DisposeAsync().ConfigureAwait(false);
    }

    private BlankRuntime? TakeAlive_NeedsLock(Shelf shelf)
    {
        while (shelf.Ready.TryDequeue(out var blank))
        {
            if (blank.IsAlive) return blank;
            Own_NeedsLock(blank.DisposeAsync().AsTask());
        }
        return null;
    }

    private void Discard_NeedsLock(Kind kind)
    {
        foreach (var blank in kind.Spares.Ready.Concat(kind.Empty.Ready)) Own_NeedsLock(blank.DisposeAsync().AsTask());
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

    /// <summary>What waits of one kind.</summary>
    private sealed class Kind(RuntimeKey key, Shelf spares, Shelf empty)
    {
        public RuntimeKey Key { get; } = key;

        public Shelf Spares { get; } = spares;

        public Shelf Empty { get; } = empty;

        public DateTimeOffset PauseUntil { get; set; }
    }

    /// <summary>What waits of one kind at one stage.</summary>
    private sealed class Shelf(int wanted)
    {
        public int Wanted { get; } = wanted;

        public Queue<BlankRuntime> Ready { get; } = new();

        public int Coming { get; set; }
    }
}
