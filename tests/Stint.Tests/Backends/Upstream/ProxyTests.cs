using System.Net;
using Microsoft.AspNetCore.Http;
using Stint.Functions;
using Stint.Ingress.Http;

namespace Stint.Tests.Backends.Upstream;

/// <summary>Requests through the whole daemon's way to a real web server and back.</summary>
public sealed class ProxyTests
{
    [Fact]
    public async Task What_the_caller_asks_is_what_the_server_gets()
    {
        await using var rig = await ProxyRig.StartAsync(static async context =>
        {
            var headers = string.Join('\n', context.Request.Headers.OrderBy(static header => header.Key, StringComparer.Ordinal).Select(static header => $"{header.Key}: {header.Value}"));
            var target = context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget;
            await context.Response.WriteAsync($"{context.Request.Method} {target}\n{headers}\n\n{await new StreamReader(context.Request.Body).ReadToEndAsync()}");
        });
        using var request = new HttpRequestMessage(HttpMethod.Put, "f/a%20b/%2F..;x?y=%2b&y=2#") { Content = new StringContent("body") };
        request.Headers.Host = "example.com";
        request.Headers.Add("X-Call-Id", "my-call");
        request.Headers.Add("X-Forwarded-For", "6.6.6.6");
        request.Headers.Add("X-Gone", "1");
        request.Headers.Add("X-Many", ["1", "2"]);
        request.Headers.Connection.Add("X-Gone");
        using var answer = await rig.Http.SendAsync(request);
        Assert.Equal(
            """
            PUT /a%20b/%2F..;x?y=%2b&y=2
            Content-Length: 4
            Content-Type: text/plain; charset=utf-8
            Forwarded: for=127.0.0.1;host="example.com";proto=http
            Host: example.com
            X-Call-Id: my-call
            X-Forwarded-For: 127.0.0.1
            X-Forwarded-Host: example.com
            X-Forwarded-Proto: http
            X-Many: 1, 2

            body
            """, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_trusted_proxys_word_is_passed_on()
    {
        await using var rig = await ProxyRig.StartAsync(static context => context.Response.WriteAsync($"{context.Request.Headers["X-Forwarded-For"]} {context.Request.Headers["X-Forwarded-Proto"]}"),
            trusted: new TrustedProxies([IPNetwork.Parse("127.0.0.0/8")]));
        using var request = new HttpRequestMessage(HttpMethod.Get, "f") { Headers = { { "X-Forwarded-For", "192.0.2.1" }, { "X-Forwarded-Proto", "https" } } };
        using var answer = await rig.Http.SendAsync(request);
        Assert.Equal("192.0.2.1, 127.0.0.1 https", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task What_the_server_answers_is_what_the_caller_gets()
    {
        await using var rig = await ProxyRig.StartAsync(static async context =>
        {
            context.Response.StatusCode = 418;
            context.Response.Headers.SetCookie = new(["a=1", "b=2"]);
            context.Response.Headers["X-Umlaut"] = "x";
            context.Response.Headers["X-Gone"] = "1";
            context.Response.Headers.Connection = "X-Gone";
            context.Response.Headers.Server = "theirs";
            context.Response.Headers.Date = "Thu, 01 Jan 1970 00:00:00 GMT";
            await context.Response.WriteAsync("teapot");
        });
        using var answer = await rig.Http.GetAsync("f");
        Assert.Equal(418, (int)answer.StatusCode);
        Assert.Equal(["a=1", "b=2"], answer.Headers.GetValues("Set-Cookie"));
        Assert.Equal("theirs", answer.Headers.Server.ToString());
        Assert.Equal("Thu, 01 Jan 1970 00:00:00 GMT", Assert.Single(answer.Headers.NonValidated["Date"]));
        Assert.False(answer.Headers.Contains("X-Gone"));
        Assert.Equal("teapot", await answer.Content.ReadAsStringAsync());
    }

    [Theory]
    [InlineData(true, 12345L), InlineData(false, null)]
    public async Task Head_says_the_length_that_get_would_have(bool says, long? length)
    {
        await using var rig = await ProxyRig.StartAsync(context =>
        {
            if (says) context.Response.ContentLength = 12345;
            return Task.CompletedTask;
        });
        for (var i = 0; i < 3; i++)
        {
            using var answer = await rig.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, "f"));
            Assert.Equal(length, answer.Content.Headers.ContentLength);
        }
    }

    [Fact]
    public async Task A_streamed_answer_keeps_its_length_and_one_without_begins_before_it_ends()
    {
        var more = new TaskCompletionSource();
        await using var rig = await ProxyRig.StartAsync(async context =>
        {
            if (context.Request.Path == "/long")
            {
                context.Response.ContentLength = 1_000_000;
                await context.Response.Body.WriteAsync(new byte[1_000_000]);
                return;
            }
            await context.Response.Body.FlushAsync();
            if (context.Request.Path == "/events") await context.Response.WriteAsync("data: 1\n\n");
            await more.Task;
            await context.Response.WriteAsync("data: 2\n\n");
        });
        using var known = await rig.Http.GetAsync("f/long", HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(1_000_000, known.Content.Headers.ContentLength);
        Assert.Equal(1_000_000, (await known.Content.ReadAsByteArrayAsync()).Length);

        // The head alone, then the first event alone: each is there before the server has said more.
        using var quiet = await rig.Http.GetAsync("f/quiet", HttpCompletionOption.ResponseHeadersRead);
        using var events = await rig.Http.GetAsync("f/events", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await events.Content.ReadAsStreamAsync());
        Assert.Equal("data: 1", await reader.ReadLineAsync());
        more.SetResult();
        Assert.Equal("\ndata: 2\n\n", await reader.ReadToEndAsync());
        Assert.Equal("data: 2\n\n", await quiet.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Two_hundred_mebibytes_pass_both_ways()
    {
        const long size = 200L * 1024 * 1024;
        await using var rig = await ProxyRig.StartAsync(static async context =>
        {
            context.Response.ContentLength = context.Request.ContentLength;
            await context.Request.Body.CopyToAsync(context.Response.Body);
        });
        using var request = new HttpRequestMessage(HttpMethod.Post, "f") { Content = new Zeros(size) };
        // The client reads while it writes only over HTTP/2.
        request.Version = HttpVersion.Version20;
        request.VersionPolicy = HttpVersionPolicy.RequestVersionExact;
        using var answer = await rig.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await using var body = await answer.Content.ReadAsStreamAsync();
        var buffer = new byte[64 * 1024];
        long read = 0;
        while (await body.ReadAsync(buffer) is var count and > 0) read += count;
        Assert.Equal(size, read);
    }

    [Fact]
    public async Task An_answer_that_breaks_off_is_not_taken_for_a_whole_one()
    {
        await using var rig = await ProxyRig.StartAsync(static async context =>
        {
            await context.Response.WriteAsync(new string('x', 200_000));
            await context.Response.Body.FlushAsync();
            context.Abort();
        });
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => rig.Http.GetStringAsync("f"));
        Assert.False(rig.Backend.Instances.Single().IsDisposed);
    }

    [Fact]
    public async Task A_server_that_drops_one_connection_keeps_its_other_calls()
    {
        var go = new TaskCompletionSource();
        var waits = new TaskCompletionSource();
        await using var rig = await ProxyRig.StartAsync(async context =>
        {
            if (context.Request.Path == "/drop")
            {
                context.Abort();
                return;
            }
            waits.SetResult();
            await go.Task;
            await context.Response.WriteAsync("still here");
        });
        var other = rig.Http.GetStringAsync("f/wait");
        await waits.Task.WaitAsync(RawPeer.Limit);
        using var dropped = await rig.Http.GetAsync("f/drop");
        Assert.Equal(HttpStatusCode.BadGateway, dropped.StatusCode);
        Assert.Contains("connection", await dropped.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        go.SetResult();
        Assert.Equal("still here", await other);
        Assert.Single(rig.Backend.Instances);
    }

    [Fact]
    public async Task An_instance_that_dies_in_the_middle_of_a_call_says_why_and_another_serves()
    {
        var waits = new TaskCompletionSource();
        await using var rig = await ProxyRig.StartAsync(async context =>
        {
            if (context.Request.Path == "/next") await context.Response.WriteAsync("next");
            else
            {
                waits.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            }
        });
        var call = rig.Http.GetAsync("f");
        await waits.Task.WaitAsync(RawPeer.Limit);
        rig.Backend.Instances.Single().Die("the container was killed");
        using var answer = await call;
        Assert.Equal((HttpStatusCode.BadGateway, "the container was killed\n"), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
        Assert.Equal("next", await rig.Http.GetStringAsync("f/next"));
        Assert.Equal(2, rig.Backend.Instances.Count);
    }

    [Fact]
    public async Task A_server_is_told_when_the_deadline_passes()
    {
        var told = new TaskCompletionSource();
        await using var rig = await ProxyRig.StartAsync(async context =>
        {
            context.RequestAborted.Register(() => told.TrySetResult());
            await told.Task;
        }, new FunctionSpec { ConcurrentRequests = 16, MaxInstances = 1, Timeout = TimeSpan.FromMilliseconds(300) });
        using var answer = await rig.Http.GetAsync("f");
        Assert.Equal(HttpStatusCode.GatewayTimeout, answer.StatusCode);
        await told.Task.WaitAsync(RawPeer.Limit);
    }

    [Fact]
    public async Task A_client_that_leaves_is_a_connection_that_ends()
    {
        var arrived = new TaskCompletionSource();
        var told = new TaskCompletionSource();
        await using var rig = await ProxyRig.StartAsync(async context =>
        {
            context.RequestAborted.Register(() => told.TrySetResult());
            arrived.TrySetResult();
            await told.Task;
        });
        using var leaves = new CancellationTokenSource();
        var call = rig.Http.GetAsync("f", leaves.Token);
        await arrived.Task.WaitAsync(RawPeer.Limit);
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await told.Task.WaitAsync(RawPeer.Limit);
        await Eventually.IsTrueAsync(() => rig.Backend.Instances[0].Upstream.OpenConnections == 0);
    }

    [Fact]
    public async Task Many_clients_share_few_connections_and_get_their_own_answers()
    {
        await using var rig = await ProxyRig.StartAsync(static async context => await context.Response.WriteAsync((await new StreamReader(context.Request.Body).ReadToEndAsync()) + context.Request.Path));
        await Task.WhenAll(Enumerable.Range(0, 64).Select(async client =>
        {
            for (var i = 0; i < 50; i++)
            {
                var size = (client * 50 + i) % 7 == 0 ? 100_000 : i;
                using var content = new StringContent(new string((char)('a' + client % 26), size));
                using var answer = await rig.Http.PostAsync($"f/{client}/{i}", content);
                Assert.Equal(new string((char)('a' + client % 26), size) + $"/{client}/{i}", await answer.Content.ReadAsStringAsync());
            }
        }));
        Assert.InRange(rig.Backend.Instances.Sum(static instance => instance.Upstream.OpenConnections), 0, 16);
    }

    private sealed class Zeros(long size) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            var piece = new byte[64 * 1024];
            for (var left = size; left > 0; left -= piece.Length) await stream.WriteAsync(piece.AsMemory(0, (int)Math.Min(left, piece.Length)));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = size;
            return true;
        }
    }
}
