using System.Net;
using System.Text;

namespace Stint.Watchdog.Tests.Running;

public sealed class ForkingTests
{
    [Theory]
    [InlineData("")]
    [InlineData("streaming")]
    [InlineData("serializing")]
    public async Task A_body_goes_in_and_the_output_comes_back(string mode)
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("mode", mode));
        using var reply = await watchdog.Client.PostAsync("/", new StringContent("hello", Encoding.UTF8, "text/x-mine"));
        Assert.Equal(HttpStatusCode.OK, reply.StatusCode);
        Assert.Equal("text/x-mine; charset=utf-8", reply.Content.Headers.ContentType!.ToString());
        Assert.True(reply.Headers.Contains("X-Duration-Seconds"));
        Assert.Equal("hello", await reply.Content.ReadAsStringAsync());
        Assert.Equal("", await watchdog.Client.GetStringAsync("/"));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("", true)]
    [InlineData("streaming", false)]
    [InlineData("streaming", true)]
    [InlineData("serializing", false)]
    [InlineData("serializing", true)]
    public async Task Large_bodies_arrive_whole_in_both_directions(string mode, bool chunked)
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("mode", mode), ("read_timeout", "60"), ("write_timeout", "60"), ("exec_timeout", "60"));
        var body = new string('~', 7_654_321);
        // Sent and read at the same time: what streams comes back before all of it has been sent, and would else fill every buffer on the way.
        using var client = await watchdog.ConnectAsync();
        var sending = client.SendAsync(chunked
            ? $"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{body.Length:x}\r\n{body}\r\n0\r\n\r\n"
            : $"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        var answer = await client.ToEndAsync();
        await sending;
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.Equal(body.Length, answer.Count(static c => c == '~'));
        if (answer.Contains("\r\nTransfer-Encoding: chunked\r\n", StringComparison.Ordinal)) Assert.EndsWith("\r\n0\r\n\r\n", answer, StringComparison.Ordinal);
        Assert.Equal("again", await (await watchdog.Client.PostAsync("/", new StringContent("again"))).Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task The_request_is_in_the_environment_and_cannot_pretend()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "env"));
        using var request = new HttpRequestMessage(HttpMethod.Put, "/a%20b/c?x=1&y=%20") { Content = new StringContent("12345") };
        foreach (var (name, value) in new[] { ("x-call-id", "id 1"), ("Method", "EVIL"), ("Path", "/evil"), ("X_User", "admin"), ("Proxy", "evil"), ("X.Dot", "1"), ("Query", "evil") })
            request.Headers.TryAddWithoutValidation(name, value);
        var lines = (await (await watchdog.Client.SendAsync(request)).Content.ReadAsStringAsync()).Split('\n');
        Assert.Equal(
            ["Http_ContentLength=5", "Http_Content_Length=5", "Http_Content_Type=text/plain; charset=utf-8", $"Http_Host=127.0.0.1:{watchdog.Port}", "Http_Method=PUT", "Http_Path=/a b/c", "Http_Query=x=1&y=%20", "Http_X_Call_Id=id 1"],
            lines.Where(static line => line.StartsWith("Http_", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains(lines, static line => line.StartsWith("WATCHDOG_TEST=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Chunks_have_no_length_in_the_environment()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "env"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StringContent("x") };
        request.Headers.TransferEncodingChunked = true;
        var text = await (await watchdog.Client.SendAsync(request)).Content.ReadAsStringAsync();
        Assert.Contains("Http_Content_Length=-1\n", text, StringComparison.Ordinal);
        Assert.Contains("Http_Transfer_Encoding=chunked\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_cgi_headers_the_environment_is_the_watchdogs_own()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "env"), ("cgi_headers", "false"));
        Assert.DoesNotContain("Http_", await watchdog.Client.GetStringAsync("/x"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_path_that_no_variable_can_hold_is_400()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("GET /a%00b HTTP/1.1\r\nHost: h\r\n\r\nGET /%zz HTTP/1.1\r\nHost: h\r\n\r\nGET /ok HTTP/1.1\r\nHost: h\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", await client.UntilAsync("%00.\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400 ", await client.UntilAsync("%00.\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 ", await client.UntilAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("serializing")]
    public async Task A_process_that_fails_is_500_with_its_words(string mode)
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "echo out; exit 3")), ("mode", mode));
        using var reply = await watchdog.Client.PostAsync("/", new StringContent("x"));
        Assert.Equal(HttpStatusCode.InternalServerError, reply.StatusCode);
        Assert.Equal("exit status 3\nout\n", await reply.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_process_that_crashes_is_500_and_its_signal_is_named()
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "kill -SEGV $$")));
        using var reply = await watchdog.Client.GetAsync("/");
        Assert.Equal(HttpStatusCode.InternalServerError, reply.StatusCode);
        Assert.Equal("signal: segmentation fault\n", await reply.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_streamed_answer_that_fails_half_way_does_not_look_whole()
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "echo half; read go; exit 1")), ("mode", "streaming"), ("exec_timeout", "0"), ("write_timeout", "0"), ("read_timeout", "0"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", await client.UntilAsync("half\n"), StringComparison.Ordinal);
        await client.SendAsync("3\r\ngo\n\r\n0\r\n\r\n");
        Assert.DoesNotContain("0\r\n\r\n", await client.ToEndAsync(), StringComparison.Ordinal);
        await RunningWatchdog.UntilAsync("the log says it", () => watchdog.Log.Contains("an answer was cut off after 5 bytes: exit status 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_missing_program_is_500_and_is_named()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "no-such-program"));
        using var reply = await watchdog.Client.GetAsync("/");
        Assert.Equal(HttpStatusCode.InternalServerError, reply.StatusCode);
        Assert.Equal("of-watchdog", reply.Headers.GetValues("X-OpenFaaS-Internal").Single());
        Assert.Contains("\"no-such-program\"", await reply.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("true", "out\nerr\n")]
    [InlineData("false", "out\n")]
    public async Task Standard_error_is_in_the_answer_or_in_the_log(string combine, string answer)
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "echo out; echo err >&2")), ("combine_output", combine));
        Assert.Equal(answer, await watchdog.Client.GetStringAsync("/"));
        if (combine == "false") await RunningWatchdog.UntilAsync("the log has it", () => watchdog.Log.Contains(" stderr: err\n", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("streaming")]
    [InlineData("serializing")]
    public async Task Exec_timeout_kills_the_process_and_what_it_started(string mode)
    {
        var folder = RunningWatchdog.NewFolder();
        // It ignores SIGTERM, and so does what it starts.
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "trap '' TERM; sleep 600 & sleep 600")), ("mode", mode), ("exec_timeout", "300ms"), ("write_timeout", "60"));
        using var reply = await watchdog.Client.GetAsync("/");
        Assert.Equal(HttpStatusCode.GatewayTimeout, reply.StatusCode);
        Assert.Contains("exec_timeout (300ms)", await reply.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await RunningWatchdog.UntilAsync("nothing is left running", () => watchdog.Children() == 0);
    }

    [Fact]
    public async Task Write_timeout_ends_a_call_too()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "sleep 600"), ("write_timeout", "300ms"));
        using var reply = await watchdog.Client.GetAsync("/");
        Assert.Equal(HttpStatusCode.GatewayTimeout, reply.StatusCode);
        Assert.Contains("write_timeout (300ms)", await reply.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_process_leaves_running_does_not_hold_its_answer()
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "(while [ ! -e stop ]; do sleep 0.1; done) & echo done")));
        Assert.Equal("done\n", await watchdog.Client.GetStringAsync("/"));
        Assert.NotEqual(0, watchdog.Children());
        File.WriteAllText(Path.Combine(folder, "stop"), "");
        await RunningWatchdog.UntilAsync("it has ended", () => watchdog.Children() == 0);
    }

    [Fact]
    public async Task A_process_that_does_not_read_its_input_is_no_error()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "echo enough"), ("read_timeout", "60"));
        using var reply = await watchdog.Client.PostAsync("/", new ByteArrayContent(new byte[1_000_000]));
        Assert.Equal("enough\n", await reply.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Variables_that_are_too_large_are_500_and_say_so()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync($"GET /?{new string('q', 200_000)} HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 500 ", await client.UntilAsync("E2BIG"), StringComparison.Ordinal);
        await client.UntilAsync("HTTP/1.1 200 ");
    }

    [Theory]
    [InlineData("")]
    [InlineData("streaming")]
    public async Task Output_comes_while_the_process_still_runs(string mode)
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "echo first; while [ ! -e go ]; do sleep 0.05; done; echo second")), ("mode", mode), ("exec_timeout", "0"), ("write_timeout", "0"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        Assert.Contains("Transfer-Encoding: chunked", await client.UntilAsync("first\n"), StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "go"), "");
        Assert.EndsWith("second\n\r\n0\r\n\r\n", await client.ToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Marshalled_requests_are_JSON()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("marshal_request", "true"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new ByteArrayContent([0, 255]) };
        request.Headers.Add("x-list", ["a\"b", "c"]);
        using var json = System.Text.Json.JsonDocument.Parse(await (await watchdog.Client.SendAsync(request)).Content.ReadAsStringAsync());
        Assert.Equal("AP8=", json.RootElement.GetProperty("body").GetProperty("raw").GetString());
        Assert.Equal("a\"b, c", json.RootElement.GetProperty("header").GetProperty("X-List")[0].GetString());
        Assert.Equal("2", json.RootElement.GetProperty("header").GetProperty("Content-Length")[0].GetString());
    }

    [Fact]
    public async Task What_is_kept_in_memory_has_a_bound()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("mode", "serializing"), ("buffer_limit", "100000"));
        using var large = await watchdog.Client.PostAsync("/", new ByteArrayContent(new byte[100_001]));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        using var right = await watchdog.Client.PostAsync("/", new ByteArrayContent(new byte[99_999]));
        Assert.Equal(99_999, (await right.Content.ReadAsByteArrayAsync()).Length);

        await using var flood = await RunningWatchdog.StartAsync(("fprocess", "cat /dev/zero"), ("mode", "serializing"), ("buffer_limit", "100000"));
        using var reply = await flood.Client.GetAsync("/");
        Assert.Equal(HttpStatusCode.InternalServerError, reply.StatusCode);
        Assert.Contains("buffer_limit", await reply.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forced_content_type_wins()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("content_type", "application/json"));
        using var reply = await watchdog.Client.PostAsync("/", new StringContent("{}"));
        Assert.Equal("application/json", reply.Content.Headers.ContentType!.ToString());
    }

    [Fact]
    public async Task Many_calls_at_a_time_leave_no_descriptors_and_no_processes()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("combine_output", "false"));
        async Task CallAsync(int i)
        {
            using var reply = await watchdog.Client.PostAsync("/", new StringContent($"body {i}"));
            Assert.Equal($"body {i}", await reply.Content.ReadAsStringAsync());
        }
        await CallAsync(0);
        for (var round = 0; round < 10; round++) await Task.WhenAll(Enumerable.Range(0, 20).Select(CallAsync));
        // What connections hold is gone with them.
        watchdog.Client.Dispose();
        var descriptors = $"/proc/{watchdog.Id}/fd";
        await RunningWatchdog.UntilAsync("no pipes and pidfds are left", () => !Directory.GetFiles(descriptors).Any(static file => Target(file).StartsWith("anon_inode:[pidfd]", StringComparison.Ordinal)));
        await RunningWatchdog.UntilAsync("no clients are left", () => Directory.GetFiles(descriptors).Count(static file => Target(file).StartsWith("socket:", StringComparison.Ordinal)) <= 4);
        Assert.Equal(0, watchdog.Children());
    }

    private static string Target(string link) => new FileInfo(link).LinkTarget ?? "";
}
