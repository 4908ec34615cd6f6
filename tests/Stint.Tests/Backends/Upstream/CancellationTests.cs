using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Stint.Backends.Upstream;
using Stint.Invocations;
using Stint.Tests.Time;

namespace Stint.Tests.Backends.Upstream;

/// <summary>A caller that leaves, or a deadline that passes, at every stage of a call.</summary>
public sealed class CancellationTests : IDisposable
{
    private readonly CancellationTokenSource _caller = new();

    public void Dispose() => _caller.Dispose();

    [Fact]
    public async Task Before_anything_was_done_nothing_is()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(""));
        await _caller.CancelAsync();
        using var reply = await rig.Upstream.InvokeAsync(UpstreamRig.Call(), _caller.Token);
        Assert.Equal((Outcome.Cancelled, null), (reply.Outcome, reply.Completion));
        Assert.Equal(0, rig.Server.Accepted);
    }

    [Fact]
    public async Task While_it_connects_the_call_ends_at_once()
    {
        // A queue of one that nobody takes connections from: the kernel leaves the next ones unanswered.
        using var deaf = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        deaf.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        deaf.Listen(0);
        using var upstream = new HttpUpstream((IPEndPoint)deaf.LocalEndPoint!, 100, new TaskCompletionSource<string>().Task, TimeProvider.System);
        var calls = Enumerable.Range(0, 8).Select(_ => upstream.InvokeAsync(UpstreamRig.Call(), _caller.Token).AsTask()).ToArray();
        await _caller.CancelAsync();
        foreach (var reply in await Task.WhenAll(calls).WaitAsync(RawPeer.Limit)) Assert.Equal(Outcome.Cancelled, reply.Outcome);
    }

    [Fact]
    public async Task While_the_server_works_it_is_told_and_the_slot_is_free_when_it_has_let_go()
    {
        var arrived = new TaskCompletionSource();
        var told = new TaskCompletionSource();
        var finish = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            arrived.SetResult();
            await peer.WaitForEndAsync();
            told.SetResult();
            await finish.Task;
        });
        var call = rig.Upstream.InvokeAsync(UpstreamRig.Call(), _caller.Token).AsTask();
        await arrived.Task.WaitAsync(RawPeer.Limit);
        await _caller.CancelAsync();
        using var reply = await call.WaitAsync(RawPeer.Limit);
        Assert.Equal(Outcome.Cancelled, reply.Outcome);
        await told.Task.WaitAsync(RawPeer.Limit);
        Assert.False(reply.Completion!.IsCompleted);
        finish.SetResult();
        Assert.True(await reply.Completion.WaitAsync(RawPeer.Limit));
        Assert.Equal(0, rig.Upstream.OpenConnections);
    }

    [Fact]
    public async Task A_server_that_answers_all_the_same_has_let_go()
    {
        var arrived = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            arrived.SetResult();
            await cancelled.Task;
            await peer.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
        var call = rig.Upstream.InvokeAsync(UpstreamRig.Call(), _caller.Token).AsTask();
        await arrived.Task.WaitAsync(RawPeer.Limit);
        await _caller.CancelAsync();
        using var reply = await call.WaitAsync(RawPeer.Limit);
        cancelled.SetResult();
        Assert.True(await reply.Completion!.WaitAsync(RawPeer.Limit));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(8, true)]
    public async Task A_server_that_does_not_let_go_can_serve_others_only_if_it_takes_several_calls(int calls, bool canServe)
    {
        var arrived = new TaskCompletionSource();
        await using var server = new RawServer(async peer =>
        {
            await peer.ReadRequestAsync();
            arrived.TrySetResult();
            await peer.WaitForEndAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _caller.Token).WaitAsync(RawPeer.Limit).ContinueWith(static _ => { }, TaskScheduler.Default);
        });
        var time = new FakeTime();
        using var upstream = new HttpUpstream(server.EndPoint, calls, new TaskCompletionSource<string>().Task, time);
        using var deadline = new CancellationTokenSource();
        var call = upstream.InvokeAsync(UpstreamRig.Call(), deadline.Token).AsTask();
        await arrived.Task.WaitAsync(RawPeer.Limit);
        await deadline.CancelAsync();
        using var reply = await call.WaitAsync(RawPeer.Limit);
        Assert.False(reply.Completion!.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(canServe, await reply.Completion.WaitAsync(RawPeer.Limit));
        Assert.Equal(0, upstream.OpenConnections);
        await _caller.CancelAsync();
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")]
    [InlineData("HTTP/1.1 2")]
    public async Task In_the_middle_of_a_small_answer_the_call_ends_at_once(string half)
    {
        var sent = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(half);
            sent.SetResult();
            await peer.WaitForEndAsync();
        });
        var call = rig.Upstream.InvokeAsync(UpstreamRig.Call(), _caller.Token).AsTask();
        await sent.Task.WaitAsync(RawPeer.Limit);
        await _caller.CancelAsync();
        using var reply = await call.WaitAsync(RawPeer.Limit);
        Assert.Equal(Outcome.Cancelled, reply.Outcome);
        Assert.True(await reply.Completion!.WaitAsync(RawPeer.Limit));
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public async Task In_the_middle_of_a_streamed_answer_it_breaks_off_whether_somebody_reads_or_not(bool isReading)
    {
        var ended = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            await peer.WaitForEndAsync();
            ended.SetResult();
        });
        using var reply = await rig.Upstream.InvokeAsync(UpstreamRig.Call(), _caller.Token);
        var first = reply.Body.Length > 0 ? reply.Body : await reply.Rest!.ReadAsync(default);
        Assert.Equal(5, first.Length);
        var reading = isReading ? reply.Rest!.ReadAsync(default).AsTask() : null;
        await _caller.CancelAsync();
        Assert.True(await reply.Completion!.WaitAsync(RawPeer.Limit));
        reading ??= reply.Rest!.ReadAsync(default).AsTask();
        Assert.Contains("deadline", (await Assert.ThrowsAsync<IOException>(() => reading.WaitAsync(RawPeer.Limit))).Message, StringComparison.Ordinal);
        await ended.Task.WaitAsync(RawPeer.Limit);
        Assert.Equal(0, rig.Upstream.OpenConnections);
    }

    [Fact]
    public async Task An_answer_that_nobody_reads_on_ends_the_connection()
    {
        var ended = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello");
            await peer.WaitForEndAsync();
            ended.SetResult();
        });
        var reply = await rig.Upstream.InvokeAsync(UpstreamRig.Call(), _caller.Token);
        Assert.Equal(1_000_000, reply.Length);
        reply.Dispose();
        Assert.True(await reply.Completion!.WaitAsync(RawPeer.Limit));
        await ended.Task.WaitAsync(RawPeer.Limit);
        Assert.Equal(0, rig.Upstream.OpenConnections);
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public async Task While_a_body_is_sent_it_is_left_alone_before_the_call_is_over(bool serverReads)
    {
        var arrived = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadHeadAsync();
            arrived.SetResult();
            if (serverReads) await peer.WaitForEndAsync();
            else await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _caller.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
        });
        // Without a limit: what the kernel's buffers take goes, and then the sender waits.
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        await pipe.Writer.WriteAsync(new byte[serverReads ? 1000 : 32 * 1024 * 1024]);
        var call = rig.Upstream.InvokeAsync(new Invocation { Function = default, CallId = "c", BodyStream = pipe.Reader }, _caller.Token).AsTask();
        await arrived.Task.WaitAsync(RawPeer.Limit);
        await _caller.CancelAsync();
        using var reply = await call.WaitAsync(RawPeer.Limit);
        Assert.Equal(Outcome.Cancelled, reply.Outcome);
        await reply.Completion!.WaitAsync(RawPeer.Limit);
        // A second reader would throw if the first were still reading.
        pipe.Reader.TryRead(out var rest);
        pipe.Reader.AdvanceTo(rest.Buffer.End);
        await pipe.Writer.WriteAsync("more"u8.ToArray());
        Assert.Equal(4, (await pipe.Reader.ReadAsync()).Buffer.Length);
    }
}
