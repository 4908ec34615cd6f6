// A gateway's copy of the store, from which it lives: STATE/mirror
//
//   functions/   laid out as a registry, and used as one: FunctionRegistry, bundles, pools know nothing of a store
//   secrets/     laid out as STATE/secrets
//   index/       what is in the copy (MirrorIndex)
//
//   store ──NOTIFY, or every few seconds──▶ 1 what has a higher number than the copy?   2 fetch into functions/.staging, check, flush   3 in the function's turn: exchange, note in the index
//
// A deployment here goes the other way (IDeploymentStore): the folder is uploaded, the store decides in one transaction, then the very folder that was uploaded is put in its place; the index has its
// number by then, so step 1 passes it by. When two gateways deploy the same function, both transactions have a number, the higher one is what the store has, and every copy ends with that: a copy never
// goes back to a lower number.
//
// While the store is away everything goes on from the copy; what changes something is refused.
using System.Collections.Concurrent;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Files;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Modules;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Cluster.Mirrors;

/// <summary>Keeps this machine's copy of the store, and carries changes to it.</summary>
internal sealed partial class StoreMirror : IDeploymentStore, ISecretWriter, ISharedTexts, IModuleStore, IAsyncDisposable
{
    /// <summary>How many functions are fetched at a time.</summary>
    private const int AtATime = 4;

    private const int MaxRetryFactor = 64;

    private static readonly TimeSpan RenamePatience = TimeSpan.FromSeconds(20), RenameLook = TimeSpan.FromMilliseconds(50);

    private readonly StoreMirrorOptions _options;
    private readonly ClusterStore _store;
    private readonly FunctionRegistry _registry;
    private readonly MirroredSecrets _secrets;
    private readonly MirroredTexts _texts;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly MirrorIndex _index;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _preparing = new(1);
    private readonly ConcurrentDictionary<FunctionName, Trouble> _troubles = [];
    private Task _loop = Task.CompletedTask;
    private NodeMembership? _membership;
    private StoreKey? _key;
    private long _comparedAt;
    private long _sweptAt;
    private bool _isCompareDue = true;
    private string? _problem;

    /// <summary>Nothing is connected yet: see <see cref="StartAsync"/>.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="registry">The registry over <see cref="RegistryOf"/>.</param>
    /// <param name="secrets">The secrets in <see cref="SecretsOf"/>.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    /// <exception cref="IOException">The copy's folder cannot be used.</exception>
    public StoreMirror(StoreMirrorOptions options, FunctionRegistry registry, SecretStore secrets, TimeProvider time, ILogger<StoreMirror> logger)
    {
        (_options, _registry, _time, _logger) = (options, registry, time, logger);
        _store = options.Store;
        _secrets = new MirroredSecrets(secrets);
        _texts = new MirroredTexts(_store);
        _index = new MirrorIndex(Path.Combine(options.State, "mirror", "index"));
    }

    /// <summary>The folder of the functions of a copy.</summary>
    public static string RegistryOf(string state) => Path.Combine(state, "mirror", "functions");

    /// <summary>The folder of the secrets of a copy.</summary>
    public static string SecretsOf(string state) => Path.Combine(state, "mirror", "secrets");

    /// <summary>Why the copy may be out of date, for the operator; null when it is not.</summary>
    public string? Problem => Volatile.Read(ref _problem) ?? _membership?.Problem;

    /// <summary>The store itself.</summary>
    public ClusterStore Store => _store;

    /// <summary>Up to where the copy is; null when it was never complete.</summary>
    public StorePosition? Position => _index.Position;

    /// <summary>Which version of a function the copy has; null when it has none.</summary>
    public MirroredFunction? Find(FunctionName name) => _index.Find(name);

    /// <summary>The folder of a version in the copy; null when it is not there, or was edited.</summary>
    public string? FolderOf(FunctionName name, string hash) =>
        _index.Find(name) is { } entry && entry.Hash == hash && _registry.Layout.Locate(name) is { } folder && BundleHash.Mark(folder) == entry.Mark ? folder : null;

    /// <summary>The number of the last change of one of these secrets, as far as this copy has seen one since it was started; 0 = none.</summary>
    public long SecretsChange(string module, IReadOnlyList<string> names) => names.Count == 0 ? 0 : _secrets.LastChange(module, names);

    /// <summary>Brings the copy up to date. Before the registry starts.</summary>
    /// <exception cref="StoreException">The store cannot be used; when it is only away, and there has been a copy, that one is used instead.</exception>
    /// <exception cref="DeploymentException">The folder cannot be used.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            Directory.CreateDirectory(_registry.Layout.Root);
            StagedSwap.Recover(_registry.Layout);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, $"use the copy of the store, {_registry.Layout.Root}");
        }
        try
        {
            await FollowAsync(await PrepareAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException e) when (e.Fault is StoreFault.Away && _index.Position is not null)
        {
            Away(e);
        }
    }

    /// <summary>Keeps the copy up to date from now on, and this machine among those of the cluster. After the registry has started.</summary>
    public void Follow()
    {
        _membership = new NodeMembership(_store.Nodes, _options.Node, _options.IsWorker, _options.Report, _time, _logger);
        _loop = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    public async Task<string> UploadAsync(string folder, CancellationToken cancellationToken)
    {
        try
        {
            await KeyAsync(cancellationToken).ConfigureAwait(false);
            return await _store.Functions.UploadAsync(folder, cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException e)
        {
            throw Refused(e);
        }
    }

    /// <inheritdoc/>
    public async Task RecordAsync(FunctionName name, string identity, string folder, CancellationToken cancellationToken)
    {
        try
        {
            var function = await _store.Functions.CommitAsync(name, identity, null, _options.Node, cancellationToken).ConfigureAwait(false);
            _index.Put(name, new MirroredFunction(identity, function.Change, BundleHash.Mark(folder)));
        }
        catch (StoreException e)
        {
            throw Refused(e);
        }
    }

    /// <inheritdoc/>
    public async Task<bool> RemoveAsync(FunctionName name, CancellationToken cancellationToken)
    {
        try
        {
            await KeyAsync(cancellationToken).ConfigureAwait(false);
            if (await _store.Functions.RemoveAsync(name, cancellationToken).ConfigureAwait(false) is not { } change) return false;
            _index.Remove(name, change);
            return true;
        }
        catch (StoreException e)
        {
            throw Refused(e);
        }
    }

    /// <inheritdoc/>
    public Task<bool> TryAddAsync(string module, string name, byte[] value, CancellationToken cancellationToken) =>
        ChangeSecretAsync(module, name, value, key => _store.Secrets.AddAsync(key, module, name, value, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<bool> TryReplaceAsync(string module, string name, byte[] value, CancellationToken cancellationToken) =>
        ChangeSecretAsync(module, name, value, key => _store.Secrets.ReplaceAsync(key, module, name, value, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public Task<bool> TryRemoveAsync(string module, string name, CancellationToken cancellationToken) =>
        ChangeSecretAsync(module, name, null, _ => _store.Secrets.RemoveAsync(module, name, cancellationToken), cancellationToken);

    /// <inheritdoc/>
    public void Share(string kind, ISharedPart part) => _texts.Share(kind, part);

    /// <inheritdoc/>
    public async Task<T> ChangeAsync<T>(string kind, Func<T> change, CancellationToken cancellationToken)
    {
        try
        {
            return await _texts.ChangeAsync(await KeyAsync(cancellationToken).ConfigureAwait(false), kind, change, cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException e)
        {
            throw Refused(e);
        }
    }

    /// <inheritdoc/>
    public async Task<bool> RenameAsync(string from, string to, CancellationToken cancellationToken)
    {
        try
        {
            if (await _store.Modules.ChangeAsync(await KeyAsync(cancellationToken).ConfigureAwait(false), from, to, _options.Node, cancellationToken).ConfigureAwait(false) is not { } change) return false;
            // This gateway answers when it serves them, as after a deployment; one that cannot copy something does so later.
            var since = _time.GetTimestamp();
            while (!(_index.Position?.Change >= change) && _time.GetElapsedTime(since) < RenamePatience) await Task.Delay(RenameLook, _time, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (StoreException e)
        {
            throw Refused(e);
        }
    }

    /// <summary>Stops following; the copy stays for the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        if (_membership is not null) await _membership.DisposeAsync().ConfigureAwait(false);
        _preparing.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            await new ChangeFeed(_store, _options.AskEvery, _time).RunAsync(async position =>
            {
                if (_key is null) position = await PrepareAsync(_stop.Token).ConfigureAwait(false);
                try
                {
                    await FollowAsync(position, _stop.Token).ConfigureAwait(false);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException or DeploymentException)
                {
                    // This machine's disk, as a rule: the next round tries again.
                    Complain($"the copy of the store in {_options.State} cannot be brought up to date: {e.Message}");
                }
            }, Away, _stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
        catch (Exception e)
        {
            // Nothing that is expected; the daemon goes on with its copy, and says so.
            Volatile.Write(ref _problem, $"the copy of the store is no longer brought up to date: {e.Message}; restart the daemon");
            LogUnexpected(e);
        }
    }

    /// <summary>The tables, and the key: once they have been looked at, only a restart does so again.</summary>
    private async Task<StorePosition> PrepareAsync(CancellationToken cancellationToken)
    {
        var position = await _store.PrepareAsync(cancellationToken).ConfigureAwait(false);
        _key ??= await StoreKey.OpenAsync(_options.KeyFile, _store, cancellationToken).ConfigureAwait(false);
        return position;
    }

    /// <summary>The key of what is sealed in the store.</summary>
    /// <exception cref="StoreException">The store is away, or the key is another one.</exception>
    public async Task<StoreKey> KeyAsync(CancellationToken cancellationToken)
    {
        if (_key is { } key) return key;
        await _preparing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_key is null) await PrepareAsync(cancellationToken).ConfigureAwait(false);
            return _key!;
        }
        finally
        {
            _preparing.Release();
        }
    }

    /// <summary>Step 1.</summary>
    private async Task FollowAsync(StorePosition position, CancellationToken cancellationToken)
    {
        var known = _index.Position;
        // Another store, or one that was restored from a backup: numbers say nothing.
        var isOther = known is { } before && (before.Store != position.Store || before.Change > position.Change);
        var isWhole = isOther || known is null || _isCompareDue || _time.GetElapsedTime(_comparedAt) >= _options.CompareEvery;
        if (isWhole || known!.Value.Change < position.Change || !_troubles.IsEmpty)
        {
            if (isOther) _index.ForgetRemovals();
            var since = isWhole ? 0 : known!.Value.Change;
            var functions = await _store.Functions.ChangedSinceAsync(since, cancellationToken).ConfigureAwait(false);
            await Parallel.ForEachAsync(functions.Where(static function => function.Hash is not null), new ParallelOptions { MaxDegreeOfParallelism = AtATime, CancellationToken = cancellationToken },
                async (function, cancelled) => await CopyAsync(function, isOther, cancelled).ConfigureAwait(false)).ConfigureAwait(false);
            // After what came, so that a module is there under its new name before the old one goes; one by one, for the last function takes its module's folder along.
            foreach (var function in functions.Where(static function => function.Hash is null)) await CopyAsync(function, isOther, cancellationToken).ConfigureAwait(false);
            if (isWhole) await RemoveOthersAsync(functions, cancellationToken).ConfigureAwait(false);
            _secrets.Apply(await _store.Secrets.ChangedSinceAsync(_key!, since, cancellationToken).ConfigureAwait(false), isWhole, isOther);
            await _texts.FollowAsync(_key!, isWhole, cancellationToken).ConfigureAwait(false);
            if (isWhole) (_comparedAt, _isCompareDue) = (_time.GetTimestamp(), false);
            // With something missing the number stays, and the next round comes back to it.
            if (_troubles.IsEmpty) _index.Position = position;
        }
        if (Interlocked.Exchange(ref _problem, _troubles.IsEmpty ? null : $"the copy of the store lacks {string.Join(", ", _troubles.Keys.Take(5))}: see the log") is not null && _troubles.IsEmpty) LogBack(_store.Address);
        await SweepAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Steps 2 and 3 for one function.</summary>
    private async Task CopyAsync(StoredFunction function, bool isOther, CancellationToken cancellationToken)
    {
        var name = function.Name;
        if (_troubles.TryGetValue(name, out var trouble) && trouble.Change == function.Change && trouble.Again > _time.GetUtcNow()) return;
        try
        {
            if (function.Hash is not { } hash) await RemoveAsync(name, function.Change, isOther, cancellationToken).ConfigureAwait(false);
            else if (!IsCurrent(function)) await FetchAsync(function, hash, isOther, cancellationToken).ConfigureAwait(false);
            _troubles.TryRemove(name, out _);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or DeploymentException or StoreException { Fault: StoreFault.Corrupt })
        {
            var factor = trouble?.Change == function.Change ? Math.Min(trouble.Factor * 2, MaxRetryFactor) : 1;
            _troubles[name] = new Trouble(function.Change, factor, _time.GetUtcNow() + _options.RetryAfter * factor);
            if (factor == 1) LogTrouble(name, e.Message);
        }
    }

    private bool IsCurrent(StoredFunction function) => _index.Find(function.Name) is { } entry && entry.Hash == function.Hash
        && _registry.Layout.Locate(function.Name) is { } folder && entry.Mark == BundleHash.Mark(folder);

    private async Task FetchAsync(StoredFunction function, string hash, bool isOther, CancellationToken cancellationToken)
    {
        var layout = _registry.Layout;
        using var swap = new StagedSwap(layout, canExchange: true);
        await _store.Functions.DownloadAsync(hash, swap.New, cancellationToken).ConfigureAwait(false);
        DurableTree.Flush(swap.New);
        var entry = new MirroredFunction(hash, function.Change, BundleHash.Mark(swap.New));
        using var hold = await _registry.HoldAsync(function.Name, cancellationToken).ConfigureAwait(false);
        // A deployment of this machine may have been meanwhile, or have made this very version.
        if (!isOther && _index.LastChange(function.Name) > function.Change || IsCurrent(function)) return;
        if (layout.Locate(function.Name) is { } folder) swap.Replace(folder, static () => { });
        else swap.Place(layout.PlaceFor(function.Name));
        _index.Put(function.Name, entry);
        LogFetched(function.Name, function.Version);
    }

    private async Task RemoveAsync(FunctionName name, long change, bool isOther, CancellationToken cancellationToken)
    {
        if (_registry.Layout.Locate(name) is null && _index.Find(name) is null) return;
        using var hold = await _registry.HoldAsync(name, cancellationToken).ConfigureAwait(false);
        if (!isOther && _index.LastChange(name) > change) return;
        if (_registry.Layout.Locate(name) is { } folder)
        {
            using var swap = new StagedSwap(_registry.Layout, canExchange: true);
            swap.Remove(folder);
        }
        _index.Remove(name, isOther ? 0 : change);
    }

    /// <summary>Removes what the store has never heard of: of another store, or put there by hand.</summary>
    private async Task RemoveOthersAsync(List<StoredFunction> functions, CancellationToken cancellationToken)
    {
        var stored = functions.Select(static function => function.Name).ToHashSet();
        foreach (var name in _troubles.Keys.Where(name => !stored.Contains(name))) _troubles.TryRemove(name, out _);
        foreach (var name in _registry.Layout.List().Functions.Keys.Concat(_index.Names).Distinct().Where(name => !stored.Contains(name)))
        {
            // Deployed here since the list was read?
            if (await _store.Functions.FindAsync(name, cancellationToken).ConfigureAwait(false) is null) await RemoveAsync(name, 0, isOther: true, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        if (_sweptAt != 0 && _time.GetElapsedTime(_sweptAt) < _options.SweepEvery) return;
        _sweptAt = _time.GetTimestamp();
        await _store.Blobs.SweepAsync(BlobTable.UnusedFor, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> ChangeSecretAsync(string module, string name, byte[]? value, Func<StoreKey, Task<long?>> change, CancellationToken cancellationToken)
    {
        try
        {
            if (await change(await KeyAsync(cancellationToken).ConfigureAwait(false)).ConfigureAwait(false) is not { } number) return false;
            _secrets.Apply([new StoredSecret(module, name, value, number)], isWhole: false, isOther: false);
            return true;
        }
        catch (StoreException e)
        {
            throw Refused(e);
        }
    }

    private static DeploymentException Refused(StoreException e) => new(e.Fault is StoreFault.Conflict ? DeploymentFault.Conflict : DeploymentFault.HostLacks, e.Message, e);

    private void Away(StoreException e)
    {
        _isCompareDue = true;
        Complain(e.Message);
    }

    private void Complain(string problem)
    {
        if (Interlocked.Exchange(ref _problem, problem) != problem) LogAway(problem);
    }

    /// <summary>A function that could not be copied.</summary>
    /// <param name="Change">Its change.</param>
    /// <param name="Factor">How much longer than the first time to wait.</param>
    /// <param name="Again">When to try again.</param>
    private sealed record Trouble(long Change, int Factor, DateTimeOffset Again);

    [LoggerMessage(2710, LogLevel.Warning, "{Problem}")]
    private partial void LogAway(string problem);

    [LoggerMessage(2711, LogLevel.Information, "The copy of the store {Address} is up to date again")]
    private partial void LogBack(StoreAddress address);

    [LoggerMessage(2712, LogLevel.Error, "{Name} cannot be copied from the store: {Problem}")]
    private partial void LogTrouble(FunctionName name, string problem);

    [LoggerMessage(2713, LogLevel.Debug, "Fetched {Name}, version {Version}")]
    private partial void LogFetched(FunctionName name, long version);

    [LoggerMessage(2714, LogLevel.Error, "Following the store failed unexpectedly")]
    private partial void LogUnexpected(Exception error);
}
