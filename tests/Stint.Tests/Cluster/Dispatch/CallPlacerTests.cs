using System.Buffers;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Dispatch;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Functions;
using Stint.Invocations;
using Stint.Scheduling;
using Stint.Tests.Cluster.Transport;

namespace Stint.Tests.Cluster.Dispatch;

/// <summary>Where calls go: this machine, and one worker behind real TLS. There is no store: what the worker reported to this gateway is what is known.</summary>
public sealed class CallPlacerTests
{
    private const string Here = "here";
    private static readonly CodeVersion Code = new(new string('a', 64), 1, 0);
    private int _ranHere;

    private static FunctionName Name => FunctionName.TryParse("echo", out var name) ? name : default;

    [Fact]
    public async Task A_free_warm_instance_here_is_the_shortest_way()
    {
        await using var world = await World.StartAsync(Answered);
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 1));
        Assert.Equal(0, world.Calls);
    }

    [Fact]
    public async Task A_worker_that_is_warm_comes_before_a_cold_start_here()
    {
        await using var world = await World.StartAsync(Answered, warm: 1);
        Assert.Equal("there", await CallAsync(world.Placer(), warm: 0));
    }

    [Fact]
    public async Task A_gateway_that_runs_nothing_sends_everything_and_says_so_when_there_is_nobody()
    {
        await using var world = await World.StartAsync(Answered);
        Assert.Equal("there", await CallAsync(world.Placer(isWorker: false), warm: 1));
        await world.LeaveAsync();
        Assert.Contains("there is no worker", await CallAsync(world.Placer(isWorker: false), warm: 1), StringComparison.Ordinal);
        Assert.Equal(0, _ranHere);
    }

    [Fact]
    public async Task What_the_store_does_not_have_yet_runs_here()
    {
        await using var world = await World.StartAsync(Answered, warm: 1);
        Assert.Equal(Here, await CallAsync(world.Placer(code: null), warm: 0));
        Assert.Contains("not in the store yet", await CallAsync(world.Placer(isWorker: false, code: null), warm: 0), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("GET")]
    public async Task What_a_worker_refuses_runs_on_the_next_machine(string method)
    {
        await using var world = await World.StartAsync(static request => ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedCode, "no python3"), warm: 1);
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 0, method));
        Assert.Equal(1, world.Calls);
        // The last one's words, when there is no other.
        Assert.Contains("no python3", await CallAsync(world.Placer(isWorker: false), warm: 0, method), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_worker_is_left_and_so_is_a_full_gateway()
    {
        await using var world = await World.StartAsync(static async request =>
        {
            using var reply = Reply.Overload(Outcome.Shed, "full there", TimeSpan.FromSeconds(1));
            await ReplyWire.WriteAsync(request.Context, reply, "1 0 1000");
        }, warm: 1);
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 0));
        // Both: the last one's answer, which is that of the one where it would have waited. The gateway was thought to be warm.
        Assert.Equal("full here", await CallAsync(world.Placer(), warm: 1, run: static _ => new(Reply.Overload(Outcome.Shed, "full here", TimeSpan.FromSeconds(1)))));
    }

    [Fact]
    public async Task What_would_have_to_wait_goes_on_to_the_next_machine_and_waits_when_there_is_none_where_it_need_not()
    {
        var waits = new List<string>();
        await using var world = await World.StartAsync(request =>
        {
            var wait = request.Headers[NodeHeaders.Wait].ToString();
            waits.Add(wait);
            return wait.Length > 0 ? ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedBusy, "full there", load: "1 0 3000") : Answered(request);
        }, warm: 1);
        // It was thought to have a free instance; then it might have started one; then this machine did.
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 0));
        Assert.Contains(NodeHeaders.NoWait, waits);
        // Full everywhere: it waits at one of the two.
        var waitsHere = new List<CallWait>();
        var answer = await CallAsync(world.Placer(), warm: 0, run: call =>
        {
            waitsHere.Add(call.Wait);
            return call.Wait == CallWait.InQueue ? RunHere(call) : new(Reply.Overload(Outcome.Shed, "full here", TimeSpan.FromSeconds(1)));
        });
        Assert.Contains(answer, (string[])[Here, "there"]);
        Assert.Contains(CallWait.ForStart, waitsHere);
        Assert.Equal(answer == Here ? 1 : 0, waitsHere.Count(static wait => wait == CallWait.InQueue));
        // The only one there is is not asked twice.
        await world.ReportAsync(warm: 0);
        waits.Clear();
        Assert.Equal("there", await CallAsync(world.Placer(isWorker: false), warm: 0));
        Assert.Equal([""], waits);
    }

    [Fact]
    public async Task A_call_that_was_lost_before_it_began_runs_elsewhere()
    {
        await using var world = await World.StartAsync(static request =>
        {
            request.Context.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
            return Task.CompletedTask;
        });
        var script = AppScriptReader.Read("- default:\n    - workers: [callee]\n    - workers: [here]\n", out var problems);
        Assert.Empty(problems);
        Assert.Equal(Here, await CallAsync(world.Placer(script: script), warm: 0, "POST", script: "mine"));
        Assert.Equal(1, world.Calls);
    }

    [Fact]
    public async Task A_call_that_was_lost_runs_again_only_if_that_does_no_harm()
    {
        await using var world = await World.StartAsync(static request =>
        {
            request.Context.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
            return Task.CompletedTask;
        }, warm: 1);
        Assert.Contains("callee was lost", await CallAsync(world.Placer(), warm: 0, "POST"), StringComparison.Ordinal);
        Assert.Equal(0, _ranHere);
        await world.ReportAsync(warm: 1);
        await world.ReachableAsync();
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 0, "PUT"));
        Assert.Equal(2, world.Calls);
    }

    [Fact]
    public async Task A_worker_that_cannot_be_reached_is_called_no_more_until_it_can()
    {
        await using var world = await World.StartAsync(Answered, warm: 1);
        await world.ReportAsync(warm: 1, address: "127.0.0.1:1", instance: "2");
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 0));
        Assert.False(world.Directory.Workers.Single().IsReachable);
        Assert.Contains("there is no worker", await CallAsync(world.Placer(isWorker: false), warm: 0), StringComparison.Ordinal);
        // It has come back, at another address.
        await world.ReportAsync(warm: 1, instance: "3");
        Assert.Equal("there", await CallAsync(world.Placer(isWorker: false), warm: 0));
    }

    [Fact]
    public async Task A_WebSocket_is_placed_as_any_other_call_and_a_worker_that_does_not_know_of_them_runs_nothing()
    {
        await using var world = await World.StartAsync(Answered, warm: 1);
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 1, "GET", upgrade: "websocket"));
        Assert.Equal(Here, await CallAsync(world.Placer(), warm: 0, "GET", upgrade: "websocket"));
        Assert.Contains("callee did not take the call", await CallAsync(world.Placer(isWorker: false), warm: 0, "GET", upgrade: "websocket"), StringComparison.Ordinal);
        Assert.Equal(0, world.Calls);
        // Other calls are still its own. (The refused ones have been counted as calls that took its warm instance.)
        await world.ReportAsync(warm: 1);
        Assert.Equal("there", await CallAsync(world.Placer(), warm: 0, "GET"));
        await using var newer = await World.StartAsync(Answered, warm: 1, path: TunnelWire.Target);
        Assert.Equal("there", await CallAsync(newer.Placer(), warm: 0, "GET", upgrade: "websocket"));
    }

    [Theory]
    [InlineData("callee", "there")]
    [InlineData(Here, Here)]
    [InlineData("nobody", "lets no worker take echo now")]
    public async Task A_script_has_its_way(string worker, string expected)
    {
        await using var world = await World.StartAsync(Answered);
        var script = AppScriptReader.Read($"- default:\n    - workers: [{worker}]\n", out var problems);
        Assert.Empty(problems);
        Assert.Contains(expected, await CallAsync(world.Placer(script: script), warm: 1, script: "mine"), StringComparison.Ordinal);
        Assert.Contains("no scheduling script mine", await CallAsync(world.Placer(), warm: 1, script: "mine"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_caller_without_time_is_told_and_one_that_has_left_is_nobody()
    {
        await using var world = await World.StartAsync(Answered, warm: 1);
        using var late = await world.Placer(isWorker: false).InvokeAsync(new Invocation { Function = Name, CallId = "1", CallerTimeout = TimeSpan.Zero }, Version, 0, RunHere);
        Assert.Equal(Outcome.TimedOut, late.Outcome);
        using var gone = await world.Placer(isWorker: false).InvokeAsync(new Invocation { Function = Name, CallId = "1", CallerGone = new CancellationToken(true) }, Version, 0, RunHere);
        Assert.Equal(Outcome.Cancelled, gone.Outcome);
        Assert.Equal(0, world.Calls);
    }

    private static FunctionVersion Version => new() { Name = Name, Spec = new FunctionSpec { Process = new ProcessSpec { Runtime = Runtime.Python3 } }, Id = "1", Folder = null, DeployedAt = default };

    private static async Task Answered(NodeRequest request)
    {
        using var reply = Reply.Answer(200, HeaderList.None, "there"u8.ToArray());
        await ReplyWire.WriteAsync(request.Context, reply, "0 1 1000");
    }

    private ValueTask<Reply> RunHere(Invocation invocation)
    {
        _ranHere++;
        return new(Reply.Answer(200, HeaderList.None, "here"u8.ToArray()));
    }

    /// <summary>The answer's body, or its error.</summary>
    private async Task<string> CallAsync(CallPlacer placer, int warm, string method = "POST", string? script = null, Func<Invocation, ValueTask<Reply>>? run = null, string? upgrade = null)
    {
        var call = new Invocation { Function = Name, CallId = "1", Method = method, Script = script, Upgrade = upgrade, Body = upgrade is null ? new ReadOnlySequence<byte>("body"u8.ToArray()) : default };
        using var reply = await placer.InvokeAsync(call, Version, warm, run ?? RunHere);
        return reply.Error ?? System.Text.Encoding.UTF8.GetString(reply.Body.Span);
    }

    /// <summary>A gateway's directory with one worker.</summary>
    private sealed class World : IAsyncDisposable
    {
        private readonly NodePair _pair;
        private readonly ClusterStore _store;

        private World(NodePair pair)
        {
            _pair = pair;
            // Never asked: nobody has said that it is to be refreshed.
            _store = new ClusterStore(StoreAddress.Parse("postgres://nobody@127.0.0.1:1/nothing"));
            Directory = new WorkerDirectory(_store, pair.Caller, TimeProvider.System, NullLogger<WorkerDirectory>.Instance);
        }

        public WorkerDirectory Directory { get; }

        public int Calls { get; private set; }

        public static async Task<World> StartAsync(Func<NodeRequest, Task> answer, int warm = 0, string path = CallWire.Target)
        {
            World? world = null;
            var pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler>
            {
                [path] = request =>
                {
                    world!.Calls++;
                    return answer(request);
                },
                [WorkerPaths.Ping] = NodeDialogue.PongAsync,
            });
            world = new World(pair);
            await world.ReportAsync(warm);
            return world;
        }

        public Task<(bool IsDraining, bool IsTaken)> ReportAsync(int warm, string? address = null, string instance = "1")
        {
            var report = new NodeReport { Version = "", MemoryMiB = 4000, AvailableMiB = 3000, Processors = 2, Warm = warm > 0 ? new Dictionary<string, int> { ["echo"] = warm } : [] };
            return Directory.ReportAsync("callee", "", new WorkerReport(instance, address ?? $"127.0.0.1:{_pair.Address.Port}", [], report.ToJson(), IsLeaving: false), default);
        }

        public Task<(bool IsDraining, bool IsTaken)> LeaveAsync() => Directory.ReportAsync("callee", "", new WorkerReport("1", "", [], "{}", IsLeaving: true), default);

        public async Task ReachableAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (!Directory.Workers.Single().IsReachable) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
        }

        public CallPlacer Placer(bool isWorker = true, AppScript? script = null) => Placer(isWorker, Code, script);

        public CallPlacer Placer(CodeVersion? code) => Placer(true, code, null);

        public CallPlacer Placer(bool isWorker, CodeVersion? code, AppScript? script = null) => new(new CallPlacerParts(Directory, _ => code, _ => script,
            isWorker ? static () => new WorkerSnapshot(Here) { Memory = new WorkerMemory(3000L << 20, 4000L << 20), Cores = 2 } : null, SchedulingPolicy.WarmFirst), TimeProvider.System);

        public async ValueTask DisposeAsync()
        {
            await Directory.DisposeAsync();
            await _pair.DisposeAsync();
            await _store.DisposeAsync();
        }
    }
}
