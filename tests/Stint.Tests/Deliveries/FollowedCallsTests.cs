using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Deliveries;
using Stint.Invocations;
using Stint.Telemetry.Logs;
using Stint.Tests.Functions;

namespace Stint.Tests.Deliveries;

public sealed class FollowedCallsTests : IAsyncLifetime, IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly List<CallResult> _results = [];
    private CallsRig _rig = null!;
    private FunctionLogs _logs = null!;

    public Task InitializeAsync()
    {
        _rig = new CallsRig(null, null, new TestKind());
        _logs = new FunctionLogs(_folder["logs"], 1024 * 1024, TimeProvider.System, NullLogger.Instance);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _logs.DisposeAsync();
        await _rig.DisposeAsync();
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_function_that_nothing_follows_is_called_as_ever()
    {
        var reply = CallsRig.Answer("x");
        Assert.Same(reply, await Calls(reply, follows: false).InvokeAsync(CallsRig.Call("a")));
        Assert.Empty(_results);
    }

    [Fact]
    public async Task What_follows_a_good_answer_is_on_disk_before_the_answer_goes_out()
    {
        using var reply = await Calls(CallsRig.Answer("result", 201)).InvokeAsync(CallsRig.Call("a"));
        Assert.Equal("result", Encoding.UTF8.GetString(reply.Body.Span));
        Assert.Equal((201, "text/x-test", "result"), (_results[0].Status, _results[0].ContentType, Encoding.UTF8.GetString(_results[0].Body.Span)));
        Assert.Equal("a", Assert.Single(await _rig.ListAsync()).CallId);
    }

    [Fact]
    public async Task Nothing_follows_a_failure()
    {
        using var failed = await Calls(CallsRig.Answer("no", 500)).InvokeAsync(CallsRig.Call("a"));
        using var shed = await Calls(Reply.Failure(Outcome.Shed, "busy")).InvokeAsync(CallsRig.Call("b"));
        Assert.Empty(await _rig.ListAsync());
    }

    [Fact]
    public async Task A_streamed_answer_is_passed_on_as_it_comes_and_kept_whole()
    {
        var stream = new Pieces("b", "c");
        using (var reply = await Calls(Reply.Answer(200, [], "a"u8.ToArray(), rest: stream)).InvokeAsync(CallsRig.Call("a")))
        {
            Assert.Equal("a", Encoding.UTF8.GetString(reply.Body.Span));
            Assert.Equal("b", await NextAsync(reply));
            Assert.Empty(_results);
            Assert.Equal("c", await NextAsync(reply));
            Assert.Equal("", await NextAsync(reply));
            Assert.Equal("", await NextAsync(reply));
        }
        Assert.Equal("abc", Encoding.UTF8.GetString(Assert.Single(_results).Body.Span));
        Assert.Single(await _rig.ListAsync());
        Assert.True(stream.IsDisposed);
    }

    [Fact]
    public async Task A_streamed_answer_that_nobody_reads_to_its_end_or_that_is_too_long_goes_nowhere()
    {
        using (var reply = await Calls(Reply.Answer(200, [], "a"u8.ToArray(), rest: new Pieces("b", "c"))).InvokeAsync(CallsRig.Call("a"))) await NextAsync(reply);
        using (var reply = await Calls(Reply.Answer(200, [], "a"u8.ToArray(), rest: new Pieces(new string('x', 99), "y"))).InvokeAsync(CallsRig.Call("b")))
            while (await NextAsync(reply) != "") { }
        using (await Calls(CallsRig.Answer(new string('x', 101))).InvokeAsync(CallsRig.Call("c"))) { }
        Assert.Empty(_results);
        Assert.Empty(await _rig.ListAsync());
    }

    private static async Task<string> NextAsync(Reply reply) => Encoding.UTF8.GetString((await reply.Rest!.ReadAsync(default)).Span);

    private FollowedCalls Calls(Reply reply, bool follows = true)
    {
        var followers = new Followers();
        followers.Set(StoreFolder.Name("other"), static (_, _) => []);
        if (follows)
            followers.Set(StoreFolder.Name(), (call, result) =>
            {
                _results.Add(result);
                return [new Delivery { Kind = "test", Function = call.Function, CallId = call.CallId, Target = "\"t\"", Body = result.Body }];
            });
        return new FollowedCalls(_ => new ValueTask<Reply>(reply), followers, _rig.Outbox, 100, _logs, TimeProvider.System);
    }

    private sealed class Pieces(params string[] pieces) : IReplyStream
    {
        private int _next;

        public bool IsDisposed { get; private set; }

        public ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken) => new(_next < pieces.Length ? Encoding.UTF8.GetBytes(pieces[_next++]) : default);

        public void Dispose() => IsDisposed = true;
    }
}
