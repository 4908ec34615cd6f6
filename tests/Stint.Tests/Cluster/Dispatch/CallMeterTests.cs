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

/// <summary>What a gateway counts of calls that it placed, with one worker behind real TLS.</summary>
public sealed class CallMeterTests : IAsyncLifetime, IAsyncDisposable
{
    private static readonly CodeVersion Code = new(new string('a', 64), 1, 0);

    private readonly ClusterStore _store = new(StoreAddress.Parse("postgres://nobody@127.0.0.1:1/nothing")); // never asked
    private readonly CallMeter _meter = new(TimeProvider.System);
    private NodePair _pair = null!;
    private WorkerDirectory _directory = null!;
    private Func<NodeRequest, Task> _worker = static request => AnswerAsync(request, 200);

    private static FunctionName Name => FunctionName.TryParse("echo", out var name) ? name : default;

    private static FunctionVersion Version => new() { Name = Name, Spec = new FunctionSpec { Process = new ProcessSpec { Runtime = Runtime.Python3 }, Tag = "web" }, Id = "1", Folder = null, DeployedAt = default };

    public async Task InitializeAsync()
    {
        _pair = await NodePair.StartAsync(new Dictionary<string, NodeHandler> { [CallWire.Target] = request => _worker(request), [WorkerPaths.Ping] = NodeDialogue.PongAsync });
        _directory = new WorkerDirectory(_store, _pair.Caller, TimeProvider.System, NullLogger<WorkerDirectory>.Instance);
        var report = new NodeReport { Version = "", MemoryMiB = 4000, AvailableMiB = 3000, Processors = 2, Warm = new Dictionary<string, int> { ["echo"] = 1 } };
        await _directory.ReportAsync("callee", "", new WorkerReport("1", $"127.0.0.1:{_pair.Address.Port}", [], report.ToJson(), IsLeaving: false), default);
    }

    async Task IAsyncLifetime.DisposeAsync() => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        await _directory.DisposeAsync();
        await _pair.DisposeAsync();
        await _store.DisposeAsync();
    }

    [Fact]
    public async Task A_call_that_ran_here_is_the_pool_s_to_count()
    {
        await CallAsync(warm: 1);
        Assert.Null(_meter.Of(Name));
    }

    [Fact]
    public async Task A_call_that_ran_on_a_worker_is_counted_with_its_status()
    {
        _worker = static request => AnswerAsync(request, 418);
        await CallAsync(warm: 0);
        var placed = _meter.Of(Name)!;
        Assert.Equal([(418, 1L)], placed.Elsewhere.Statuses.Read());
        Assert.Equal((1, 1, 0), (placed.Elsewhere.Durations.Read().Count, placed.NeverHere, placed.HandedOn));
        Assert.Equal([(CallFate.Ended, 1L)], Tries(placed.Tries));
        Assert.Equal([(CallFate.Ended, 1L)], Tries(_directory.Workers.Single().Tries));
        _meter.Forget(Name);
        Assert.Null(_meter.Of(Name));
    }

    [Fact]
    public async Task A_call_that_the_worker_refused_and_that_ran_here_is_a_try_and_no_more()
    {
        _worker = static request => ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedCode, "no python3");
        await CallAsync(warm: 0);
        var placed = _meter.Of(Name)!;
        Assert.Equal((0, 0), (placed.Elsewhere.All, placed.NeverHere));
        Assert.Equal([(CallFate.Refused, 1L)], Tries(placed.Tries));
    }

    [Fact]
    public async Task A_call_that_was_refused_here_and_answered_there_is_one_call()
    {
        await CallAsync(warm: 1, run: static _ => new(Reply.Failure(Outcome.Unavailable, "it does not start")));
        var placed = _meter.Of(Name)!;
        // The pool has counted it as an error; this says that it was none.
        Assert.Equal((1, 0, 1), (placed.Elsewhere.All, placed.NeverHere, placed.HandedOn));
        Assert.Equal(0, placed.Elsewhere.Errors);
        // One that would only have had to wait it has not counted.
        await CallAsync(warm: 1, run: static _ => new(Reply.Overload(Outcome.Shed, "full", TimeSpan.FromSeconds(1))));
        Assert.Equal((2, 1, 1), (placed.Elsewhere.All, placed.NeverHere, placed.HandedOn));
    }

    [Fact]
    public async Task A_call_that_was_lost_with_its_worker_is_counted_here_as_there_is_nobody_else()
    {
        _worker = static request =>
        {
            request.Context.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
            return Task.CompletedTask;
        };
        await CallAsync(warm: 0);
        var placed = _meter.Of(Name)!;
        Assert.Equal((1, 1), (placed.Elsewhere.Requests(Outcome.Crashed), placed.Elsewhere.Errors));
        Assert.Equal([(CallFate.Lost, 1L)], Tries(placed.Tries));
    }

    [Fact]
    public async Task A_call_for_which_there_is_no_worker_is_counted()
    {
        await _directory.ReportAsync("callee", "", new WorkerReport("1", "", [], "{}", IsLeaving: true), default);
        await CallAsync(warm: 0, isWorker: false);
        var placed = _meter.Of(Name)!;
        Assert.Equal(1, placed.Elsewhere.Requests(Outcome.Unavailable));
        Assert.Empty(Tries(placed.Tries));
    }

    [Fact]
    public async Task This_machine_s_calls_and_their_tags_are_known_until_they_let_go()
    {
        var (answer, completion) = (new TaskCompletionSource<Reply>(), new TaskCompletionSource<bool>());
        var call = CallAsync(warm: 1, run: _ => new(answer.Task));
        Assert.Equal((1, "web"), Here());
        answer.SetResult(Reply.Answer(200, HeaderList.None, default, completion: completion.Task));
        await call;
        // Its answer is still streamed.
        Assert.Equal((1, "web"), Here());
        completion.SetResult(true);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (Here() != (0, "")) await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, limit.Token);

        (int, string) Here()
        {
            var machine = _meter.Over(new WorkerSnapshot("here"));
            return (machine.Running, string.Concat(machine.RunningTags));
        }
    }

    private static async Task AnswerAsync(NodeRequest request, int status)
    {
        using var reply = Reply.Answer(status, HeaderList.None, "there"u8.ToArray());
        await ReplyWire.WriteAsync(request.Context, reply, "0 1 1000");
    }

    private static IEnumerable<(CallFate, long)> Tries(FateCounts counts) => FateCounts.Fates.Select(fate => (fate, counts[fate])).Where(static entry => entry.Item2 > 0);

    private async Task CallAsync(int warm, bool isWorker = true, Func<Invocation, ValueTask<Reply>>? run = null)
    {
        var placer = new CallPlacer(new CallPlacerParts(_directory, static _ => Code, static _ => null, isWorker ? static () => new WorkerSnapshot("here") : null, SchedulingPolicy.WarmFirst, Tried: _meter.Tried), TimeProvider.System);
        var call = new Invocation { Function = Name, CallId = "1", Method = "POST", Body = new ReadOnlySequence<byte>("body"u8.ToArray()) };
        using var reply = await _meter.InvokeAsync(placer, call, Version, warm, run ?? (static _ => new(Reply.Answer(200, HeaderList.None, "here"u8.ToArray()))));
    }
}
