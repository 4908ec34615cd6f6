using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wire;

/// <summary>What of a request reaches the function, and what of its answer reaches the caller.</summary>
public sealed class RequestsTests(WireDaemon shared) : IClassFixture<WireDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Theory]
    [InlineData("GET"), InlineData("POST"), InlineData("PUT"), InlineData("PATCH"), InlineData("DELETE"), InlineData("OPTIONS"), InlineData("PURGE")]
    public async Task Every_method_reaches_the_function(string method)
    {
        var seen = await ShowAsync(new HttpRequestMessage(new HttpMethod(method), "show"));
        Assert.Equal(method, seen.GetProperty("method").GetString());
        Assert.Equal(JsonValueKind.Null, seen.GetProperty("body").ValueKind);
    }

    [Theory]
    [InlineData("show", "/", "")]
    [InlineData("show/", "/", "")]
    [InlineData("show/a/b%20c/%C3%A4", "/a/b%20c/%C3%A4", "")]
    [InlineData("show/a?x=1&y=%26", "/a", "x=1&y=%26")]
    [InlineData("show?q", "/", "q")]
    [InlineData("//show/a", "/a", "")]
    public async Task The_rest_of_the_path_and_the_query_are_passed_on(string target, string path, string query)
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync($"GET /{target.TrimStart('/')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        var text = await client.ReadToEndAsync();
        var seen = JsonDocument.Parse(text[(text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4)..]).RootElement;
        Assert.Equal(path, seen.GetProperty("path").GetString());
        Assert.Equal(query, seen.GetProperty("query").GetString());
    }

    [Fact]
    public async Task Headers_reach_the_function_in_canonical_capitals_and_those_of_the_connection_do_not()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "show");
        request.Headers.Add("lab", "42");
        request.Headers.Add("USER-agent", "me/1");
        request.Headers.Add("x-umlaut", "plain");
        request.Headers.Add("Cookie", ["a=1", "b=2"]);
        request.Headers.Connection.Add("keep-alive");
        var headers = (await ShowAsync(request)).GetProperty("headers");
        Assert.Equal("42", headers.GetProperty("Lab").GetString());
        Assert.Equal("me/1", headers.GetProperty("User-Agent").GetString());
        Assert.Equal("plain", headers.GetProperty("X-Umlaut").GetString());
        Assert.False(headers.TryGetProperty("Connection", out _));
        Assert.False(headers.TryGetProperty("Transfer-Encoding", out _));
    }

    [Fact]
    public async Task A_function_decides_about_status_and_headers()
    {
        using var answer = await Daemon.Http.GetAsync("teapot");
        Assert.Equal(418, (int)answer.StatusCode);
        Assert.Equal("on", answer.Headers.GetValues("X-Kettle").Single());
        Assert.Equal("text/teapot", answer.Content.Headers.ContentType!.ToString());
        Assert.Equal("short and stout", await answer.Content.ReadAsStringAsync());
        Assert.False(answer.Headers.ConnectionClose ?? false);
    }

    [Fact]
    public async Task Http2_with_prior_knowledge_is_spoken_on_the_same_port()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "show/deep?x=1") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StringContent("over h2c") };
        request.Headers.Add("lab", "7");
        using var answer = await Daemon.Http.SendAsync(request);
        Assert.Equal(HttpVersion.Version20, answer.Version);
        var seen = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal("over h2c", seen.GetProperty("body").GetString());
        Assert.Equal("/deep", seen.GetProperty("path").GetString());
        Assert.Equal("7", seen.GetProperty("headers").GetProperty("Lab").GetString());
    }

    [Fact]
    public async Task Many_streams_of_one_http2_connection_are_answered()
    {
        using var handler = new SocketsHttpHandler { UseProxy = false, EnableMultipleHttp2Connections = false };
        using var client = new HttpClient(handler) { BaseAddress = Daemon.Http.BaseAddress, DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(async n => await (await client.PostAsync("echo", new StringContent($"{n}"))).Content.ReadAsStringAsync()));
        Assert.Equal(Enumerable.Range(0, 50).Select(static n => $"{n}"), answers);
    }

    [Theory]
    [InlineData("127.0.0.1"), InlineData("[::1]"), InlineData("localhost")]
    public async Task Both_families_are_served(string host)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        Assert.Equal("x", await (await client.PostAsync($"http://{host}:{Daemon.HttpPort}/echo", new StringContent("x"))).Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_connection_is_kept_for_further_requests()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        for (var n = 1; n <= 3; n++)
        {
            await client.SendAsync($"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nbody{n}");
            await client.ReadUntilAsync($"body{n}");
        }
    }

    [Fact]
    public async Task Pipelined_requests_are_answered_in_order()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync(string.Concat(Enumerable.Range(1, 5).Select(static n => $"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n#{n}")));
        var text = await client.ReadUntilAsync("#5");
        Assert.Equal(["#1", "#2", "#3", "#4", "#5"], Enumerable.Range(1, 5).Select(static n => $"#{n}").OrderBy(mark => text.IndexOf(mark, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_chunked_body_reaches_the_function()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nchunk-\r\n");
        await client.SendAsync("4\r\nbody\r\n0\r\n\r\n");
        Assert.EndsWith("\r\n\r\nchunk-body", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_waits_for_100_continue_gets_it()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 7\r\nConnection: close\r\n\r\n");
        await client.ReadUntilAsync("100 Continue");
        await client.SendAsync("awaited");
        Assert.EndsWith("awaited", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Head_has_the_headers_and_no_body()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync("HEAD /teapot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        var text = await client.ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 418", text, StringComparison.Ordinal);
        Assert.Contains("X-Kettle: on", text, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/pieces")]
    [InlineData("/pieces/broken")]
    public async Task The_next_request_after_head_neither_waits_for_a_body_that_nobody_is_sent_nor_is_lost_with_it(string target)
    {
        // Its one instance is free again each time.
        for (var n = 0; n < 5; n++)
        {
            await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
            await client.SendAsync($"HEAD {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            Assert.StartsWith("HTTP/1.1 200", await client.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
            await client.SendAsync("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nnext");
            Assert.DoesNotContain("begun", await client.ReadUntilAsync("next"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_client_that_sends_byte_by_byte_is_served()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        foreach (var letter in "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nslow") await client.SendAsync(letter.ToString());
        Assert.EndsWith("slow", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_http_1_0_client_is_served()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync("POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nold");
        Assert.EndsWith("old", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003")]
    [InlineData("GARBAGE\r\n\r\n")]
    [InlineData("GET / HTTP/9.9\r\n\r\n")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense nonsense nonsense")]
    [InlineData("GET /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef")]
    [InlineData("GET /echo HTTP/1.1\r\nno colon\r\n\r\n")]
    public async Task Garbage_on_the_port_ends_its_own_connection_only(string bytes)
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync(bytes);
        client.EndSending();
        Assert.DoesNotContain(" 200 ", await client.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.Equal((200, "fine"), await Daemon.CallAsync("echo", "fine"));
    }

    [Fact]
    public async Task Oversized_headers_are_refused()
    {
        await using var client = await RawHttp.ConnectAsync(Daemon.HttpPort);
        await client.SendAsync($"GET /echo HTTP/1.1\r\nHost: x\r\nX-Large: {new string('x', 40_000)}\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 431", await client.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_id_of_the_caller_is_kept()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "show");
        request.Headers.Add("X-Call-Id", "abc-123");
        Assert.Equal("abc-123", (await ShowAsync(request)).GetProperty("call").GetString());
    }

    [Fact]
    public async Task An_asynchronous_call_is_accepted_with_an_id_and_really_runs()
    {
        await Daemon.DeployPythonAsync("later", "def fn(input, headers):\n    print('ran with ' + input)\n");
        using var request = new HttpRequestMessage(HttpMethod.Post, "later") { Content = new StringContent("payload-77") };
        request.Headers.Add("X-tinyFaaS-Async", "");
        using var answer = await Daemon.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal("", await answer.Content.ReadAsStringAsync());
        Assert.NotEmpty(answer.Headers.GetValues("X-Call-Id").Single());
        await Retry.UntilAsync("the call ran", async () => (await Daemon.LogsAsync("later")).Contains("ran with payload-77", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_asynchronous_call_to_nobody_is_404_and_one_that_fails_is_in_the_log()
    {
        using var lost = new HttpRequestMessage(HttpMethod.Post, "nobody") { Headers = { { "X-tinyFaaS-Async", "1" } } };
        Assert.Equal(HttpStatusCode.NotFound, (await Daemon.Http.SendAsync(lost)).StatusCode);
        await Daemon.DeployPythonAsync("latefail", "def fn(input, headers):\n    raise ValueError('too late')\n");
        using var failing = new HttpRequestMessage(HttpMethod.Post, "latefail") { Headers = { { "X-tinyFaaS-Async", "1" } } };
        Assert.Equal(HttpStatusCode.Accepted, (await Daemon.Http.SendAsync(failing)).StatusCode);
        await Retry.UntilAsync("the failure is logged", async () => (await Daemon.LogsAsync("latefail")).Contains("asynchronous call", StringComparison.Ordinal));
    }

    private async Task<JsonElement> ShowAsync(HttpRequestMessage request)
    {
        using var answer = await Daemon.Http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        Assert.Equal(new MediaTypeHeaderValue("application/json").MediaType, answer.Content.Headers.ContentType!.MediaType);
        return JsonDocument.Parse(text).RootElement;
    }
}
