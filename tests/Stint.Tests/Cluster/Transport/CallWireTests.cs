using Microsoft.AspNetCore.Http;
using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Dispatch;
using Stint.Cluster.Nodes;
using Stint.Cluster.Transport;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Tests.Cluster.Transport;

/// <summary>Calls and answers on their way between machines: what is sent is what arrives.</summary>
public sealed class CallWireTests
{
    private static readonly CodeVersion Version = new(new string('a', 64), 42, 7);
    private static readonly FunctionSpec Spec = new() { Process = new ProcessSpec { Runtime = Runtime.Python3 }, Tag = "edge" };

    [Fact]
    public async Task All_of_a_call_arrives()
    {
        Invocation? arrived = null;
        var version = default(CodeVersion);
        var body = "";
        await using var pair = await StartAsync(async request =>
        {
            var function = CallWire.ReadVersion(request.Headers, out version);
            var read = await request.Context.GetRequiredFeature<IRequestBodyPipeFeature>().Reader.ReadAtLeastAsync(5);
            body = Encoding.UTF8.GetString(read.Buffer.ToArray());
            arrived = CallWire.Read(request.Headers, function, read.Buffer, null, null, TimeSpan.FromMilliseconds(200), request.Aborted);
            using var reply = Reply.Answer(200, HeaderList.None, default);
            await ReplyWire.WriteAsync(request.Context, reply, "0 0 0");
        });
        using var worker = Worker(pair);
        Assert.True(FunctionName.TryParse("name.module", out var name));
        var attempt = await worker.CallAsync(new Invocation
        {
            Function = name, CallId = "id-1", HasOwnCallId = true, Method = "PURGE", Path = "/a%20b/ä", Query = "x=1&y=%2F",
            Headers = new HeaderList { { "Content-Type", "text/plain; charset=utf-8" }, { "X-Umlaut", "grüße" }, { "X-Empty", "" }, { "Content-Length", "5" }, { "Host", "example" }, { "Accept", "a, b" } },
            Body = new ReadOnlySequence<byte>("12345"u8.ToArray()), From = IPAddress.Parse("2001:db8::7"), IsFromTrustedProxy = true, Scheme = "coap",
        }, Spec, Version, TimeSpan.FromSeconds(3), default);
        Assert.Equal(CallFate.Ended, attempt.Fate);
        attempt.Reply!.Dispose();
        Assert.Equal(Version, version);
        Assert.Equal("12345", body);
        Assert.NotNull(arrived);
        Assert.Equal((name, "id-1", true, "PURGE", "/a%20b/ä", "x=1&y=%2F"), (arrived.Function, arrived.CallId, arrived.HasOwnCallId, arrived.Method, arrived.Path, arrived.Query));
        Assert.Equal((IPAddress.Parse("2001:db8::7"), true, "coap"), (arrived.From, arrived.IsFromTrustedProxy, arrived.Scheme));
        // What it waited on the way counts.
        Assert.Equal(TimeSpan.FromSeconds(2.8), arrived.CallerTimeout);
        Assert.Equal([new("Content-Type", "text/plain; charset=utf-8"), new("X-Umlaut", "grüße"), new("X-Empty", ""), new("Content-Length", "5"), new("Host", "example"), new("Accept", "a, b")], arrived.Headers);
    }

    [Fact]
    public async Task All_of_an_answer_arrives()
    {
        await using var pair = await StartAsync(async request =>
        {
            using var reply = Reply.Answer(418, new HeaderList { { "Content-Type", "text/plain" }, { "Set-Cookie", "a=1" }, { "Set-Cookie", "b=2; Expires=Wed, 09 Jun 2027 10:18:14 GMT" }, { "X-Size", "ü" } }, "short and stout"u8.ToArray());
            await ReplyWire.WriteAsync(request.Context, reply, "3 2 1000");
        });
        using var worker = Worker(pair);
        using var reply = (await CallAsync(worker, "GET")).Reply!;
        Assert.Equal((Outcome.Answered, 418, "short and stout"), (reply.Outcome, reply.Status, Encoding.UTF8.GetString(reply.Body.Span)));
        Assert.Equal(["a=1", "b=2; Expires=Wed, 09 Jun 2027 10:18:14 GMT"], reply.Headers.Where(static header => header.Key == "Set-Cookie").Select(static header => header.Value));
        Assert.True(reply.Headers.TryGet("X-Size", out var size) && size == "ü");
        // How the worker stands is learned from it.
        Assert.Equal((3, 1000L << 20), (worker.Describe().Running, worker.Describe().Memory!.Value.Available));
        Assert.True(worker.IsWarm(Name));
        Assert.Equal(0, worker.InFlight);
    }

    [Theory]
    [InlineData((int)Outcome.FunctionFailed, "ValueError: no\nsuch thing")]
    [InlineData((int)Outcome.TimedOut, "it took too long")]
    [InlineData((int)Outcome.Shed, "")]
    public async Task Failures_arrive_with_their_words(int number, string error)
    {
        var outcome = (Outcome)number;
        await using var pair = await StartAsync(async request =>
        {
            using var reply = outcome == Outcome.Shed ? Reply.Overload(outcome, error, TimeSpan.FromSeconds(2)) : Reply.Failure(outcome, error);
            await ReplyWire.WriteAsync(request.Context, reply, "0 0 0");
        });
        using var worker = Worker(pair);
        using var reply = (await CallAsync(worker, "POST")).Reply!;
        Assert.Equal((outcome, error, outcome == Outcome.Shed), (reply.Outcome, reply.Error, reply.IsOverload));
        Assert.Equal(outcome == Outcome.Shed ? TimeSpan.FromSeconds(2) : null, reply.RetryAfter);
    }

    [Fact]
    public async Task A_functions_own_error_stays_its_own_and_the_length_that_HEAD_announces_is_said()
    {
        await using var pair = await StartAsync(async request =>
        {
            using var reply = request.Headers[NodeHeaders.Method] == "HEAD" ? Reply.Answer(200, HeaderList.None, default, length: 12_345) : Reply.FunctionError("as it said");
            await ReplyWire.WriteAsync(request.Context, reply, "0 0 0");
        });
        using var worker = Worker(pair);
        using (var error = (await CallAsync(worker, "POST")).Reply!) Assert.True(error.IsFunctionsOwnError);
        using var head = (await CallAsync(worker, "HEAD")).Reply!;
        Assert.Equal((12_345, 0), (head.Length, head.Body.Length));
    }

    [Fact]
    public async Task What_a_worker_refuses_before_it_takes_the_body_leaves_the_body_to_the_next_one()
    {
        await using var pair = await StartAsync(static request => ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedDraining, "it stops"));
        using var worker = Worker(pair);
        var pipe = new Pipe();
        await pipe.Writer.WriteAsync(new byte[100]);
        var call = new Invocation { Function = Name, CallId = "1", BodyStream = pipe.Reader };
        var attempt = await worker.CallAsync(call, Spec, Version, null, default);
        Assert.Equal((CallFate.Refused, NodeHeaders.RefusedDraining, "it stops", false), (attempt.Fate, attempt.Reason, attempt.Words, attempt.IsBodySpent));
        Assert.True(CallRules.MayRepeat(attempt, "POST"));
        Assert.True(pipe.Reader.TryRead(out var read));
        Assert.Equal(100, read.Buffer.Length);
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_no_whole_answer()
    {
        await using var pair = await StartAsync(async request =>
        {
            using var reply = Reply.Answer(200, HeaderList.None, new byte[10], rest: new Broken());
            await ReplyWire.WriteAsync(request.Context, reply, "0 0 0");
        });
        using var worker = Worker(pair);
        using var reply = (await CallAsync(worker, "GET")).Reply!;
        var error = await Assert.ThrowsAsync<IOException>(async () =>
        {
            while (!(await reply.Rest!.ReadAsync(default)).IsEmpty) { }
        });
        Assert.Contains("the worker callee broke off", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, worker.InFlight);
    }

    [Theory]
    [InlineData(NodeHeaders.Function, "a b")]
    [InlineData(NodeHeaders.Function, "../etc")]
    [InlineData(NodeHeaders.Hash, "abc")]
    [InlineData(NodeHeaders.Hash, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData(NodeHeaders.Change, "-1")]
    [InlineData(NodeHeaders.Change, "99999999999999999999")]
    [InlineData(NodeHeaders.Change, "")]
    [InlineData(NodeHeaders.Secrets, "one")]
    [InlineData(NodeHeaders.Method, "GE T")]
    [InlineData(NodeHeaders.Method, "")]
    [InlineData(NodeHeaders.Path, "relative")]
    [InlineData(NodeHeaders.Left, "0x10")]
    [InlineData(NodeHeaders.Left, "99999999999")]
    [InlineData(NodeHeaders.From, "nobody")]
    public void What_is_no_call_is_refused(string header, string value)
    {
        var headers = new HeaderDictionary
        {
            [NodeHeaders.Function] = "echo", [NodeHeaders.Hash] = new string('a', 64), [NodeHeaders.Change] = "1", [NodeHeaders.Method] = "POST",
        };
        CallWire.Read(headers, CallWire.ReadVersion(headers, out _), default, null, null, TimeSpan.Zero, default);
        headers[header] = value;
        Assert.Throws<NodeProtocolException>(() => CallWire.Read(headers, CallWire.ReadVersion(headers, out _), default, null, null, TimeSpan.Zero, default));
    }

    [Fact]
    public void Headers_of_the_connection_are_not_taken_out_of_a_call()
    {
        var headers = new HeaderDictionary
        {
            [NodeHeaders.Function] = "echo", [NodeHeaders.Hash] = new string('a', 64), [NodeHeaders.Change] = "1", [NodeHeaders.Method] = "POST",
            ["f-transfer-encoding"] = "chunked", ["f-"] = "nothing", ["f-x-one"] = "1", ["x-other"] = "not the call's", ["stint-of-a-newer-version"] = "ignored",
        };
        Assert.Equal([new("X-One", "1")], CallWire.Read(headers, CallWire.ReadVersion(headers, out _), default, null, null, TimeSpan.Zero, default).Headers);
    }

    private static FunctionName Name => FunctionName.TryParse("echo", out var name) ? name : default;

    private static Task<NodePair> StartAsync(Func<NodeRequest, Task> answer) =>
        NodePair.StartAsync(new Dictionary<string, NodeHandler> { [CallWire.Target] = request => NodeAnswers.AnswerAsync(request, answer, NullLogger.Instance) });

    private static KnownWorker Worker(NodePair pair) => new("callee", "1", $"127.0.0.1:{pair.Address.Port}", new NodeReport { Version = "", MemoryMiB = 2000 }, pair.Caller);

    private static async Task<CallAttempt> CallAsync(KnownWorker worker, string method) => await worker.CallAsync(new Invocation { Function = Name, CallId = "1", Method = method }, Spec, Version, null, default);

    private sealed class Broken : IReplyStream
    {
        private int _pieces;

        public ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken) => _pieces++ < 3 ? new(new byte[1000]) : throw new IOException("it died");

        public void Dispose() { }
    }
}
