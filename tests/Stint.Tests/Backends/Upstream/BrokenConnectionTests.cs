using System.IO.Pipelines;
using System.Net;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Stint.Backends.Upstream;
using Stint.Invocations;
using Stint.Tests.Time;
using Outcome = Stint.Invocations.Outcome;

namespace Stint.Tests.Backends.Upstream;

/// <summary>Connections that end where they should not: nothing is ever sent twice, and the caller learns what happened.</summary>
public sealed class BrokenConnectionTests
{
    private const string Promise = "Connection: keep-alive\r\n";
    private const string Answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

    /// <summary>How a server ends a connection.</summary>
    public enum End
    {
        Close,
        Reset,
        HalfClose,
    }

    [Theory]
    [InlineData(End.Close), InlineData(End.Reset), InlineData(End.HalfClose)]
    public Task Wherever_an_answer_breaks_off_the_request_was_sent_once_and_the_instance_goes_on(End end) => Task.WhenAll(Enumerable.Range(0, Answer.Length).Select(async cut =>
    {
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Answer[..cut]);
            await EndAsync(peer, end);
        });
        var (reply, _) = await rig.InvokeAsync(UpstreamRig.Call("POST"));
        Assert.Equal((Outcome.Crashed, true), (reply.Outcome, reply.InstanceGoesOn));
        Assert.Contains("connection", reply.Error, StringComparison.Ordinal);
        Assert.Single(rig.Server.Requests);
    }));

    [Theory]
    [InlineData("GET", End.Close), InlineData("GET", End.Reset), InlineData("POST", End.Close), InlineData("POST", End.Reset), InlineData("DELETE", End.HalfClose)]
    public async Task A_request_on_a_used_connection_is_not_sent_again_either(string method, End end)
    {
        // The server answers the first request of each connection, takes the second and ends it: what an idle connection's end looks like when it crosses with a request.
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Answer.Replace("Content", Promise + "Content", StringComparison.Ordinal));
            await peer.ReadRequestAsync();
            await EndAsync(peer, end);
        });
        var outcomes = new List<Outcome>();
        for (var i = 0; i < 6; i++) outcomes.Add((await rig.InvokeAsync(UpstreamRig.Call(method, id: $"call-{i}"))).Reply.Outcome);
        Assert.Equal([Outcome.Answered, Outcome.Crashed, Outcome.Answered, Outcome.Crashed, Outcome.Answered, Outcome.Crashed], outcomes);
        Assert.Equal(6, rig.Server.Requests.Count);
    }

    [Fact]
    public void Whatever_a_server_does_each_request_reaches_it_at_most_once() => Prop.ForAll(
        Gen.Elements("answer", "answer and close", "answer and reset", "close", "reset", "half", "stray", "chunks").ListOf(12).ToArbitrary(),
        Gen.Elements(0, 1, 30, 100_000).ToArbitrary(),
        static (deeds, size) => AtMostOnceAsync(deeds, size).GetAwaiter().GetResult()).Check(Config.QuickThrowOnFailure.WithMaxTest(8));

    [Fact]
    public async Task A_server_that_closes_without_a_word_after_each_answer_serves_every_call()
    {
        // Time stands still: however long the server takes between its answer and the end, it is not trusted.
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Answer);
        }, time: new FakeTime());
        for (var i = 0; i < 100; i++)
        {
            var (reply, body) = await rig.InvokeAsync(UpstreamRig.Call("POST", body: "x"));
            Assert.True(reply.Outcome == Outcome.Answered, $"call {i}: {reply.Error}");
            Assert.Equal("hello", body);
        }
        Assert.Equal(100, rig.Server.Requests.Count);
    }

    [Fact]
    public async Task A_server_that_promises_nothing_is_watched_once_before_its_connection_is_used_again()
    {
        var time = new FakeTime();
        await using var rig = new UpstreamRig(UpstreamRig.Answering(Answer), time: time);
        Assert.Equal("hello", (await rig.InvokeAsync()).Body);
        var second = rig.InvokeAsync();
        Assert.False(second.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(10));
        Assert.Equal("hello", (await second).Body);
        for (var i = 0; i < 10; i++) Assert.Equal("hello", (await rig.InvokeAsync()).Body);
        Assert.Equal(1, rig.Server.Accepted);
        Assert.Equal(12, rig.Server.Requests.Count);
    }

    [Fact]
    public async Task An_idle_connection_that_the_server_has_closed_costs_nothing()
    {
        using var close = new SemaphoreSlim(0);
        using var closed = new SemaphoreSlim(0);
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Answer.Replace("Content", Promise + "Content", StringComparison.Ordinal));
            await close.WaitAsync(RawPeer.Limit);
            peer.Close();
            closed.Release();
        });
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("hello", (await rig.InvokeAsync(UpstreamRig.Call("POST"))).Body);
            close.Release();
            await closed.WaitAsync(RawPeer.Limit);
        }
        Assert.Equal(10, rig.Server.Requests.Count);
    }

    [Fact]
    public async Task Idle_connections_are_ended_after_a_while()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(Answer.Replace("Content", Promise + "Content", StringComparison.Ordinal)));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => rig.InvokeAsync()));
        await Eventually.IsTrueAsync(() => rig.Upstream.OpenConnections == 0);
        Assert.Equal("hello", (await rig.InvokeAsync()).Body);
    }

    [Fact]
    public async Task When_nobody_listens_any_more_the_instance_is_broken()
    {
        RawServer? server = null;
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            server!.Kill();
        });
        server = rig.Server;
        var (reply, _) = await rig.InvokeAsync();
        Assert.Equal((Outcome.Crashed, false), (reply.Outcome, reply.InstanceGoesOn));
        Assert.Contains("accepts no other", reply.Error, StringComparison.Ordinal);

        var (next, _) = await rig.InvokeAsync();
        Assert.Equal((Outcome.Crashed, false), (next.Outcome, next.InstanceGoesOn));
        Assert.Contains(rig.Server.EndPoint.ToString(), next.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_reason_of_an_instances_end_is_what_its_callers_get()
    {
        var arrived = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            arrived.TrySetResult();
            await peer.WaitForEndAsync();
        });
        var call = rig.InvokeAsync();
        await arrived.Task.WaitAsync(RawPeer.Limit);
        rig.Ended.SetResult("the instance ran out of memory (limit 1 MiB) and was killed");
        rig.Upstream.Dispose();
        var (reply, _) = await call;
        Assert.Equal((Outcome.Crashed, "the instance ran out of memory (limit 1 MiB) and was killed"), (reply.Outcome, reply.Error));
        Assert.Equal(Outcome.Crashed, (await rig.InvokeAsync()).Reply.Outcome);
    }

    [Fact]
    public async Task A_server_that_listens_a_little_later_than_it_said_serves_its_first_call()
    {
        var port = FreePort();
        using var upstream = new HttpUpstream(new IPEndPoint(IPAddress.Loopback, port), 1, new TaskCompletionSource<string>().Task, TimeProvider.System);
        var call = upstream.InvokeAsync(UpstreamRig.Call(), default).AsTask();
        await using var server = new RawServer(UpstreamRig.Answering(Answer), port);
        using var reply = await call;
        Assert.Equal(Outcome.Answered, reply.Outcome);
    }

    [Fact]
    public async Task A_body_that_cannot_be_read_is_the_callers_fault_and_never_looks_whole()
    {
        foreach (var (failure, outcome) in (IEnumerable<(Exception, Outcome)>)[(new IOException("the caller stumbled"), Outcome.BadRequest), (new BodyTooLargeException("too much"), Outcome.TooLarge)])
        {
            var seen = new TaskCompletionSource<string>();
            await using var rig = new UpstreamRig(async peer =>
            {
                await peer.ReadHeadAsync();
                var text = new StringBuilder();
                try
                {
                    while (true) text.Append(Encoding.ASCII.GetString(await peer.ReadAsync(1)));
                }
                finally
                {
                    seen.TrySetResult(text.ToString());
                }
            });
            var pipe = new Pipe();
            var call = rig.InvokeAsync(new Invocation { Function = default, CallId = "c", BodyStream = pipe.Reader });
            await pipe.Writer.WriteAsync("half"u8.ToArray());
            await pipe.Writer.CompleteAsync(failure);
            var (reply, _) = await call;
            Assert.Equal((outcome, failure.Message), (reply.Outcome, reply.Error));
            var body = await seen.Task.WaitAsync(RawPeer.Limit);
            Assert.DoesNotContain("0\r\n\r\n", body, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(10), InlineData(1000)]
    public async Task A_body_of_another_length_than_announced_is_refused(int announced)
    {
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.WaitForEndAsync();
        });
        var body = PipeReader.Create(new System.Buffers.ReadOnlySequence<byte>(new byte[100]));
        var (reply, _) = await rig.InvokeAsync(new Invocation { Function = default, CallId = "c", BodyStream = body, BodyLength = announced });
        Assert.Equal(Outcome.BadRequest, reply.Outcome);
    }

    public static int FreePort()
    {
        using var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static async Task EndAsync(RawPeer peer, End end)
    {
        switch (end)
        {
            case End.Close:
                peer.Close();
                break;
            case End.Reset:
                peer.Reset();
                break;
            case End.HalfClose:
                peer.HalfClose();
                await peer.WaitForEndAsync();
                break;
        }
    }

    private static async Task<bool> AtMostOnceAsync(List<string> deeds, int size)
    {
        var turn = 0;
        await using var rig = new UpstreamRig(async peer =>
        {
            while (true)
            {
                await peer.ReadRequestAsync();
                switch (deeds[Interlocked.Increment(ref turn) % deeds.Count])
                {
                    case "answer":
                        await peer.SendAsync(Answer);
                        break;
                    case "answer and close":
                        await peer.SendAsync(Answer);
                        return;
                    case "answer and reset":
                        await peer.SendAsync(Answer);
                        peer.Reset();
                        return;
                    case "reset":
                        peer.Reset();
                        return;
                    case "half":
                        await peer.SendAsync(Answer[..20]);
                        return;
                    case "stray":
                        await peer.SendAsync(Answer + Answer);
                        break;
                    case "chunks":
                        await peer.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
                        await peer.SendAsync("lo\r\n0\r\n\r\n");
                        break;
                    default:
                        return;
                }
            }
        });
        for (var i = 0; i < 20; i++)
        {
            try
            {
                var (reply, body) = await rig.InvokeAsync(UpstreamRig.Call("POST", body: new string('b', size), id: $"call-{i}"));
                if (reply.Outcome == Outcome.Answered ? body != "hello" : reply.Outcome != Outcome.Crashed || !reply.InstanceGoesOn) return false;
            }
            catch (IOException)
            {
                // broken off in the middle of a streamed answer
            }
        }
        var ids = rig.Server.Requests.Select(static head => head[head.IndexOf("X-Call-Id: ", StringComparison.Ordinal)..].Split('\r')[0]).ToList();
        return ids.Count == ids.Distinct().Count() && rig.Upstream.OpenConnections <= 1;
    }
}
