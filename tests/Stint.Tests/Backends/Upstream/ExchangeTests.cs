using System.Text;
using Stint.Invocations;

namespace Stint.Tests.Backends.Upstream;

/// <summary>One exchange after another with a server whose every byte the test decides.</summary>
public sealed class ExchangeTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Calls_one_after_the_other_share_a_connection()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(Ok));
        for (var i = 0; i < 20; i++)
        {
            var (reply, body) = await rig.InvokeAsync(UpstreamRig.Call("POST", body: $"call {i}"));
            Assert.Equal((Outcome.Answered, 200, "ok"), (reply.Outcome, reply.Status, body));
            Assert.Null(reply.Completion);
        }
        Assert.Equal(1, rig.Server.Accepted);
        Assert.Equal(1, rig.Upstream.OpenConnections);
    }

    [Fact]
    public async Task Calls_at_a_time_have_a_connection_each_and_no_more()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(Ok));
        for (var round = 0; round < 50; round++)
            foreach (var (_, body) in await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => rig.InvokeAsync()))) Assert.Equal("ok", body);
        Assert.InRange(rig.Upstream.OpenConnections, 1, 4);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5;x\r\nhello\r\n0\r\nT: 1\r\n\r\n", "hello")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello")]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", "")]
    [InlineData("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "")]
    [InlineData("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "hello")]
    public async Task However_an_answer_is_framed_and_cut_it_arrives_and_the_connection_goes_on(string answer, string expected)
    {
        var bytes = Encoding.ASCII.GetBytes(answer);
        var cut = 0;
        await using var rig = new UpstreamRig(async peer =>
        {
            while (true)
            {
                await peer.ReadRequestAsync();
                var at = cut;
                await peer.SendAsync(bytes.AsMemory(0, at));
                // The client has the thread for a while: two pieces, as a rule.
                await Task.Yield();
                await peer.SendAsync(bytes.AsMemory(at));
            }
        });
        for (cut = 0; cut <= bytes.Length; cut++)
        {
            var (reply, body) = await rig.InvokeAsync();
            Assert.Equal((Outcome.Answered, expected), (reply.Outcome, body));
        }
        Assert.Equal(1, rig.Server.Accepted);
    }

    [Fact]
    public async Task An_answer_byte_by_byte_arrives()
    {
        await using var rig = new UpstreamRig(async peer =>
        {
            while (true)
            {
                await peer.ReadRequestAsync();
                foreach (var b in Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")) await peer.SendAsync(new[] { b });
            }
        });
        for (var i = 0; i < 3; i++) Assert.Equal("hello", (await rig.InvokeAsync()).Body);
        Assert.Equal(1, rig.Server.Accepted);
    }

    [Fact]
    public async Task A_head_answer_has_the_length_and_no_body()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 12345\r\n\r\n"));
        for (var i = 0; i < 3; i++)
        {
            var (reply, body) = await rig.InvokeAsync(UpstreamRig.Call("HEAD"));
            Assert.Equal((Outcome.Answered, "", 12345L), (reply.Outcome, body, reply.Length));
        }
        Assert.Equal(1, rig.Server.Accepted);
    }

    [Fact]
    public async Task A_body_that_ends_with_the_connection_arrives_whole()
    {
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync("HTTP/1.0 200 OK\r\n\r\n");
            await peer.SendAsync(new string('x', 100_000));
        });
        for (var i = 0; i < 3; i++)
        {
            var (reply, body) = await rig.InvokeAsync();
            Assert.Equal(100_000, body.Length);
            Assert.True(await reply.Completion!);
        }
        Assert.Equal(3, rig.Server.Accepted);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")]
    public async Task A_server_that_announces_the_end_gets_a_connection_for_each_call(string answer)
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(answer));
        for (var i = 0; i < 5; i++) Assert.Equal("ok", (await rig.InvokeAsync()).Body);
        Assert.Equal(5, rig.Server.Accepted);
        Assert.Equal(0, rig.Upstream.OpenConnections);
    }

    [Fact]
    public async Task Bytes_behind_an_answer_never_reach_the_next_caller()
    {
        const string poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
        await using var rig = new UpstreamRig(UpstreamRig.Answering(Ok + poison));
        for (var i = 0; i < 20; i++) Assert.Equal("ok", (await rig.InvokeAsync()).Body);

        // The same a moment later, while the connection is idle.
        using var received = new SemaphoreSlim(0);
        using var poisoned = new SemaphoreSlim(0);
        await using var late = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync(Ok);
            await received.WaitAsync(RawPeer.Limit);
            await peer.SendAsync(poison);
            poisoned.Release();
            await peer.WaitForEndAsync();
        });
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("ok", (await late.InvokeAsync()).Body);
            received.Release();
            await poisoned.WaitAsync(RawPeer.Limit);
        }
        Assert.Equal(20, late.Server.Accepted);
    }

    [Fact]
    public async Task A_body_behind_the_answer_to_head_is_not_taken_for_the_next_answer()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(Ok));
        for (var i = 0; i < 5; i++) Assert.Equal("", (await rig.InvokeAsync(UpstreamRig.Call("HEAD"))).Body);
        Assert.Equal("ok", (await rig.InvokeAsync()).Body);
    }

    [Fact]
    public async Task Headers_that_repeat_stay_apart()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"));
        var (reply, _) = await rig.InvokeAsync();
        Assert.Equal(["a=1", "b=2"], reply.Headers.Where(static header => header.Key == "Set-Cookie").Select(static header => header.Value));
    }

    [Theory]
    [InlineData("nonsense\r\n\r\n", "status line")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "Content-Length")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "101")]
    public async Task What_is_no_http_costs_the_call_and_the_connection_but_not_the_instance(string answer, string reason)
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(answer));
        var (reply, _) = await rig.InvokeAsync();
        Assert.Equal((Outcome.ContractBroken, true), (reply.Outcome, reply.InstanceGoesOn));
        Assert.Contains(reason, reply.Error, StringComparison.Ordinal);
        Assert.Equal(0, rig.Upstream.OpenConnections);
    }

    [Fact]
    public async Task A_head_or_interim_answers_without_end_are_refused()
    {
        await using var head = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync("HTTP/1.1 200 OK\r\n");
            while (true) await peer.SendAsync("A: " + new string('x', 1000) + "\r\n");
        });
        Assert.Contains("64", (await head.InvokeAsync()).Reply.Error!.Replace("65536", "64", StringComparison.Ordinal), StringComparison.Ordinal);

        await using var interim = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            while (true) await peer.SendAsync("HTTP/1.1 102 Processing\r\n\r\n");
        });
        Assert.Contains("interim", (await interim.InvokeAsync()).Reply.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_that_http_cannot_say_opens_no_connection()
    {
        await using var rig = new UpstreamRig(UpstreamRig.Answering(Ok));
        var (reply, _) = await rig.InvokeAsync(UpstreamRig.Call(path: "/a b"));
        Assert.Equal(Outcome.BadRequest, reply.Outcome);
        Assert.Equal(0, rig.Server.Accepted);
    }
}
