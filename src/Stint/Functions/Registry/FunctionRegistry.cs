using System.Collections.Frozen;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Invocations;

namespace Stint.Functions.Registry;

/// <summary>
/// The registry's folder and what is served of it. What is on disk is what is deployed: a folder that is dropped in, changed or removed takes effect within a second.
/// </summary>
/// <remarks>
/// The way of a change, step marks in the code:
/// <code>
///  1  the watch wakes (or time is up, or a deployment says so)
///  2  look at all folders; those whose mark (names, sizes, times) is a new one are taken up, each in its own turn:
///  3    read function.toml                     wrong → Broken, the older version goes on serving
///  4    make the bundle of the code, if any    fails → Broken, the older version goes on serving
///  5    changed again meanwhile → back to 3
///  6    tell the observer, then publish the new snapshot, then let the old bundle go
/// </code>
/// <see cref="Snapshot"/> is what the hot path reads: immutable, swapped whole. The entries behind it belong to <see cref="_lock"/>; nothing is awaited or called under it.
/// </remarks>
internal sealed partial class FunctionRegistry : IAsyncDisposable
{
    /// <summary>A function.toml beyond this is a mistake. In bytes; arbitrary.</summary>
    private const long MaxTomlBytes = 1 << 20;

    /// <summary>How often a folder that keeps changing is read anew before it is taken as it is; the next look finds the rest.</summary>
    private const int MaxRereads = 5;

    private readonly RegistryOptions _options;
    private readonly BundleStore _bundles;
    private readonly FunctionTomlReader _readToml;
    private readonly VersionObserver _observer;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RegistryWatch _watch;
    private readonly KeyedGate<FunctionName> _turns = new();
    private readonly CancellationTokenSource _stop = new();

    private readonly Lock _lock = new();
    private readonly Dictionary<FunctionName, Entry> _entries = [];
    private readonly HashSet<FunctionName> _queued = [];
    private readonly HashSet<Task> _work = [];
    private IReadOnlyList<string> _problems = [];
    private RegistrySnapshot _snapshot = RegistrySnapshot.Empty;
    private Task _loop = Task.CompletedTask;

    /// <param name="root">The registry's folder; made if need be.</param>
    /// <param name="options">How closely to watch.</param>
    /// <param name="bundles">Where code is built.</param>
    /// <param name="readToml">Reads <c>function.toml</c>.</param>
    /// <param name="observer">Who is told of what serves.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    public FunctionRegistry(string root, RegistryOptions options, BundleStore bundles, FunctionTomlReader readToml, VersionObserver observer, TimeProvider time, ILogger<FunctionRegistry> logger)
    {
        Layout = new RegistryLayout(root);
        (_options, _bundles, _readToml, _observer, _time, _logger) = (options, bundles, readToml, observer, time, logger);
        _watch = new RegistryWatch(Layout, options, time, logger);
    }

    /// <summary>What lies where.</summary>
    public RegistryLayout Layout { get; }

    /// <summary>All functions as they stand now.</summary>
    public RegistrySnapshot Snapshot => Volatile.Read(ref _snapshot);

    /// <summary>Repairs what a crash left, looks at all folders, and begins to watch. Functions are built in the background: see <see cref="WhenSettledAsync"/>.</summary>
    /// <exception cref="DeploymentException">The folder cannot be used.</exception>
    public void Start()
    {
        try
        {
            Directory.CreateDirectory(Layout.Root);
            StagedSwap.Recover(Layout);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, $"use the registry {Layout.Root}");
        }
        Look();
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Returns when nothing is being read or built.</summary>
    public async Task WhenSettledAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task[] pending;
            lock (_lock) pending = [.. _work];
            if (pending.Length == 0) return;
            await Task.WhenAll(pending).WaitAsync(cancellationToken);
        }
    }

    /// <summary>Waits for the function's turn; until the hold is disposed of, its folder is not read. For whoever changes it in more than one step.</summary>
    public async Task<RegistryHold> HoldAsync(FunctionName name, CancellationToken cancellationToken) =>
        new(await _turns.EnterAsync(name, cancellationToken), () => TakeUp_InTurnAsync(name, _stop.Token));

    /// <summary>Passes a line of a build that a deployment runs on to the function's log.</summary>
    public void ReportBuildLine(FunctionName name, string line) => _observer.OnBuildLine(name, line);

    private async Task RunAsync()
    {
        try
        {
            // Bundles of functions that went while no daemon ran.
            await WhenSettledAsync(_stop.Token);
            _bundles.Sweep();
            while (true)
            {
                await _watch.NextAsync(_stop.Token); // 1
                try
                {
                    Look();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    LogUnreadable(e, Layout.Root); // the next look may do better
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
    }

    /// <summary>Step 2: finds what changed.</summary>
    private void Look()
    {
        _watch.Renew();
        var listing = Layout.List();
        foreach (var problem in listing.Problems.Except(_problems)) LogProblem(problem);
        List<Entry> known;
        lock (_lock)
        {
            known = [.. _entries.Values];
            var isNew = !_problems.SequenceEqual(listing.Problems);
            _problems = listing.Problems;
            if (isNew) Publish_NeedsLock();
        }
        foreach (var (name, folder) in listing.Functions)
            if (!IsCurrent(name, folder)) Queue(name);
        foreach (var function in known.Select(entry => entry.Function))
            if (!listing.Functions.ContainsKey(function.Name) && !listing.Unreadable.Any(folder => function.Folder.StartsWith(folder + '/', StringComparison.Ordinal))) Queue(function.Name);
    }

    private bool IsCurrent(FunctionName name, string folder)
    {
        string? mark, outsideMark;
        IReadOnlyList<VmFile> outside;
        lock (_lock)
        {
            if (!_entries.TryGetValue(name, out var entry) || entry.Function.Folder != folder || entry.RetryAt <= _time.GetUtcNow()) return false;
            (mark, outside, outsideMark) = (entry.Mark, entry.Outside, entry.OutsideMark);
        }
        return mark == BundleHash.Mark(folder) && (outside.Count == 0 || outsideMark == VmFiles.Identify(outside));
    }

    private void Queue(FunctionName name)
    {
        lock (_lock)
        {
            if (_stop.IsCancellationRequested || !_queued.Add(name)) return;
            var work = Task.Run(() => WorkAsync(name));
            _work.Add(work);
            _ = work.ContinueWith(done => { lock (_lock) _work.Remove(done); }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task WorkAsync(FunctionName name)
    {
        try
        {
            using var turn = await _turns.EnterAsync(name, _stop.Token);
            lock (_lock) _queued.Remove(name);
            await TakeUp_InTurnAsync(name, _stop.Token);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The daemon stops.
        }
        catch (Exception e)
        {
            LogUnexpected(e, name);
        }
    }

    /// <summary>Steps 3 to 6 for one function; the caller has its turn. Returns how it stands now, null when it is gone.</summary>
    private async Task<RegisteredFunction?> TakeUp_InTurnAsync(FunctionName name, CancellationToken cancellationToken)
    {
        for (var reread = 0; ; reread++)
        {
            if (Layout.Locate(name) is not { } folder)
            {
                Remove(name);
                return null;
            }
            var mark = BundleHash.Mark(folder);
            if (IsCurrent(name, folder)) return Snapshot.Functions.GetValueOrDefault(name);
            var entry = Begin(name, folder, mark);
            FunctionSpec? spec = null;
            try
            {
                (var text, spec) = Read(folder); // 3
                NoteOutside(entry, spec, folder);
                var lease = await MakeBundleAsync(name, spec, folder, cancellationToken); // 4
                if (reread < MaxRereads && mark != BundleHash.Mark(folder)) // 5
                {
                    lease?.Dispose();
                    await Task.Delay(_options.Quiet, _time, cancellationToken);
                    continue;
                }
                return Serve(entry, spec, text, lease); // 6
            }
            catch (BrokenFunctionException e)
            {
                return Break(entry, e.Problems, spec, isTransient: false);
            }
            catch (DeploymentException e)
            {
                if (!FileStat.TryRead(folder, out _) || reread < MaxRereads && mark != BundleHash.Mark(folder)) continue; // it changed under our hands
                return Break(entry, [$"{folder}: {e.Message}"], spec, isTransient: e.Fault is not DeploymentFault.BadRequest);
            }
        }
    }

    /// <summary>Step 3.</summary>
    private (string Text, FunctionSpec Spec) Read(string folder)
    {
        var path = Path.Combine(folder, RegistryLayout.TomlName);
        string text;
        try
        {
            if (!FileStat.TryRead(path, out var stat) || !stat.IsFile) throw new BrokenFunctionException($"{path}: not a plain file");
            if (stat.Size > MaxTomlBytes) throw new BrokenFunctionException($"{path}: larger than {MaxTomlBytes >> 20} MiB");
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BrokenFunctionException($"{path}: cannot be read: {e.Message}");
        }
        var spec = FunctionValidation.Read(_readToml, text, path);
        return (text, spec);
    }

    /// <summary>Step 4.</summary>
    private async Task<BundleLease?> MakeBundleAsync(FunctionName name, FunctionSpec spec, string folder, CancellationToken cancellationToken) => spec switch
    {
        { Process: { } process } => await _bundles.GetOrBuildAsync(process, CodeOf(folder), line => _observer.OnBuildLine(name, line), cancellationToken),
        { Wasm: { } wasm } => await _bundles.GetOrTakeAsync(wasm, CodeOf(folder), cancellationToken),
        { Vm: { } vm } => await _bundles.GetOrPinAsync(vm, folder, cancellationToken),
        _ => null,
    };

    /// <summary>Remembers files of the function that lie outside of its folder. Nothing reports their changes; they are looked at with everything else, every <see cref="RegistryOptions.RescanEvery"/>.</summary>
    private void NoteOutside(Entry entry, FunctionSpec spec, string folder)
    {
        IReadOnlyList<VmFile> outside = spec.Vm is { } vm ? [.. VmFiles.Outside(vm, folder)] : [];
        var mark = VmFiles.Identify(outside);
        lock (_lock) (entry.Outside, entry.OutsideMark) = (outside, mark);
    }

    private static string CodeOf(string folder)
    {
        var code = Path.Combine(folder, RegistryLayout.CodeName);
        return FileStat.TryRead(code, out var stat) && stat.IsFolder ? code : throw new BrokenFunctionException($"{code}: there is no such folder; the function's code belongs in it");
    }

    private Entry Begin(FunctionName name, string folder, string mark)
    {
        var entry = BeginEntry(name, folder, mark);
        if (entry.Function.Serving is null) _observer.OnUnusable(name, "it is being built; try again in a moment");
        return entry;
    }

    private Entry BeginEntry(FunctionName name, string folder, string mark)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(name, out var entry)) _entries[name] = entry = new Entry { Function = new() { Name = name, Folder = folder, State = RegistrationState.Building } };
            entry.Mark = mark;
            entry.RetryAt = null;
            entry.Function = entry.Function with { Folder = folder, State = RegistrationState.Building, Problems = [] };
            Publish_NeedsLock();
            return entry;
        }
    }

    /// <summary>Step 6. The observer comes before the snapshot: whoever finds a version there finds its pool.</summary>
    private RegisteredFunction Serve(Entry entry, FunctionSpec spec, string text, BundleLease? lease)
    {
        var serving = entry.Function.Serving;
        var id = BundleHash.OfTexts(lease?.Hash ?? "", text);
        var isNew = serving?.Id != id;
        if (isNew)
        {
            serving = new FunctionVersion { Name = entry.Function.Name, Spec = spec, Id = id, Folder = lease?.Folder, DeployedAt = _time.GetUtcNow() };
            _observer.OnServing(serving);
        }
        RegisteredFunction result;
        var old = lease;
        lock (_lock)
        {
            if (isNew) (old, entry.Lease) = (entry.Lease, lease);
            entry.Failures = 0;
            entry.Function = result = entry.Function with { State = RegistrationState.Ready, Serving = serving, Spec = spec, Problems = [] };
            Publish_NeedsLock();
        }
        old?.Dispose();
        if (isNew) LogServing(result.Name, id[..12]);
        return result;
    }

    private RegisteredFunction Break(Entry entry, IReadOnlyList<string> problems, FunctionSpec? spec, bool isTransient)
    {
        // The observer comes before the snapshot, as above: whoever finds the problem there is answered with it.
        var name = entry.Function.Name;
        if (entry.Function.Serving is null) _observer.OnUnusable(name, string.Join('\n', problems));
        RegisteredFunction result;
        lock (_lock)
        {
            entry.RetryAt = isTransient ? _time.GetUtcNow() + _options.RetryAfter * Math.Min(60, 1 << Math.Min(entry.Failures++, 6)) : null;
            entry.Function = result = entry.Function with { State = RegistrationState.Broken, Problems = problems, Spec = spec };
            Publish_NeedsLock();
        }
        foreach (var problem in problems) LogBroken(result.Name, problem, result.Serving is null ? "it cannot be called" : "the version before goes on serving");
        return result;
    }

    private void Remove(FunctionName name)
    {
        Entry? entry;
        lock (_lock)
        {
            if (!_entries.Remove(name, out entry)) return;
            Publish_NeedsLock();
        }
        _observer.OnRemoved(name);
        entry.Lease?.Dispose();
        LogRemoved(name);
    }

    private void Publish_NeedsLock() =>
        Volatile.Write(ref _snapshot, new RegistrySnapshot(_entries.ToFrozenDictionary(e => e.Key, e => e.Value.Function), _problems));

    /// <summary>Stops watching and building. Bundles stay on disk for the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        await WhenSettledAsync(CancellationToken.None);
        _watch.Dispose();
        _stop.Dispose();
    }

    /// <summary>What is remembered of a function besides what is shown. Fields belong to the registry's lock.</summary>
    private sealed class Entry
    {
        /// <summary>As shown.</summary>
        public required RegisteredFunction Function { get; set; }

        /// <summary>The mark of the state on disk that was last taken up, good or bad.</summary>
        public string? Mark { get; set; }

        /// <summary>Files of that state that lie outside of the function's folder.</summary>
        public IReadOnlyList<VmFile> Outside { get; set; } = [];

        /// <summary>Their mark.</summary>
        public string? OutsideMark { get; set; }

        /// <summary>Keeps the serving version's bundle.</summary>
        public BundleLease? Lease { get; set; }

        /// <summary>Builds that failed in a row, not for the code's sake.</summary>
        public int Failures { get; set; }

        /// <summary>When to try such a build again.</summary>
        public DateTimeOffset? RetryAt { get; set; }
    }

    [LoggerMessage(2302, LogLevel.Debug, "Serving {Name}, version {Version}")]
    private partial void LogServing(FunctionName name, string version);

    [LoggerMessage(2303, LogLevel.Debug, "Removed {Name}")]
    private partial void LogRemoved(FunctionName name);

    [LoggerMessage(2304, LogLevel.Warning, "{Name} is broken: {Problem} ({Consequence})")]
    private partial void LogBroken(FunctionName name, string problem, string consequence);

    [LoggerMessage(2305, LogLevel.Warning, "In the registry: {Problem}")]
    private partial void LogProblem(string problem);

    [LoggerMessage(2306, LogLevel.Warning, "Cannot look at the registry {Root}")]
    private partial void LogUnreadable(Exception error, string root);

    [LoggerMessage(2307, LogLevel.Error, "Taking up {Name} failed unexpectedly")]
    private partial void LogUnexpected(Exception error, FunctionName name);
}

/// <summary>A function's turn in the registry, held by whoever changes its folder. Disposing ends it.</summary>
internal sealed class RegistryHold(IDisposable turn, Func<Task<RegisteredFunction?>> takeUp) : IDisposable
{
    /// <summary>Takes up what is on disk now, at once; null when the function is not there.</summary>
    public Task<RegisteredFunction?> TakeUpAsync() => takeUp();

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();
}
