using Stint.Files;
using Stint.Functions.Builds;
using Stint.Functions.Deployments;
using Stint.Functions.Wasm;

namespace Stint.Functions.Bundles;

/// <summary>
/// The built, immutable snapshots that instances run from: <c>STATE/bundles/HASH/</c>. An edit in the registry never alters one, equal code is one bundle, and a
/// folder of that name is always complete: it is made in <c>STATE/staging</c>, flushed, and renamed into place.
/// A bundle lives while somebody holds a lease on it, and goes with the last one.
/// </summary>
internal sealed partial class BundleStore : IAsyncDisposable
{
    private readonly string _bundles;
    private readonly string _staging;
    private readonly DependencyCache _dependencies;
    private readonly IBuildSandbox _sandbox;
    private readonly IToolchain _tools;
    private readonly BuildOptions _options;
    private readonly ILogger _logger;
    private readonly KeyedGate<string> _gate = new();
    private readonly SemaphoreSlim _parallel;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _leases = new(StringComparer.Ordinal);
    private readonly HashSet<Task> _deletions = [];

    /// <param name="state">The daemon's state folder; <c>bundles</c>, <c>builds</c> and <c>staging</c> are made in it, and what an earlier daemon left in <c>staging</c> goes.</param>
    /// <param name="sandbox">Where package tools run.</param>
    /// <param name="tools">The interpreters and package tools.</param>
    /// <param name="options">Limits of builds.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    public BundleStore(string state, IBuildSandbox sandbox, IToolchain tools, BuildOptions options, TimeProvider time, ILogger<BundleStore> logger)
    {
        _bundles = Path.Combine(Path.GetFullPath(state), "bundles");
        _staging = Path.Combine(Path.GetFullPath(state), "staging");
        (_sandbox, _tools, _options, _logger) = (sandbox, tools, options, logger);
        _parallel = new SemaphoreSlim(options.Parallel);
        DeleteQuietly(_staging, "staging");
        Directory.CreateDirectory(_staging);
        Directory.CreateDirectory(_bundles);
        // The sandbox's user must reach its own bundle by name, and may not list the others.
        const UnixFileMode enterOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(_bundles, enterOnly);
        _dependencies = new DependencyCache(Path.Combine(Path.GetFullPath(state), "builds"), _staging, new PackageTools(sandbox, tools, options), options, time, logger);
    }

    /// <summary>The bundle of this code, built if there is none yet. The code folder may be edited meanwhile; the bundle is one state of it.</summary>
    /// <param name="process">The build-relevant part of the specification.</param>
    /// <param name="codeFolder">The code as it was deployed.</param>
    /// <param name="onLine">Gets the build's output line by line.</param>
    /// <param name="cancellationToken">Stops copying and kills the build.</param>
    /// <exception cref="DeploymentException">The code is unusable, the build failed, or the host lacks something.</exception>
    public async Task<BundleLease> GetOrBuildAsync(ProcessSpec process, string codeFolder, Action<string> onLine, CancellationToken cancellationToken)
    {
        try
        {
            // Off the caller's thread: hashing and copying are plain blocking file access.
            return await Task.Run(() => GetOrMakeAsync(process, codeFolder, onLine, cancellationToken), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, "make a bundle of the code");
        }
    }

    /// <summary>The bundle of a virtual machine's files, copied if there is none yet: neither an edit nor a guest that writes to its disk alters what instances start from.</summary>
    /// <param name="vm">Names the files.</param>
    /// <param name="folder">The function's folder.</param>
    /// <param name="cancellationToken">Stops copying.</param>
    /// <exception cref="DeploymentException">A file is not there, or the host lacks room.</exception>
    public async Task<BundleLease> GetOrPinAsync(VmSpec vm, string folder, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(() => GetOrPin(VmFiles.Of(vm, folder), cancellationToken), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, "copy the virtual machine's files");
        }
    }

    /// <summary>The bundle of a WebAssembly module, checked, and copied if there is none yet.</summary>
    /// <param name="wasm">What the function wants of it.</param>
    /// <param name="codeFolder">The code as it was deployed.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="DeploymentException">The module is unusable, or the host lacks something.</exception>
    public async Task<BundleLease> GetOrTakeAsync(WasmSpec wasm, string codeFolder, CancellationToken cancellationToken)
    {
        try
        {
            return await Task.Run(() => GetOrTake(wasm, codeFolder), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DeploymentException.FromFileSystem(e, "copy the module");
        }
    }

    /// <summary>A further lease on a bundle that is known to live, by its folder: an instance's.</summary>
    /// <exception cref="InvalidOperationException">Nobody holds that bundle, so it may be gone.</exception>
    public BundleLease Hold(string folder)
    {
        var hash = Path.GetFileName(folder);
        lock (_lock)
        {
            if (!_leases.TryGetValue(hash, out var count)) throw new InvalidOperationException($"the bundle {hash} is not held by anyone");
            _leases[hash] = count + 1;
        }
        return new BundleLease(this, hash, Path.Combine(_bundles, hash));
    }

    /// <summary>Removes the bundles that nobody holds: once, when all functions of the registry have theirs.</summary>
    public void Sweep()
    {
        foreach (var folder in Directory.EnumerateDirectories(_bundles))
        {
            var hash = Path.GetFileName(folder);
            lock (_lock)
                if (!_leases.ContainsKey(hash)) Discard_NeedsLock(hash);
        }
    }

    private async Task<BundleLease> GetOrMakeAsync(ProcessSpec process, string codeFolder, Action<string> onLine, CancellationToken cancellationToken)
    {
        var wanted = await IdentifyAsync(process, codeFolder, cancellationToken);
        if (TryLease(wanted.Hash) is { } present) return present;

        var copy = Path.Combine(_staging, Guid.NewGuid().ToString("N"));
        try
        {
            CodeTree.Copy(codeFolder, CodeTree.Walk(codeFolder), copy);
            if (process.Runtime == Runtime.Binary && File.Exists(Path.Combine(copy, CodeCheck.BinaryEntry))) CodeTree.SetExecutable(Path.Combine(copy, CodeCheck.BinaryEntry), true);
            // The copy is what counts: the original may have changed since it was identified.
            var made = await IdentifyAsync(process, copy, cancellationToken);
            using var pass = await _gate.EnterAsync(made.Hash, cancellationToken);
            if (TryLease(made.Hash) is { } meanwhile) return meanwhile;
            // Before packages come, whose files are shared with other bundles and have been compiled.
            if (process.Runtime == Runtime.Python3) await PythonBytecode.CompileAsync(_sandbox, _tools, copy, _options, cancellationToken);
            if (made.Dependencies is { } set)
            {
                if (set.Runtime == Runtime.NodeJs) CodeTree.Delete(Path.Combine(copy, "node_modules"));
                await InstallAsync(set, made.Key, copy, onLine, cancellationToken);
                // Packages may link to the function's own code (npm's file: packages), so links are checked in the whole.
                CodeTree.Check(copy, CodeTree.Walk(copy));
            }
            if (process.Runtime == Runtime.NodeJs) await CompileNodeJsAsync(process, copy, cancellationToken);
            return Place(copy, made.Hash);
        }
        finally
        {
            DeleteQuietly(copy, "of a deployment that ended");
        }
    }

    private BundleLease GetOrPin(IReadOnlyList<VmFile> files, CancellationToken cancellationToken)
    {
        VmFiles.Check(files);
        var wanted = VmFiles.Identify(files);
        if (TryLease(wanted) is { } present) return present;
        var copy = Path.Combine(_staging, Guid.NewGuid().ToString("N"));
        try
        {
            VmFiles.Copy(files, copy, cancellationToken);
            if (VmFiles.Identify(files) != wanted) throw new DeploymentException(DeploymentFault.Conflict, $"{string.Join(" or ", files.Select(static file => file.Path))} changed while it was copied");
            // Two functions may use the same file; the second copy was for nothing.
            return TryLease(wanted) ?? Place(copy, wanted);
        }
        finally
        {
            DeleteQuietly(copy, "of a deployment that ended");
        }
    }

    private BundleLease GetOrTake(WasmSpec wasm, string codeFolder)
    {
        var (module, facts, hash) = ModuleFile.Take(wasm, codeFolder);
        if (TryLease(hash) is { } present) return present;
        var copy = Path.Combine(_staging, Guid.NewGuid().ToString("N"));
        try
        {
            CodeTree.MakeFolder(copy);
            File.WriteAllBytes(Path.Combine(copy, ModuleFile.BundleName), module);
            File.WriteAllText(Path.Combine(copy, ModuleFile.FactsName), facts);
            // Two functions may bring the same module; the second copy was for nothing.
            return TryLease(hash) ?? Place(copy, hash);
        }
        finally
        {
            DeleteQuietly(copy, "of a deployment that ended");
        }
    }

    /// <summary>Makes a folder that is complete the bundle of that name.</summary>
    private BundleLease Place(string made, string hash)
    {
        DurableTree.Flush(made);
        lock (_lock)
        {
            var folder = Path.Combine(_bundles, hash);
            if (!Directory.Exists(folder)) Directory.Move(made, folder);
            _leases[hash] = _leases.GetValueOrDefault(hash) + 1;
        }
        Durability.Flush(_bundles);
        return new BundleLease(this, hash, Path.Combine(_bundles, hash));
    }

    private async Task CompileNodeJsAsync(ProcessSpec process, string copy, CancellationToken cancellationToken)
    {
        var scratch = Path.Combine(_staging, Guid.NewGuid().ToString("N"));
        try
        {
            await NodeJsCompiled.MakeAsync(_sandbox, _tools, process, copy, scratch, _options, cancellationToken);
        }
        finally
        {
            DeleteQuietly(scratch, "of a compiler that ended");
        }
    }

    /// <summary>Package tools are heavy, so only so many run at a time; functions without dependencies never wait for them.</summary>
    private async Task InstallAsync(DependencySet set, string key, string copy, Action<string> onLine, CancellationToken cancellationToken)
    {
        await _parallel.WaitAsync(cancellationToken);
        try
        {
            await _dependencies.InstallAsync(set, key, copy, onLine, cancellationToken);
        }
        finally
        {
            _parallel.Release();
        }
    }

    private async Task<(string Hash, DependencySet? Dependencies, string Key)> IdentifyAsync(ProcessSpec process, string folder, CancellationToken cancellationToken)
    {
        var entries = CodeTree.Walk(folder);
        CodeTree.Check(folder, entries);
        CodeCheck.Require(process.Runtime, folder);
        var code = BundleHash.OfCode(folder, entries, process.Runtime);
        // What V8 compiled is for one heap limit only.
        if (process.Runtime == Runtime.NodeJs) code = BundleHash.OfTexts(code, NodeJsCompiled.HeapFlag(process.MemoryMiB));
        if (DependencySet.Read(process, folder) is not { } set) return (code, null, "");
        var key = await _dependencies.KeyAsync(set, code, cancellationToken);
        return (BundleHash.OfTexts(code, key), set, key);
    }

    private BundleLease? TryLease(string hash)
    {
        lock (_lock)
        {
            var folder = Path.Combine(_bundles, hash);
            if (!Directory.Exists(folder)) return null;
            _leases[hash] = _leases.GetValueOrDefault(hash) + 1;
            return new BundleLease(this, hash, folder);
        }
    }

    internal void Release(string hash)
    {
        lock (_lock)
        {
            if (--_leases[hash] > 0) return;
            _leases.Remove(hash);
            Discard_NeedsLock(hash);
        }
    }

    /// <summary>Takes the bundle out of its place at once, and deletes it when there is time: a node_modules folder takes a while.</summary>
    private void Discard_NeedsLock(string hash)
    {
        var trash = Path.Combine(_staging, Guid.NewGuid().ToString("N"));
        try
        {
            Directory.Move(Path.Combine(_bundles, hash), trash);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(e, hash);
            return;
        }
        var deletion = Task.Run(() => DeleteQuietly(trash, hash));
        _deletions.Add(deletion);
        _ = deletion.ContinueWith(done => { lock (_lock) _deletions.Remove(done); }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private void DeleteQuietly(string trash, string hash)
    {
        try
        {
            CodeTree.Delete(trash);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(e, hash); // the next start clears the staging folder
        }
    }

    /// <summary>Waits for the deletions under way. Bundles stay for the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] pending;
        lock (_lock) pending = [.. _deletions];
        await Task.WhenAll(pending);
        _parallel.Dispose();
    }

    [LoggerMessage(2200, LogLevel.Warning, "The unused bundle {Hash} could not be removed; the next start tries again")]
    private partial void LogNotRemoved(Exception error, string hash);
}

/// <summary>The right to run from a bundle. Disposing gives it back; safe to repeat.</summary>
internal sealed class BundleLease(BundleStore store, string hash, string folder) : IDisposable
{
    private int _released;

    /// <summary>The bundle's identity, lower-case hex.</summary>
    public string Hash { get; } = hash;

    /// <summary>The bundle's absolute path.</summary>
    public string Folder { get; } = folder;

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0) store.Release(Hash);
    }
}
