using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Cache;
using Stint.Cluster.Dispatch;
using Stint.Cluster.Mirrors;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Functions;
using Stint.Functions.Bundles;
using Stint.Invocations;
using Stint.Tests.Backends.Upstream;
using Stint.Tests.Cluster.Transport;
using Stint.Tests.Functions;

namespace Stint.Tests.Cluster.Workers;

/// <summary>
/// A gateway that runs nothing and its worker in this process: placer, directory, TLS, HTTP/2, the worker's calls and its cache are real; what runs a call there is the test's. There is no store: the worker has
/// what is called already.
/// </summary>
internal sealed class WorkerRig : IAsyncDisposable
{
    private const string Function = "f";

    private static readonly CodeVersion Code = new(new string('a', 64), 1, 0);

    private readonly ClusterStore _store = new(StoreAddress.Parse("postgres://nobody@127.0.0.1:1/nothing"));
    private readonly CoreLinks _cores;
    private readonly CallPlacer _placer;

    private WorkerRig(Workbench bench, NodePair pair, Dictionary<string, NodeHandler> handlers, Func<Invocation, ValueTask<Reply>> run)
    {
        (Bench, Pair) = (bench, pair);
        new MirrorIndex(Path.Combine(bench.State, "cache", "index")).Put(Workbench.Name(Function), new MirroredFunction(Code.Hash, Code.Change, BundleHash.Mark(Path.Combine(bench.Root, Function))));
        _cores = new CoreLinks([new DnsEndPoint("127.0.0.1", 1)], pair.Callee);
        var secrets = new Stint.Functions.Secrets.SecretStore(CodeCache.SecretsOf(bench.State));
        Cache = new CodeCache(new CodeCacheParts(bench.Registry, secrets, new CodeSupply(_cores), static _ => Task.FromResult<string?>(null), static _ => Task.FromResult<string?>(null)), bench.State, 1 << 20, TimeProvider.System, NullLogger<CodeCache>.Instance);
        Calls = new WorkerCalls(new WorkerCallParts(Cache, run, static _ => 0, static () => 1000, static _ => null), TimeProvider.System, NullLogger<WorkerCalls>.Instance);
        foreach (var (path, handler) in Calls.Handlers) handlers[path] = handler;
        Directory = new WorkerDirectory(_store, pair.Caller, TimeProvider.System, NullLogger<WorkerDirectory>.Instance);
        _placer = new CallPlacer(new CallPlacerParts(Directory, static _ => Code, static _ => null, null, SchedulingPolicy.WarmFirst), TimeProvider.System);
    }

    public Workbench Bench { get; }

    public NodePair Pair { get; }

    public CodeCache Cache { get; }

    /// <summary>The worker's side.</summary>
    public WorkerCalls Calls { get; }

    public WorkerDirectory Directory { get; }

    /// <summary>The gateway's side.</summary>
    public KnownWorker Known => Directory.Workers.Single();

    /// <summary>Starts both; the worker is called at <paramref name="via"/>, when something is between.</summary>
    public static async Task<WorkerRig> StartAsync(Func<Invocation, ValueTask<Reply>> run, Func<int, int>? via = null)
    {
        var bench = new Workbench();
        bench.WriteFunction(Function, "1");
        await bench.StartAsync();
        var handlers = new Dictionary<string, NodeHandler>();
        var pair = await NodePair.StartAsync(handlers);
        var rig = new WorkerRig(bench, pair, handlers, run);
        var report = new NodeReport { Version = "", MemoryMiB = 4000, AvailableMiB = 3000, Processors = 2 };
        var port = pair.Address.Port;
        await rig.Directory.ReportAsync("callee", "", new WorkerReport("1", $"127.0.0.1:{via?.Invoke(port) ?? port}", [], report.ToJson(), IsLeaving: false), default);
        return rig;
    }

    /// <summary>A call at the gateway.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, FunctionVersion version) => _placer.InvokeAsync(invocation, version, 0, static _ => throw new InvalidOperationException("the gateway runs nothing"));

    /// <summary>A call of <c>f</c> at the gateway.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation) =>
        InvokeAsync(invocation, new FunctionVersion { Name = invocation.Function, Spec = new FunctionSpec { Process = new ProcessSpec { Runtime = Runtime.Python3 } }, Id = "1", Folder = null, DeployedAt = default });

    /// <summary>A call that wants to change to WebSocket.</summary>
    public static Invocation Upgrading(CancellationToken callerGone = default) => new() { Function = Workbench.Name(Function), CallId = "1", Method = "GET", Upgrade = "websocket", CallerGone = callerGone };

    /// <summary>Stops both; nothing may be under way on either side.</summary>
    public async ValueTask DisposeAsync()
    {
        await Eventually.IsTrueAsync(() => Calls.Running == 0 && Directory.Workers.All(static worker => worker.InFlight == 0));
        await Directory.DisposeAsync();
        await Pair.DisposeAsync();
        await Cache.DisposeAsync();
        _cores.Dispose();
        await _store.DisposeAsync();
        await Bench.DisposeAsync();
    }
}
