using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;

namespace Stint.Tests.Pools;

/// <summary>Real threads, the real clock, and everything at once: what the model cannot see are races.</summary>
public sealed class StressTests
{
    private const int Threads = 8;
    private const int CallsPerThread = 2500;

    [Fact]
    public async Task Calls_departures_deaths_and_deployments_on_many_threads_break_no_rule()
    {
        using var budget = new HostBudget(400, 100, TimeProvider.System);
        var backend = new HastyBackend();
        var spec = PoolBench.Spec with { ConcurrentRequests = 2, MaxInstances = 3, MaxQueue = 50, QueueTimeout = TimeSpan.FromMinutes(1), KeepAlive = TimeSpan.FromMilliseconds(5) };
        FunctionVersion Version(string name, int number, FunctionSpec its) =>
            new() { Name = PoolBench.Name(name), Spec = its, Id = $"{number}", Folder = "/", DeployedAt = default };
        FunctionPool Pool(string name, FunctionSpec its) => new(
            Version(name, 0, its), _ => backend, budget, new PoolOptions { CancelGrace = TimeSpan.FromMilliseconds(20), FirstBackoff = TimeSpan.FromMilliseconds(1) },
            TimeProvider.System, NullLogger.Instance);
        var single = spec with { SingleUse = true, Ahead = 1 };
        (FunctionPool Pool, FunctionSpec Spec)[] functions = [(Pool("one", spec), spec), (Pool("two", spec), spec), (Pool("once", single), single)];
        foreach (var (pool, _) in functions) pool.Open();

        var outcomes = new ConcurrentDictionary<Outcome, int>();
        var callers = Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            var random = new Random(thread);
            List<Task> open = [];
            for (var i = 0; i < CallsPerThread; i++)
            {
                open.Add(CallAsync(functions[random.Next(functions.Length)].Pool, random.Next(20), outcomes));
                if (open.Count < 20) continue;
                await Task.WhenAll(open);
                open.Clear();
            }
            await Task.WhenAll(open);
        })).ToArray();
        var deployments = Task.Run(async () =>
        {
            for (var number = 1; !callers.All(caller => caller.IsCompleted); number++)
            {
                foreach (var (pool, its) in functions) await pool.Deploy(Version(pool.Name.ToString(), number, its));
                foreach (var (pool, _) in functions) _ = pool.Describe();
                await Task.Yield();
            }
        });
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromMinutes(2));
        await deployments.WaitAsync(TimeSpan.FromMinutes(1));
        foreach (var (pool, _) in functions) await pool.DrainAsync(TimeSpan.FromSeconds(10)).WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Empty(backend.Faults);
        Assert.Equal(Threads * CallsPerThread, outcomes.Values.Sum());
        foreach (var (outcome, count) in outcomes) Assert.Equal(count, functions.Sum(function => function.Pool.Counters.Requests(outcome)));
        Assert.True(outcomes[Outcome.Answered] > Threads * CallsPerThread / 4, string.Join(", ", outcomes));
        Assert.Equal((0, 0, 0), (budget.Used, budget.UsedMiB, backend.Alive));
        Assert.All(functions, function => Assert.Empty(function.Pool.Describe().Instances));
    }

    private static async Task CallAsync(FunctionPool pool, int fate, ConcurrentDictionary<Outcome, int> outcomes)
    {
        using var caller = new CancellationTokenSource();
        var invocation = new Invocation { Function = pool.Name, CallId = $"{fate}", CallerGone = caller.Token, CallerTimeout = fate == 1 ? TimeSpan.FromMilliseconds(2) : null };
        var reply = pool.InvokeAsync(invocation);
        if (fate == 2) caller.Cancel();
        outcomes.AddOrUpdate((await reply).Outcome, 1, static (_, count) => count + 1);
    }

    /// <summary>Instances that answer at once, a little later, never, or die, as the call's id says; they watch the rules.</summary>
    private sealed class HastyBackend : IBackend
    {
        private int _alive;

        public ConcurrentBag<string> Faults { get; } = [];

        public int Alive => Volatile.Read(ref _alive);

        public async Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken)
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            Interlocked.Increment(ref _alive);
            return new Instance(this, version);
        }

        private sealed class Instance(HastyBackend backend, FunctionVersion version) : IInstance
        {
            private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
            private int _calls, _served, _disposed;

            public string Id => "hasty";

            public Task<string> Ended => _ended.Task;

            public async ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken)
            {
                if (Interlocked.Increment(ref _calls) > version.Spec.ConcurrentRequests) backend.Faults.Add("too many calls in an instance");
                if (Interlocked.Increment(ref _served) > 1 && version.Spec.SingleUse) backend.Faults.Add("a second call in a single-use instance");
                if (version.Name != invocation.Function) backend.Faults.Add("another function's call");
                var fate = int.Parse(invocation.CallId, System.Globalization.CultureInfo.InvariantCulture);
                if (fate > 10) await Task.Yield();
                var reply = OnTheSpotBackend.Answer();
                if (fate == 3)
                {
                    _ended.TrySetResult("died");
                    reply = Reply.Failure(Outcome.Crashed, "died");
                }
                else if (fate is 1 or 2 && !version.Spec.SingleUse)
                {
                    var gone = new TaskCompletionSource();
                    await using var registration = cancellationToken.UnsafeRegister(_ => gone.TrySetResult(), null);
                    await Task.WhenAny(gone.Task, _ended.Task);
                    // Says that it was cancelled at once, and lets go a little later.
                    return Reply.Failure(Outcome.Cancelled, "cancelled", completion: LetGoAsync());
                }
                Interlocked.Decrement(ref _calls);
                return reply;
            }

            public InstanceUsage ReadUsage() => default;

            public ValueTask DisposeAsync()
            {
                if (Interlocked.Exchange(ref _disposed, 1) == 0) Interlocked.Decrement(ref backend._alive);
                _ended.TrySetResult("disposed");
                return default;
            }

            private async Task<bool> LetGoAsync()
            {
                await Task.Yield();
                Interlocked.Decrement(ref _calls);
                return true;
            }
        }
    }
}
