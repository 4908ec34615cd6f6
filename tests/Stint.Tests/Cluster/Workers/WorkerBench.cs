using System.Buffers;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Cache;
using Stint.Cluster.Dispatch;
using Stint.Cluster.Identity;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Functions;
using Stint.Functions.Secrets;
using Stint.Invocations;
using Stint.Scheduling;
using Stint.Tests.Cluster.Transport;
using Stint.Tests.Functions;

namespace Stint.Tests.Cluster.Workers;

/// <summary>
/// A worker with its cache, its registry and its endpoint, the gateways that it fetches code from, and a gateway that calls it: real sockets and TLS, in one process. Only what runs a call is played: it answers
/// with the code.
/// </summary>
internal sealed class WorkerBench : IAsyncDisposable
{
    private readonly NodePair _pair;
    private readonly Workbench _registry;
    private readonly CoreLinks _cores;
    private readonly CodeCache _cache;
    private readonly ClusterStore _store;

    private WorkerBench(NodePair pair, Dictionary<string, NodeHandler> handlers, IReadOnlyList<DnsEndPoint> cores, string folder, string hash)
    {
        (_pair, Folder, Code) = (pair, folder, new CodeVersion(hash, 1, 0));
        _registry = new Workbench();
        _cores = new CoreLinks(cores, pair.Callee);
        var secrets = new SecretStore(CodeCache.SecretsOf(_registry.State));
        _cache = new CodeCache(new CodeCacheParts(_registry.Registry, secrets, new CodeSupply(_cores), static _ => Task.FromResult<string?>(null), static _ => Task.FromResult<string?>(null)), _registry.State, long.MaxValue, TimeProvider.System, NullLogger<CodeCache>.Instance);
        var calls = new WorkerCalls(new WorkerCallParts(_cache, RunAsync, static _ => 0, static () => 1000, static _ => null), TimeProvider.System, NullLogger<WorkerCalls>.Instance);
        foreach (var (path, handler) in calls.Handlers) handlers[path] = handler;
        // Never asked: nobody has said that it is to be refreshed.
        _store = new ClusterStore(StoreAddress.Parse("postgres://nobody@127.0.0.1:1/nothing"));
        Directory = new WorkerDirectory(_store, pair.Caller, TimeProvider.System, NullLogger<WorkerDirectory>.Instance);
    }

    /// <summary>The function that is called.</summary>
    public static FunctionName Function { get; } = Workbench.Name("echo");

    /// <summary>Its folder, as a gateway has it.</summary>
    public string Folder { get; }

    /// <summary>Its version.</summary>
    public CodeVersion Code { get; }

    /// <summary>The calling gateway's workers: this one.</summary>
    public WorkerDirectory Directory { get; }

    /// <summary>The last call that ran on the worker.</summary>
    public Invocation? Ran { get; private set; }

    /// <summary>Makes a worker that fetches its code from gateways that answer like this.</summary>
    /// <param name="folder">A folder for the code.</param>
    /// <param name="cores">Each gateway's answer to the question for the code.</param>
    public static async Task<WorkerBench> StartAsync(TempFolder folder, params Func<NodeRequest, Task>[] cores)
    {
        folder.Write("echo/function.toml", "python3");
        folder.Write("echo/code/fn.py", "there");
        // More than one frame, so that it can break off in the middle.
        folder.Write("echo/code/data", new string('x', 300_000));
        var handlers = new Dictionary<string, NodeHandler>();
        var pair = await NodePair.StartAsync(handlers);
        var addresses = new List<DnsEndPoint>();
        foreach (var core in cores)
            addresses.Add(await pair.ListenAsync(pair.Join($"core{addresses.Count}", NodeRole.Gateway).Credentials, NodeRole.Worker, new Dictionary<string, NodeHandler> { [WorkerPaths.Code] = request => core(request) }));
        var (hash, _) = await FunctionTable.HashAsync(folder["echo"], default);
        var bench = new WorkerBench(pair, handlers, addresses, folder["echo"], hash);
        await bench._registry.StartAsync();
        await bench.Directory.ReportAsync("callee", "", new WorkerReport("1", $"127.0.0.1:{pair.Address.Port}", [], new NodeReport { Version = "", MemoryMiB = 4000, AvailableMiB = 3000, Processors = 2 }.ToJson(), IsLeaving: false), default);
        return bench;
    }

    /// <summary>A gateway's way to the worker.</summary>
    public NodeLink Link() => _pair.Link();

    /// <summary>A call of a gateway that could run it itself, and chooses the worker if it can: the answer's body, or its error.</summary>
    public async Task<string> CallAsync(string method = "POST")
    {
        var placer = new CallPlacer(new CallPlacerParts(Directory, _ => Code, static _ => null, static () => new WorkerSnapshot("here") { Memory = new WorkerMemory(1, 1 << 20), Cores = 1, Running = 1000 }, SchedulingPolicy.WarmFirst), TimeProvider.System);
        var version = new FunctionVersion { Name = Function, Spec = new FunctionSpec { Process = new ProcessSpec { Runtime = Runtime.Python3 } }, Id = "1", Folder = null, DeployedAt = default };
        var call = new Invocation { Function = Function, CallId = "1", Method = method, Body = new ReadOnlySequence<byte>("body"u8.ToArray()) };
        using var reply = await placer.InvokeAsync(call, version, 0, static _ => new(Reply.Answer(200, HeaderList.None, "here"u8.ToArray())));
        return reply.Error ?? System.Text.Encoding.UTF8.GetString(reply.Body.Span);
    }

    /// <summary>Gives the code, as a gateway does.</summary>
    public static async Task GiveAsync(NodeRequest request, string folder, int? upTo = null)
    {
        await using var archive = new FolderArchiveReader(folder);
        var bytes = new MemoryStream();
        await archive.CopyToAsync(bytes);
        var output = request.Context.Get<Microsoft.AspNetCore.Http.Features.IHttpResponseBodyFeature>()!.Writer;
        await output.WriteAsync(bytes.GetBuffer().AsMemory(0, upTo ?? (int)bytes.Length));
    }

    private ValueTask<Reply> RunAsync(Invocation invocation)
    {
        Ran = invocation;
        return new(Reply.Answer(200, HeaderList.None, System.Text.Encoding.UTF8.GetBytes(_registry.ServedCode("echo") ?? "no code")));
    }

    public async ValueTask DisposeAsync()
    {
        await Directory.DisposeAsync();
        await _pair.DisposeAsync();
        await _cache.DisposeAsync();
        _cores.Dispose();
        await _registry.DisposeAsync();
        await _store.DisposeAsync();
    }
}
