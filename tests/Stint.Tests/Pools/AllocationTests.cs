using System.Threading.Tasks.Sources;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>What a warm call costs the heap. The numbers are exact, so they have a limit here; times have none.</summary>
public sealed class AllocationTests
{
    private const int Calls = 10_000;

    /// <summary>Bytes. Without optimisation the compiler makes a class of an asynchronous method's state, once a call; with it, the pool allocates nothing at all.</summary>
#if DEBUG
    private const double Limit = 512;
#else
    private const double Limit = 1;
#endif

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_warm_call_allocates_nothing(bool callerCanLeave, bool answersLater)
    {
        SynchronizationContext.SetSynchronizationContext(null);
        using var budget = new HostBudget(1000, 10, TimeProvider.System);
        var spec = PoolBench.Spec with { MinInstances = 1 };
        var version = new FunctionVersion { Name = PoolBench.Name("f"), Spec = spec, Id = "v1", Folder = "/", DeployedAt = default };
        var instance = new ReusingInstance(answersLater);
        await using var pool = new FunctionPool(version, _ => instance, budget, new PoolOptions(), TimeProvider.System, NullLogger.Instance);
        pool.Open();
        using var caller = new CancellationTokenSource();
        var invocation = PoolBench.Call(gone: callerCanLeave ? caller.Token : default);

        await RunAsync(pool, instance, invocation, 1000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        await RunAsync(pool, instance, invocation, Calls);
        var perCall = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)Calls;
        Assert.True(perCall < Limit, $"{perCall} bytes for each warm call");
    }

    private static async Task RunAsync(FunctionPool pool, ReusingInstance instance, Invocation invocation, int calls)
    {
        for (var i = 0; i < calls; i++)
        {
            var reply = pool.InvokeAsync(invocation);
            instance.Answer();
            Assert.True(reply.IsCompletedSuccessfully);
            await reply;
        }
    }

    /// <summary>An instance that allocates nothing itself: one reply for all calls, at once or when told.</summary>
    private sealed class ReusingInstance(bool answersLater) : IBackend, IInstance, IValueTaskSource<Reply>
    {
        private readonly Reply _reply = OnTheSpotBackend.Answer();
        private readonly TaskCompletionSource<string> _ended = new();
        private ManualResetValueTaskSourceCore<Reply> _later;

        public string Id => "reusing";

        public Task<string> Ended => _ended.Task;

        public Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken) => Task.FromResult<IInstance>(this);

        public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken)
        {
            if (!answersLater) return new ValueTask<Reply>(_reply);
            _later.Reset();
            return new ValueTask<Reply>(this, _later.Version);
        }

        public void Answer()
        {
            if (answersLater) _later.SetResult(_reply);
        }

        public InstanceUsage ReadUsage() => default;

        public ValueTask DisposeAsync()
        {
            _ended.TrySetResult("disposed");
            return default;
        }

        public Reply GetResult(short token) => _later.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _later.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _later.OnCompleted(continuation, state, token, flags);
    }
}
