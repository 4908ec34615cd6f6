// A worker's copy of what it runs: STATE/cache
//
//   functions/   laid out as a registry, and used as one: FunctionRegistry, bundles, pools know nothing of gateways
//   secrets/     laid out as STATE/secrets: those that functions of the cache name
//   index/       which version of what (MirrorIndex)
//
// A call names the version that its gateway serves. Enter finds that one or a later one, or fetches it, once for all calls that wait for it; the call holds its function until it leaves, so that no
// function goes that runs. What is beyond the cap goes, the least recently used function first.
using Stint.Cluster.Mirrors;
using Stint.Cluster.Transport;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Cluster.Cache;

/// <summary>What a cache needs of the daemon around it.</summary>
/// <param name="Registry">The registry over <see cref="CodeCache.RegistryOf"/>.</param>
/// <param name="Secrets">The secrets in <see cref="CodeCache.SecretsOf"/>.</param>
/// <param name="Supply">Where code comes from.</param>
/// <param name="RolledOut">Ends when calls go to the version that the registry serves of a function: null, or why not.</param>
/// <param name="Renew">Gives a function instances that have its secrets' present values: null, or why not.</param>
internal sealed record CodeCacheParts(FunctionRegistry Registry, SecretStore Secrets, CodeSupply Supply, Func<FunctionName, Task<string?>> RolledOut, Func<FunctionName, Task<string?>> Renew);

/// <summary>The code that a worker has.</summary>
internal sealed partial class CodeCache : IAsyncDisposable
{
    /// <summary>How long a version that does not run here is not tried again.</summary>
    private static readonly TimeSpan RefusalFor = TimeSpan.FromSeconds(10);

    private readonly CodeCacheParts _parts;
    private readonly long _cap;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly MirrorIndex _index;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<FunctionName, Entry> _entries = [];

    /// <summary>Reads what an earlier run left. Before the registry starts.</summary>
    /// <param name="parts">What it works with.</param>
    /// <param name="state">The daemon's state folder.</param>
    /// <param name="cap">Bytes that functions' folders may take up together.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    /// <exception cref="IOException">The folder cannot be used.</exception>
    public CodeCache(CodeCacheParts parts, string state, long cap, TimeProvider time, ILogger<CodeCache> logger)
    {
        (_parts, _cap, _time, _logger) = (parts, cap, time, logger);
        _index = new MirrorIndex(Path.Combine(state, "cache", "index"));
        Directory.CreateDirectory(parts.Registry.Layout.Root);
        StagedSwap.Recover(parts.Registry.Layout);
        foreach (var (name, folder) in parts.Registry.Layout.List().Functions)
        {
            // What was edited by hand, or was on its way when the daemon was killed, is fetched again.
            var known = _index.Find(name) is { } entry && entry.Mark == BundleHash.Mark(folder) ? entry : null;
            _entries[name] = new Entry { Hash = known?.Hash ?? "", Change = known?.Change ?? 0, Size = SizeOf(folder), UsedAt = _time.GetTimestamp() };
        }
    }

    /// <summary>The folder of the functions of a cache.</summary>
    public static string RegistryOf(string state) => Path.Combine(state, "cache", "functions");

    /// <summary>The folder of the secrets of a cache.</summary>
    public static string SecretsOf(string state) => Path.Combine(state, "cache", "secrets");

    /// <summary>What it has.</summary>
    public IReadOnlyList<CachedVersion> Versions
    {
        get { lock (_lock) return [.. _entries.Select(static entry => new CachedVersion(entry.Key.ToString(), entry.Value.Hash, entry.Value.Change, entry.Value.Secrets))]; }
    }

    /// <summary>Sees to it that a version, or a later one, serves, and holds it until <see cref="Leave"/>. At once when it does.</summary>
    /// <returns>Null, or why it does not: then there is nothing to leave.</returns>
    public ValueTask<string?> EnterAsync(FunctionName function, CodeVersion version, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(function, out var entry) && entry.Has(version))
            {
                entry.Use(_time);
                return default;
            }
        }
        return new ValueTask<string?>(WaitAsync(function, version, cancellationToken));
    }

    /// <summary>A call that has entered has ended.</summary>
    public void Leave(FunctionName function)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(function, out var entry)) entry.Users--;
        }
    }

    /// <summary>
    /// A call that has entered goes on for as long as caller and function like: it keeps the function from being let go for want of room, but not from being removed, after which its pool gives it as long as calls
    /// have. Disposing of what is returned takes the place of <see cref="Leave"/>.
    /// </summary>
    public IDisposable Stay(FunctionName function)
    {
        lock (_lock)
        {
            // It is there: it has a user.
            var entry = _entries[function];
            entry.Users--;
            entry.Tunnels++;
            return new Guest(this, entry);
        }
    }

    /// <summary>Lets a function go; null when it is gone, else why not: it runs.</summary>
    public async Task<string?> EvictAsync(FunctionName function, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(function, out var entry)) return null;
            if (entry.Users > 0 || entry.Fetching is not null) return $"{function} runs";
            // From here on a call of it fetches it anew.
            _entries.Remove(function);
        }
        try
        {
            using var hold = await _parts.Registry.HoldAsync(function, cancellationToken).ConfigureAwait(false);
            lock (_lock)
            {
                if (_entries.ContainsKey(function)) return null; // it has come again meanwhile
            }
            if (_parts.Registry.Layout.Locate(function) is { } folder)
            {
                using var swap = new StagedSwap(_parts.Registry.Layout, canExchange: true);
                swap.Remove(folder);
            }
            _index.Remove(function, 0);
            await hold.TakeUpAsync().ConfigureAwait(false);
            SweepSecrets();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogStuck(function, e.Message);
            return e.Message;
        }
    }

    /// <summary>Asks a gateway what of the cache is still deployed, lets the rest go, fetches what is newer.</summary>
    /// <inheritdoc cref="CodeSupply.CompareAsync"/>
    public async Task CompareAsync(CancellationToken cancellationToken)
    {
        if (Versions is not { Count: > 0 } versions) return;
        var answer = await _parts.Supply.CompareAsync(versions, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        foreach (var text in answer.Gone)
            if (FunctionName.TryParse(text, out var gone)) await EvictAsync(gone, cancellationToken).ConfigureAwait(false);
        foreach (var newer in answer.Newer)
        {
            if (!FunctionName.TryParse(newer.Function, out var function) || !CodeVersion.IsHash(newer.Hash)) continue;
            if (await EnterAsync(function, new CodeVersion(newer.Hash, newer.Change, newer.Secrets), cancellationToken).ConfigureAwait(false) is null) Leave(function);
        }
    }

    /// <summary>Fetches nothing any more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Task[] fetching;
        lock (_lock) fetching = [.. _entries.Values.Select(static entry => entry.Fetching).OfType<Task>()];
        await Task.WhenAll(fetching).ConfigureAwait(false); // they never fault
        _stop.Dispose();
    }

    private async Task<string?> WaitAsync(FunctionName function, CodeVersion version, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task<string?> fetching;
            lock (_lock)
            {
                if (!_entries.TryGetValue(function, out var entry)) _entries[function] = entry = new Entry { UsedAt = _time.GetTimestamp() };
                if (entry.Has(version))
                {
                    entry.Use(_time);
                    return null;
                }
                // Each call of it would fetch it again, only to find the same.
                if (entry.Refusal is { } refusal && refusal.Hash == version.Hash && _time.GetElapsedTime(refusal.At) < RefusalFor) return refusal.Problem;
                // Not on the caller's thread, which may be one that waits for sockets; not given up when this caller leaves, others may wait too.
                fetching = entry.Fetching ??= Task.Run(() => FetchAsync(function, entry, version), CancellationToken.None);
            }
            if (await fetching.WaitAsync(cancellationToken).ConfigureAwait(false) is { } problem) return problem;
        }
    }

    /// <summary>Never faults: the problem, or null.</summary>
    private async Task<string?> FetchAsync(FunctionName function, Entry entry, CodeVersion version)
    {
        string? problem;
        var stop = _stop.Token;
        try
        {
            problem = await FetchAsync(function, entry, version, stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            problem = "this worker stops";
        }
        catch (Exception e) when (e is HttpRequestException or NodeRefusedException or NodeProtocolException or OperationCanceledException)
        {
            problem = $"it cannot be fetched from a gateway: {e.Message}";
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException or DeploymentException)
        {
            problem = e.Message;
        }
        catch (Exception e)
        {
            LogUnexpected(e, function);
            problem = "it cannot be fetched; see this worker's log";
        }
        lock (_lock)
        {
            entry.Fetching = null;
            // Nothing came of it, and nothing was there.
            if (entry is { Hash: "", Users: 0 } && _parts.Registry.Layout.Locate(function) is null) _entries.Remove(function);
        }
        if (problem is not null) LogNotFetched(function, problem);
        return problem;
    }

    private async Task<string?> FetchAsync(FunctionName function, Entry entry, CodeVersion version, CancellationToken cancellationToken)
    {
        bool hasCode;
        long secrets;
        lock (_lock) (hasCode, secrets) = (entry.HasCode(version), entry.Secrets);
        if (version.Secrets > secrets)
        {
            secrets = await TakeSecretsAsync(function, cancellationToken).ConfigureAwait(false);
            if (hasCode && await _parts.Renew(function).ConfigureAwait(false) is { } stale) return $"it has no instances with its secrets' present values: {stale}";
        }
        if (!hasCode && await TakeCodeAsync(function, entry, version, cancellationToken).ConfigureAwait(false) is { } problem) return problem;
        // A gateway that is behind the one that called has older ones: they are what there is.
        lock (_lock) entry.Secrets = Math.Max(secrets, version.Secrets);
        return null;
    }

    private async Task<long> TakeSecretsAsync(FunctionName function, CancellationToken cancellationToken)
    {
        var answer = await _parts.Supply.SecretsAsync(function, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        foreach (var (name, value) in answer.Values)
        {
            if (!SecretName.IsValid(name) || value?.Length > SecretStore.MaxBytes) throw new InvalidDataException($"a gateway sent a secret of {function} that is none");
            if (value is null) _parts.Secrets.TryRemove(function.Module, name);
            else if (!_parts.Secrets.TryAdd(function.Module, name, value)) _parts.Secrets.TryReplace(function.Module, name, value);
        }
        return answer.Change;
    }

    private async Task<string?> TakeCodeAsync(FunctionName function, Entry entry, CodeVersion version, CancellationToken cancellationToken)
    {
        var layout = _parts.Registry.Layout;
        using var swap = new StagedSwap(layout, canExchange: true);
        var size = await _parts.Supply.FetchAsync(function, version.Hash, swap.New, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        DurableTree.Flush(swap.New);
        await MakeRoomAsync(function, size, cancellationToken).ConfigureAwait(false);
        var mark = BundleHash.Mark(swap.New);
        using (var hold = await _parts.Registry.HoldAsync(function, cancellationToken).ConfigureAwait(false))
        {
            if (layout.Locate(function) is { } folder) swap.Replace(folder, static () => { });
            else swap.Place(layout.PlaceFor(function));
            _index.Put(function, new MirroredFunction(version.Hash, version.Change, mark));
            var registered = await hold.TakeUpAsync().ConfigureAwait(false);
            if (registered is not { State: RegistrationState.Ready }) return Refuse(entry, version, $"it does not run here: {string.Join("; ", registered?.Problems ?? ["it is gone"])}");
        }
        if (await _parts.RolledOut(function).ConfigureAwait(false) is { } problem) return Refuse(entry, version, $"its new version does not start here: {problem}");
        lock (_lock) (entry.Hash, entry.Change, entry.Size) = (version.Hash, version.Change, size);
        LogFetched(function, version.Hash[..12], size);
        return null;
    }

    private string Refuse(Entry entry, CodeVersion version, string problem)
    {
        lock (_lock) entry.Refusal = new Refusal(version.Hash, problem, _time.GetTimestamp());
        return problem;
    }

    /// <summary>Lets functions go until there is room, the least recently used first; what runs stays, cap or not.</summary>
    private async Task MakeRoomAsync(FunctionName newcomer, long size, CancellationToken cancellationToken)
    {
        while (true)
        {
            FunctionName oldest;
            lock (_lock)
            {
                if (_entries.Sum(entry => entry.Key == newcomer ? 0 : entry.Value.Size) + size <= _cap) return;
                var candidates = _entries.Where(entry => entry.Key != newcomer && entry.Value is { Users: 0, Tunnels: 0, Fetching: null }).ToList();
                if (candidates.Count == 0) return;
                oldest = candidates.MinBy(static entry => entry.Value.UsedAt).Key;
            }
            if (await EvictAsync(oldest, cancellationToken).ConfigureAwait(false) is null) LogEvicted(oldest);
        }
    }

    /// <summary>Removes secrets that no function here names any more.</summary>
    private void SweepSecrets()
    {
        var named = _parts.Registry.Snapshot.Functions.Values.SelectMany(static function => ((function.Serving?.Spec.Secrets) ?? []).Select(name => (function.Name.Module, name))).ToHashSet();
        lock (_lock)
        {
            // What is on its way may need some that nothing names yet.
            if (_entries.Values.Any(static entry => entry.Fetching is not null)) return;
        }
        foreach (var module in _parts.Secrets.Modules())
            foreach (var name in _parts.Secrets.List(module).Where(name => !named.Contains((module, name)))) _parts.Secrets.TryRemove(module, name);
    }

    private static long SizeOf(string folder) => Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint }).Sum(static path => new FileInfo(path).Length);

    /// <summary>A version that does not run here.</summary>
    /// <param name="Hash">The version.</param>
    /// <param name="Problem">Why.</param>
    /// <param name="At">When that was found; a timestamp.</param>
    private sealed record Refusal(string Hash, string Problem, long At);

    /// <summary>A function in the cache. Fields belong to the cache's lock.</summary>
    private sealed class Entry
    {
        /// <summary>The folder's hash; empty: what is there is unknown, or nothing.</summary>
        public string Hash { get; set; } = "";

        /// <summary>The number of the change that brought it.</summary>
        public long Change { get; set; }

        /// <summary>The number of the last change of its secrets that is here. Not kept: after a start they are asked for again.</summary>
        public long Secrets { get; set; }

        /// <summary>Bytes.</summary>
        public long Size { get; set; }

        /// <summary>Calls in it.</summary>
        public int Users { get; set; }

        /// <summary>Those that have become tunnels; they are not among <see cref="Users"/> any more.</summary>
        public int Tunnels { get; set; }

        /// <summary>When it was last called; a timestamp.</summary>
        public long UsedAt { get; set; }

        /// <summary>What is fetched of it now.</summary>
        public Task<string?>? Fetching { get; set; }

        /// <summary>Why a version that was fetched does not run here; null when none was.</summary>
        public Refusal? Refusal { get; set; }

        public bool HasCode(CodeVersion version) => Hash.Length > 0 && (Hash == version.Hash || Change > version.Change);

        public bool Has(CodeVersion version) => HasCode(version) && Secrets >= version.Secrets;

        public void Use(TimeProvider time)
        {
            Users++;
            UsedAt = time.GetTimestamp();
        }
    }

    /// <summary>A call that stays, in the entry that it entered: by its end there may be another one of the same name.</summary>
    private sealed class Guest(CodeCache cache, Entry entry) : IDisposable
    {
        private bool _hasLeft;

        public void Dispose()
        {
            lock (cache._lock)
            {
                if (_hasLeft) return;
                _hasLeft = true;
                entry.Tunnels--;
                entry.UsedAt = cache._time.GetTimestamp();
            }
        }
    }

    [LoggerMessage(2740, LogLevel.Debug, "Fetched {Function}, {Hash}, {Size} bytes")]
    private partial void LogFetched(FunctionName function, string hash, long size);

    [LoggerMessage(2741, LogLevel.Warning, "{Function} cannot be run here: {Problem}")]
    private partial void LogNotFetched(FunctionName function, string problem);

    [LoggerMessage(2742, LogLevel.Information, "{Function} left the cache to make room (code-cache)")]
    private partial void LogEvicted(FunctionName function);

    [LoggerMessage(2743, LogLevel.Warning, "{Function} cannot be removed from the cache: {Problem}")]
    private partial void LogStuck(FunctionName function, string problem);

    [LoggerMessage(2744, LogLevel.Error, "Fetching {Function} failed unexpectedly")]
    private partial void LogUnexpected(Exception error, FunctionName function);
}
