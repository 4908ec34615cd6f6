using System.Net;
using System.Net.Sockets;

namespace Stint.Watchdog.Tests.Running;

public sealed class ConnectionTests
{
    [Fact]
    public async Task Requests_on_one_connection_are_answered_in_order()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync(string.Concat(Enumerable.Range(0, 5).Select(static i => $"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n{i}")));
        for (var i = 0; i < 5; i++) Assert.EndsWith($"\r\n\r\n{i}", await client.UntilAsync($"\r\n\r\n{i}"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_has_stopped_sending_still_gets_its_answer()
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "sleep 0.2; echo late")));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        client.Socket.Shutdown(SocketShutdown.Send);
        Assert.EndsWith("late\n", await client.ToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_is_gone_ends_its_process()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "sleep 600"), ("write_timeout", "0"));
        using (var client = await watchdog.ConnectAsync())
        {
            await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            await RunningWatchdog.UntilAsync("the process runs", () => watchdog.Children() == 1);
            client.Socket.LingerState = new LingerOption(true, 0); // closing resets
        }
        await RunningWatchdog.UntilAsync("the process has ended", () => watchdog.Children() == 0);
    }

    [Fact]
    public async Task A_slow_head_and_a_slow_body_are_408()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("read_timeout", "300ms"));
        using var head = await watchdog.ConnectAsync();
        await head.SendAsync("GET / HT");
        Assert.StartsWith("HTTP/1.1 408 ", await head.ToEndAsync(), StringComparison.Ordinal);
        using var body = await watchdog.ConnectAsync();
        await body.SendAsync("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345");
        Assert.StartsWith("HTTP/1.1 408 ", await body.ToEndAsync(), StringComparison.Ordinal);
        Assert.Equal(0, watchdog.Children());
        using var idle = await watchdog.ConnectAsync();
        Assert.Equal("", await idle.ToEndAsync());
    }

    [Fact]
    public async Task A_body_that_breaks_off_does_not_look_whole_to_a_streaming_process()
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "echo started > begun; cat > /dev/null; echo whole > finished")), ("mode", "streaming"), ("exec_timeout", "0"));
        using (var client = await watchdog.ConnectAsync())
        {
            await client.SendAsync("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            await RunningWatchdog.UntilAsync("the process runs", () => File.Exists(Path.Combine(folder, "begun")));
            client.Socket.Shutdown(SocketShutdown.Send);
            await client.ToEndAsync();
        }
        await RunningWatchdog.UntilAsync("the process has ended", () => watchdog.Children() == 0);
        Assert.False(File.Exists(Path.Combine(folder, "finished")));
    }

    [Fact]
    public async Task A_head_of_more_than_1_MiB_is_431()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        using var client = await watchdog.ConnectAsync();
        var sending = Task.Run(async () =>
        {
            try
            {
                for (var i = 0; i < 40; i++) await client.SendAsync(i == 0 ? "GET / HTTP/1.1\r\nHost: h\r\nX: " : new string('x', 65536));
            }
            catch (SocketException)
            {
                // It does not have to listen to the end.
            }
        });
        await client.UntilAsync("HTTP/1.1 431 ");
        await sending;
    }

    [Fact]
    public async Task What_is_not_HTTP_is_400_and_the_connection_ends()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("\u0016\u0003\u0001\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", await client.UntilAsync("request.\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_old_client_gets_an_answer_that_ends_with_the_connection()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "head -c 300000 /dev/zero"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.0\r\n\r\n");
        var answer = await client.ToEndAsync();
        Assert.DoesNotContain("chunked", answer, StringComparison.Ordinal);
        Assert.Equal(300_000, answer.Length - answer.IndexOf("\r\n\r\n", StringComparison.Ordinal) - 4);
    }

    [Fact]
    public async Task HEAD_has_no_body()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "echo hello"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        Assert.Contains("Content-Length: 6\r\n", await client.UntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await client.UntilAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_asks_first_is_told_to_go_on()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await client.UntilAsync("\r\n\r\n"));
        await client.SendAsync("hello");
        await client.UntilAsync("\r\n\r\nhello");
    }

    [Fact]
    public async Task More_than_max_inflight_is_429()
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "while [ ! -e go ]; do sleep 0.05; done")), ("max_inflight", "1"), ("write_timeout", "0"));
        var first = watchdog.Client.GetAsync("/");
        await RunningWatchdog.UntilAsync("the first call runs", () => watchdog.Children() > 0);
        using var second = await watchdog.Client.GetAsync("/");
        Assert.Equal(HttpStatusCode.TooManyRequests, second.StatusCode);
        Assert.Equal("Concurrent request limit exceeded. Max concurrent requests: 1\n", await second.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.TooManyRequests, (await watchdog.Client.GetAsync("/_/ready")).StatusCode);
        File.WriteAllText(Path.Combine(folder, "go"), "");
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await watchdog.Client.GetAsync("/_/ready")).StatusCode);
    }
}
