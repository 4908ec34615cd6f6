using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Dispatch;
using Stint.Cluster.Nodes;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Functions;
using Stint.Invocations;
using Stint.Tests.Cluster.Transport;

namespace Stint.Tests.Cluster.Workers;

/// <summary>Bodies that a gateway keeps until the worker has an instance, over real TLS: what both know of a call whose way breaks.</summary>
public sealed class CallBodyTests
{
    private static readonly CodeVersion Version = new(new string('a', 64), 1, 0);
    private static readonly FunctionSpec Spec = new() { Process = new ProcessSpec { Runtime = Runtime.Python3 } };

    [Theory]
    [InlineData("POST", "", (int)CallWait.InQueue, true)]
    [InlineData("POST", "body", (int)CallWait.ForStart, true)]
    [InlineData("POST", "body", (int)CallWait.Never, false)]
    [InlineData("PUT", "body", (int)CallWait.InQueue, false)]
    public async Task Only_what_may_have_to_wait_and_must_not_run_twice_is_asked_for(string method, string text, int wait, bool isKept)
    {
        var (wasKept, arrived, waited) = (false, "", CallWait.InQueue);
        await using var pair = await StartAsync(async (request, body, call) =>
        {
            (wasKept, waited) = (CallWire.IsKept(request.Headers), call.Wait);
            if (wasKept) await body.TakeAsync(request.Aborted);
            arrived = Encoding.UTF8.GetString(wasKept ? call.Body.ToArray() : (await body.ReadAsync(request.Aborted)).ToArray());
            using var reply = Reply.Answer(200, HeaderList.None, default);
            await ReplyWire.WriteAsync(request.Context, reply, "0 0 0");
        });
        using var worker = Worker(pair);
        var attempt = await CallAsync(worker, method, text, (CallWait)wait);
        Assert.Equal((CallFate.Ended, Outcome.Answered), (attempt.Fate, attempt.Reply!.Outcome));
        Assert.Equal((isKept, text, (CallWait)wait), (wasKept, arrived, waited));
        attempt.Reply.Dispose();
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("body", false)]
    [InlineData("", true)]
    [InlineData("body", true)]
    public async Task A_call_whose_worker_is_lost_may_be_sent_again_until_it_has_begun(string text, bool begins)
    {
        await using var pair = await StartAsync(async (request, body, _) =>
        {
            if (begins) await body.TakeAsync(request.Aborted);
            request.Context.GetRequiredFeature<IHttpRequestLifetimeFeature>().Abort();
        });
        using var worker = Worker(pair);
        var attempt = await CallAsync(worker, "POST", text, CallWait.InQueue);
        Assert.Equal((CallFate.Lost, !begins), (attempt.Fate, attempt.HasNotBegun));
        Assert.Equal(!begins, CallRules.MayRepeat(attempt, "POST"));
    }

    [Fact]
    public async Task A_streamed_body_is_asked_for_when_the_call_begins_and_read_by_the_instance()
    {
        var whole = 0;
        await using var pair = await StartAsync(async (request, body, call) =>
        {
            await body.TakeAsync(request.Aborted);
            while (true)
            {
                var read = await call.BodyStream!.ReadAsync();
                whole += (int)read.Buffer.Length;
                call.BodyStream.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) break;
            }
            using var reply = Reply.Answer(200, HeaderList.None, default);
            await ReplyWire.WriteAsync(request.Context, reply, "0 0 0");
        });
        using var worker = Worker(pair);
        var pipe = PipeReader.Create(new MemoryStream(new byte[200_000]));
        var attempt = await worker.CallAsync(new Invocation { Function = Name, CallId = "1", BodyStream = pipe, Wait = CallWait.Never }, Spec, Version, null, default);
        attempt.Reply!.Dispose();
        Assert.Equal((CallFate.Ended, 200_000), (attempt.Fate, whole));
    }

    [Theory]
    [InlineData(0, (int)CallWait.InQueue, false)]
    [InlineData(19, (int)CallWait.InQueue, false)]
    [InlineData(20, (int)CallWait.InQueue, true)]
    [InlineData(0, (int)CallWait.ForStart, true)]
    public async Task A_function_that_takes_no_time_is_not_kept_waiting_by_the_question(int milliseconds, int wait, bool isKept)
    {
        var wasKept = false;
        await using var pair = await StartAsync(async (request, body, _) =>
        {
            if (wasKept = CallWire.IsKept(request.Headers)) await body.TakeAsync(request.Aborted);
            using var reply = Reply.Answer(200, HeaderList.None, default);
            await ReplyWire.WriteAsync(request.Context, reply, $"0 0 0 {milliseconds}");
        });
        using var worker = Worker(pair);
        (await CallAsync(worker, "POST", "", CallWait.InQueue)).Reply!.Dispose();
        Assert.True(wasKept, "nothing is known of the first call");
        (await CallAsync(worker, "POST", "", (CallWait)wait)).Reply!.Dispose();
        Assert.Equal(isKept, wasKept);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public async Task A_body_that_breaks_off_leaves_nothing_to_be_released(int arrived)
    {
        var pipe = new Pipe();
        await pipe.Writer.WriteAsync(new byte[arrived]);
        var body = new CallBody(pipe.Reader, isShort: true);
        using var aborted = new CancellationTokenSource();
        var read = body.ReadAsync(aborted.Token).AsTask();
        await aborted.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
        body.Release();
    }

    [Fact]
    public async Task A_worker_that_is_full_is_known_to_be_until_it_says_otherwise()
    {
        await using var pair = await StartAsync(static (request, _, call) => ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedBusy, "full", load: call.Wait == CallWait.Never ? "2 0 100" : "3 0 100"));
        using var worker = Worker(pair);
        var attempt = await CallAsync(worker, "POST", "", CallWait.Never);
        Assert.Equal((CallFate.Refused, NodeHeaders.RefusedBusy), (attempt.Fate, attempt.Reason));
        // It may start one.
        Assert.False(worker.IsFull(Name));
        Assert.Equal(2, worker.Describe().Running);
        await CallAsync(worker, "POST", "", CallWait.ForStart);
        Assert.True(worker.IsFull(Name));
        Assert.Equal(3, worker.Describe().Running);
        worker.Apply(new NodeReport { Version = "" });
        Assert.False(worker.IsFull(Name));
    }

    private static FunctionName Name => FunctionName.TryParse("echo", out var name) ? name : default;

    private static PipeReader Pipe(NodeRequest request) => request.Context.GetRequiredFeature<IRequestBodyPipeFeature>().Reader;

    private static async Task<CallAttempt> CallAsync(KnownWorker worker, string method, string text, CallWait wait) => await worker.CallAsync(
        new Invocation { Function = Name, CallId = "1", Method = method, Body = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(text)), Wait = wait }, Spec, Version, null, default);

    private static Task<NodePair> StartAsync(Func<NodeRequest, CallBody, Invocation, Task> run) => NodePair.StartAsync(new Dictionary<string, NodeHandler>
    {
        [CallWire.Target] = request => NodeAnswers.AnswerAsync(request, async asked =>
        {
            var isShort = asked.Headers.ContentLength is <= Invocation.MaxInlineBody;
            var body = new CallBody(Pipe(asked), isShort);
            var call = CallWire.Read(asked.Headers, CallWire.ReadVersion(asked.Headers, out var _), default, isShort ? null : Pipe(asked), body.TakeAsync, TimeSpan.Zero, asked.Aborted);
            body.Invocation = call;
            try
            {
                await run(asked, body, call);
            }
            finally
            {
                body.Release();
            }
        }, NullLogger.Instance),
    });

    private static KnownWorker Worker(NodePair pair) => new("callee", "1", $"127.0.0.1:{pair.Address.Port}", new NodeReport { Version = "", MemoryMiB = 2000 }, pair.Caller);
}
