using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;
using Stint.Tests.Time;

namespace Stint.Tests.Pools;

/// <summary>A host with a fake clock and a scripted backend, on which tests open pools.</summary>
internal sealed class PoolBench : IAsyncDisposable
{
    private readonly List<FunctionPool> _pools = [];

    public PoolBench(int memoryMiB = 100_000, int instances = 1000)
    {
        // On a thread with a context, the runtime posts continuations; without one, as in the daemon, they run in place and a test sees what an event caused as soon as it returns.
        SynchronizationContext.SetSynchronizationContext(null);
        Budget = new HostBudget(memoryMiB, instances, Time);
    }

    public FakeTime Time { get; } = new();

    public ScriptedBackend Backend { get; } = new();

    public HostBudget Budget { get; }

    public static FunctionSpec Spec { get; } = new() { Process = new ProcessSpec { Runtime = Runtime.Python3, MemoryMiB = 100 }, MaxInstances = 4 };

    public static FunctionName Name(string name) => FunctionName.TryParse(name, out var parsed) ? parsed : throw new ArgumentException(name);

    public FunctionVersion Version(FunctionSpec spec, string id = "v1", string name = "f") =>
        new() { Name = Name(name), Spec = spec, Id = id, Folder = "/nowhere", DeployedAt = Time.GetUtcNow() };

    public FunctionPool Open(FunctionSpec spec, string name = "f", IBackend? backend = null)
    {
        var pool = new FunctionPool(Version(spec, name: name), _ => backend ?? Backend, Budget, new PoolOptions(), Time, NullLogger.Instance);
        _pools.Add(pool);
        pool.Open();
        return pool;
    }

    public static Invocation Call(string id = "", TimeSpan? timeout = null, CancellationToken gone = default) =>
        new() { Function = Name("f"), CallId = id, CallerTimeout = timeout, CallerGone = gone };

    /// <summary>Ends the pools at once and proves that they leave nothing and kept to the seam.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var pool in _pools) await pool.DisposeAsync();
        Assert.Empty(Backend.Faults);
        Assert.Empty(Backend.Alive);
        Assert.Equal((0, 0), (Budget.Used, Budget.UsedMiB));
        Budget.Dispose();
    }
}

internal static class PoolBenchExtensions
{
    extension(FunctionPool pool)
    {
        /// <summary>Makes a call and hands back its task, for tests that let it wait.</summary>
        public Task<Reply> Invoke(string id = "", TimeSpan? timeout = null, CancellationToken gone = default) =>
            pool.InvokeAsync(PoolBench.Call(id, timeout, gone)).AsTask();
    }

    extension(ScriptedBackend backend)
    {
        /// <summary>The running call of that name.</summary>
        public ScriptedCall Running(string id) => backend.RunningCalls.Single(call => call.Invocation.CallId == id);

        /// <summary>The names of the running calls, oldest first.</summary>
        public string RunningIds => string.Join(' ', backend.RunningCalls.Select(call => call.Invocation.CallId));
    }
}
