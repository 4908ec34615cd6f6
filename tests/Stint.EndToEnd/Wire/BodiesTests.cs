using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wire;

/// <summary>Bodies of all sizes, both ways, and a daemon that never holds a large one.</summary>
public sealed class BodiesTests(WireDaemon shared) : IClassFixture<WireDaemon>
{
    private const int MiB = 1024 * 1024;

    private StintDaemon Daemon => shared.Daemon;

    [Theory]
    [InlineData(1), InlineData(64 * 1024 - 1), InlineData(64 * 1024), InlineData(64 * 1024 + 1), InlineData(MiB), InlineData(16 * MiB)]
    public async Task A_body_comes_back_as_it_was_sent(int size)
    {
        var body = RandomNumberGenerator.GetBytes(size);
        using var answer = await Daemon.Http.PostAsync("echo", new ByteArrayContent(body));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True((await answer.Content.ReadAsByteArrayAsync()).AsSpan().SequenceEqual(body));
    }

    [Fact]
    public async Task A_large_body_over_http2_comes_back_as_it_was_sent()
    {
        var body = RandomNumberGenerator.GetBytes(4 * MiB);
        using var request = new HttpRequestMessage(HttpMethod.Post, "echo") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new ByteArrayContent(body) };
        using var answer = await Daemon.Http.SendAsync(request);
        Assert.True((await answer.Content.ReadAsByteArrayAsync()).AsSpan().SequenceEqual(body));
    }

    [Fact]
    public async Task Bodies_in_both_directions_pass_through_a_daemon_whose_memory_is_bounded()
    {
        // Warm: code is compiled, pools of buffers are filled.
        await SendAsync(MiB);
        await ReceiveAsync(MiB);
        var before = Daemon.StatusKiB("VmHWM");
        for (var round = 0; round < 4; round++) Assert.Equal($"{30 * MiB}", (await SendAsync(30 * MiB)).Trim());
        Assert.Equal(256L * MiB, await ReceiveAsync(256 * MiB));
        Assert.InRange(Daemon.StatusKiB("VmHWM") - before, 0, 24 * 1024); // less than one of those bodies
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_413_before_it_is_sent()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync($"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: {(WireDaemon.MaxBodyMiB * (long)MiB) + 1}\r\nExpect: 100-continue\r\n\r\n");
        var text = await client.ReadUntilAsync("\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chunked_body_beyond_the_limit_is_413()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync("POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        var chunk = new byte[MiB];
        try
        {
            for (var n = 0; n <= WireDaemon.MaxBodyMiB; n++)
            {
                await client.SendAsync($"{MiB:x}\r\n");
                await client.SendAsync(chunk);
                await client.SendAsync("\r\n");
            }
        }
        catch (System.Net.Sockets.SocketException)
        {
            // It may close before the last byte is sent.
        }
        Assert.StartsWith("HTTP/1.1 413", await client.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        Assert.Equal((200, "3\n"), await Daemon.CallAsync("count", "abc"));
    }

    [Fact]
    public async Task A_client_that_reads_slowly_holds_up_nobody_else_and_gets_everything()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "source") { Content = new StringContent($"{8 * MiB}") };
        using var answer = await Daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using var body = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[64 * 1024];
        var total = 0L;
        for (var n = 0; n < 20; n++)
        {
            total += await body.ReadAsync(buffer);
            Assert.Equal((200, "x"), await Daemon.CallAsync("echo", "x"));
        }
        while (await body.ReadAsync(buffer) is > 0 and var count) total += count;
        Assert.Equal(8L * MiB, total);
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_middle_of_its_body_costs_nothing_but_its_own_call()
    {
        for (var round = 0; round < 5; round++)
        {
            await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
            await client.SendAsync($"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * MiB}\r\n\r\n");
            await client.SendAsync(new byte[MiB]);
        }
        Assert.Equal((200, "3\n"), await Daemon.CallAsync("count", "abc"));
        await IdleAsync("count");
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_middle_of_the_answer_frees_the_instance()
    {
        for (var round = 0; round < 5; round++)
        {
            await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
            await client.SendAsync($"POST /source HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n100000000");
            await client.ReadUntilAsync("HTTP/1.1 200");
        }
        Assert.Equal((200, "\0\0\0"), await Daemon.CallAsync("source", "3"));
        await IdleAsync("source");
    }

    [Fact]
    public async Task A_client_that_leaves_before_the_answer_is_counted_and_its_function_goes_on_serving()
    {
        await using (var client = await RawHttp.ConnectAsync(Daemon.HttpPort))
        {
            await client.SendAsync("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n0.5");
            await Retry.UntilAsync("the call runs", async () => (await Daemon.DescribeAsync("slow")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        }
        Assert.Equal((200, "done"), await Daemon.CallAsync("slow", "0"));
        Assert.Contains("stint_requests_total{function=\"slow\",code=\"499\"} 1", await Daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
    }

    private Task IdleAsync(string name) =>
        Retry.UntilAsync($"{name} is idle again", async () => (await Daemon.DescribeAsync(name)).GetProperty("instances").GetProperty("busy").GetInt32() == 0);

    private async Task<string> SendAsync(int size)
    {
        using var content = new StreamContent(new MemoryStream(new byte[size]));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        using var answer = await Daemon.Http.PostAsync("count", content);
        return await answer.Content.ReadAsStringAsync();
    }

    private async Task<long> ReceiveAsync(int size)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "source") { Content = new StringContent($"{size}") };
        using var answer = await Daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using var body = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[256 * 1024];
        var total = 0L;
        while (await body.ReadAsync(buffer) is > 0 and var count) total += count;
        return total;
    }
}
