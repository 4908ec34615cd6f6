// WebAssembly functions have no process of their own: an instance is the right to run one call at a time in runners that all of them share.
//
//   WasmInstance ─▶ RunnerPool ─▶ Runner ─socket─▶ runtimes/wasm/runner.js (Node.js in the sandbox): V8 is the engine
//                                   │
//                                   └─▶ GuestRequests: the guest's HTTP requests, made here
//
// What is behind Runner (load a module by its hash, run a call of it) could be an engine in this process; nothing before it would notice.
using System.Collections.Concurrent;
using Stint.Functions;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Wasm;

/// <summary>Runs functions as WebAssembly modules (docs/webassembly.md).</summary>
internal sealed partial class WasmBackend : IBackend, IAsyncDisposable
{
    private readonly WasmBackendOptions _options;
    private readonly RunnerServices _services;
    private readonly Func<string, IDisposable> _holdBundle;
    private readonly NetworkAccess _networkDefault;
    private readonly RunnerPool _shared;
    private readonly ConcurrentDictionary<string, WasmFunction> _functions = new(StringComparer.Ordinal);
    private int _isInUse;

    /// <param name="options">How many runners, and of what.</param>
    /// <param name="processes">Starts them.</param>
    /// <param name="targets">Where guests' requests may go.</param>
    /// <param name="networkDefault">What functions get of the network that do not say.</param>
    /// <param name="holdBundle">Keeps a version's module on disk until the result is disposed of.</param>
    /// <param name="logs">The functions' logs.</param>
    /// <param name="logger">For what an operator should know.</param>
    public WasmBackend(
        WasmBackendOptions options, RunnerProcess processes, GuestTargets targets, NetworkAccess networkDefault, Func<string, IDisposable> holdBundle, FunctionLogs logs, ILogger<WasmBackend> logger)
    {
        (_options, _holdBundle, _networkDefault) = (options, holdBundle, networkDefault);
        _services = new RunnerServices(processes, new GuestRequests(targets, logs), logs, Meter, problem => RunnerTrouble(logger, problem));
        _shared = new RunnerPool(_services, new RunnerPoolSize(options.Kept, options.Most, options.MemoryMiB), processes.Time);
    }

    /// <summary>What runners have done.</summary>
    public WasmMeter Meter { get; } = new();

    /// <summary>Whether there has been a WebAssembly function.</summary>
    public bool IsInUse => Volatile.Read(ref _isInUse) != 0;

    /// <summary>The shared runners, and of them those that are idle.</summary>
    public (int All, int Idle) Runners => _shared.Count;

    /// <inheritdoc/>
    public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _isInUse, 1);
        var bundle = _holdBundle(version.Folder!);
        RunnerPool? own = null;
        try
        {
            var function = Look(version);
            if (_services.Processes.Refusal is { } refusal) throw new InstanceStartException(refusal) { IsHostsFault = true };
            if (function.Spec.Isolation == WasmIsolation.Process) own = new RunnerPool(_services, new RunnerPoolSize(1, 1, function.Spec.RunnerMemoryMiB), _services.Processes.Time);
            else RequireRoom(function.Spec);
            using var limit = new CancellationTokenSource(version.Spec.BootTimeout, _services.Processes.Time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            try
            {
                (own ?? _shared).Open();
                await (own ?? _shared).LoadAsync(function, either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new InstanceStartException($"the module was not compiled within {version.Spec.BootTimeout.TotalSeconds:0.#} s (boot-timeout): all runners are busy, or the module is large");
            }
            return new WasmInstance(function, own ?? _shared, own, bundle, _services);
        }
        catch
        {
            if (own is not null) await own.DisposeAsync().ConfigureAwait(false);
            bundle.Dispose();
            throw;
        }
    }

    /// <summary>A function is gone; what is known of its versions is of no use any more.</summary>
    public void Forget(Invocations.FunctionName name)
    {
        foreach (var (key, function) in _functions)
            if (function.Name == name) _functions.TryRemove(key, out _);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _shared.DisposeAsync().ConfigureAwait(false);
        _services.Requests.Dispose();
    }

    private WasmFunction Look(FunctionVersion version)
    {
        var key = WasmFunction.KeyOf(version);
        if (_functions.TryGetValue(key, out var known) && known.Version.Folder == version.Folder) return known;
        Forget(version.Name); // an older version: instances of it have their own
        return _functions[key] = WasmFunction.Of(version, _networkDefault);
    }

    private void RequireRoom(WasmSpec spec)
    {
        if (spec.RunnerMemoryMiB <= _options.MemoryMiB) return;
        throw new InstanceStartException(
            $"`memory` and `output` in [wasm] ask for {spec.MemoryMiB} + {spec.OutputMiB} MiB, and shared runners have {_options.MemoryMiB} MiB in all, of which {WasmSpec.RunnerOverheadMiB} are their own; "
            + $"say less, or isolation = \"process\", or give runners more: wasm-memory = {spec.RunnerMemoryMiB}");
    }

    [LoggerMessage(290, LogLevel.Warning, "WebAssembly: {Problem}")]
    private static partial void RunnerTrouble(ILogger logger, string problem);
}
