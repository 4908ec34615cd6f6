using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Stint.Dialects.UniFaas;
using Stint.Functions;

namespace Stint.Tests.Backends.Upstream;

/// <summary>WebSocket, and whatever else two sides agree on, through the whole way: client → endpoint → pool → upstream → server.</summary>
public sealed class TunnelTests : TunnelContract
{
    /// <inheritdoc/>
    protected override bool OnWorker => false;
}

/// <summary>What holds of tunnels wherever the function runs: on the machine that was called, or on a worker.</summary>
public abstract class TunnelContract : IDisposable
{
    internal static readonly FunctionSpec Spec = new() { ConcurrentRequests = 16, MaxInstances = 1, Timeout = TimeSpan.FromMilliseconds(500) };

    private readonly CancellationTokenSource _limit = new(RawPeer.Limit);

    /// <summary>Whether the function is on a worker.</summary>
    protected abstract bool OnWorker { get; }

    /// <summary>Ends a test that would hang.</summary>
    protected CancellationToken Limit => _limit.Token;

    public void Dispose()
    {
        _limit.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(1), InlineData(2)]
    public async Task Messages_pass_both_ways_whatever_their_size_and_the_closing_too(int httpVersion)
    {
        await using var rig = await StartAsync(EchoAsync);
        using var client = await ConnectAsync(rig, httpVersion, "chat");
        Assert.Equal("chat", client.SubProtocol);
        foreach (var size in (int[])[0, 1, 125, 126, 4096, 70_000, 1_000_000])
        {
            var sent = new byte[size];
            Random.Shared.NextBytes(sent);
            var sending = client.SendAsync(sent, WebSocketMessageType.Binary, true, _limit.Token);
            Assert.Equal(sent, await ReceiveAsync(client));
            await sending;
        }
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", _limit.Token);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, client.CloseStatus);
        await Eventually.IsTrueAsync(() => rig.Backend.Instances[0].Upstream.OpenConnections == 0);
        await Eventually.IsTrueAsync(() => InFlight(rig) == 0);
    }

    [Fact]
    public async Task A_tunnel_is_a_call_for_all_its_time_and_outlives_the_functions_timeout()
    {
        await using var rig = await StartAsync(EchoAsync, Spec);
        using var client = await ConnectAsync(rig);
        // Longer than the timeout: another call passes it, on the same clock.
        using (var answer = await rig.Http.GetAsync("f/wait")) Assert.Equal(HttpStatusCode.GatewayTimeout, answer.StatusCode);
        await Eventually.IsTrueAsync(() => InFlight(rig) == 1);
        await client.SendAsync("still"u8.ToArray(), WebSocketMessageType.Text, true, _limit.Token);
        Assert.Equal("still"u8.ToArray(), await ReceiveAsync(client));
    }

    [Fact]
    public async Task A_function_that_does_not_agree_in_time_has_timed_out()
    {
        await using var rig = await StartAsync(static context => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted), Spec);
        using var client = new ClientWebSocket();
        await Assert.ThrowsAsync<WebSocketException>(() => client.ConnectAsync(Url(rig), _limit.Token));
        await Eventually.IsTrueAsync(() => InFlight(rig) == 0);
    }

    [Theory]
    [InlineData(1, 200), InlineData(1, 403), InlineData(2, 200), InlineData(2, 403)]
    public async Task A_function_may_refuse_by_an_ordinary_answer(int httpVersion, int status)
    {
        await using var rig = await StartAsync(async context =>
        {
            context.Response.StatusCode = status;
            await context.Response.WriteAsync("no");
        });
        using var client = new ClientWebSocket { Options = { CollectHttpResponseDetails = true } };
        await Assert.ThrowsAsync<WebSocketException>(() => ConnectAsync(client, rig, httpVersion));
        // Over HTTP/2 a 2xx would be consent.
        Assert.Equal(httpVersion == 2 && status == 200 ? 501 : status, (int)client.HttpStatusCode);
        await Eventually.IsTrueAsync(() => InFlight(rig) == 0);
    }

    [Fact]
    public async Task When_the_instance_dies_the_tunnel_ends()
    {
        await using var rig = await StartAsync(EchoAsync);
        using var client = await ConnectAsync(rig);
        rig.Backend.Instances[0].Die("killed");
        await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(client));
    }

    [Fact]
    public async Task When_the_client_goes_without_a_word_the_server_is_told()
    {
        var ended = new TaskCompletionSource();
        await using var rig = await StartAsync(async context =>
        {
            try
            {
                await EchoAsync(context);
            }
            finally
            {
                ended.TrySetResult();
            }
        });
        using (var client = await ConnectAsync(rig)) client.Abort();
        await ended.Task.WaitAsync(_limit.Token);
        await Eventually.IsTrueAsync(() => InFlight(rig) == 0);
    }

    [Fact]
    public async Task A_new_version_leaves_a_tunnel_as_long_as_a_call_has_and_then_the_old_instance_goes()
    {
        await using var rig = await StartAsync(EchoAsync, Spec);
        using var client = await ConnectAsync(rig);
        Assert.Null(await rig.Pool.Deploy(rig.Version(Spec, "v2")));
        await client.SendAsync("still"u8.ToArray(), WebSocketMessageType.Text, true, _limit.Token);
        Assert.Equal("still"u8.ToArray(), await ReceiveAsync(client));
        await Eventually.IsTrueAsync(() => rig.Backend.Instances[0].IsDisposed);
        await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(client));
        Assert.False(rig.Backend.Instances[1].IsDisposed);
    }

    [Fact]
    public async Task A_daemon_that_stops_does_not_wait_for_tunnels()
    {
        await using var rig = await StartAsync(EchoAsync);
        using var client = await ConnectAsync(rig);
        // Without an end of its own: the deadline is not what ends it.
        await rig.StopEndpointAsync(_limit.Token);
        Assert.False(_limit.IsCancellationRequested);
        await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(client));
    }

    [Theory]
    [InlineData("GET"), InlineData("POST")]
    public async Task Any_protocol_passes_from_its_first_bytes_to_the_servers_last_words(string method)
    {
        await using var server = new RawServer(static async peer =>
        {
            var head = await peer.ReadHeadAsync();
            Assert.Contains("Upgrade: shout/1\r\n", head, StringComparison.Ordinal);
            Assert.Contains("Connection: Upgrade\r\n", head, StringComparison.Ordinal);
            // The first bytes of the new protocol come with the old one's last.
            await peer.SendAsync("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout/1\r\nX-More: 1\r\n\r\nWELCOME\n");
            Assert.Equal("hello\n", await peer.ReadThroughAsync("\n"));
            await peer.SendAsync("HELLO, AND BYE\n");
        });
        await using var rig = await ProxyRig.StartAsync(server, onWorker: OnWorker);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, rig.Address.Port, _limit.Token);
        var stream = client.GetStream();
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"{method} /f HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout/1\r\n\r\nhello\n"), _limit.Token);
        var all = await new StreamReader(stream).ReadToEndAsync(_limit.Token);
        Assert.StartsWith("HTTP/1.1 101 Switching Protocols\r\n", all, StringComparison.Ordinal);
        Assert.Contains("Upgrade: shout/1\r\n", all, StringComparison.Ordinal);
        Assert.Contains("X-More: 1\r\n", all, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nWELCOME\nHELLO, AND BYE\n", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UniFaas_endpoint_passes_them_too()
    {
        await using var rig = await ProxyRig.StartAsync(EchoAsync, dialect: new UniFaasDialect(), onWorker: OnWorker);
        using var client = new ClientWebSocket();
        await client.ConnectAsync(new UriBuilder(rig.Address) { Scheme = "ws", Path = "/invoke/f/echo" }.Uri, _limit.Token);
        await client.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, _limit.Token);
        Assert.Equal("hello"u8.ToArray(), await ReceiveAsync(client));
    }

    [Fact]
    public async Task Http2_by_upgrade_is_not_asked_for()
    {
        await using var rig = await StartAsync(static context => context.Response.WriteAsync($"[{context.Request.Headers.Upgrade}{context.Request.Headers.Connection}{context.Request.Headers["HTTP2-Settings"]}]"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "f") { Headers = { { "Connection", "Upgrade, HTTP2-Settings" }, { "Upgrade", "h2c" }, { "HTTP2-Settings", "AAMAAABk" } } };
        using var answer = await rig.Http.SendAsync(request);
        Assert.Equal("[]", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_slow_reader_on_either_side_slows_the_other_down()
    {
        const int total = 200 * 1024 * 1024, piece = 64 * 1024, heldAtMost = 60 * 1024 * 1024;
        foreach (var fromServer in (bool[])[true, false])
        {
            long sent = 0;
            var go = new TaskCompletionSource();
            async Task SendAllAsync(WebSocket socket)
            {
                var bytes = new byte[piece];
                for (; sent < total; Interlocked.Add(ref sent, piece)) await socket.SendAsync(bytes, WebSocketMessageType.Binary, true, _limit.Token);
            }
            async Task<long> ReceiveAllAsync(WebSocket socket)
            {
                var bytes = new byte[piece];
                var received = 0L;
                while (received < total) received += (await socket.ReceiveAsync(bytes, _limit.Token)).Count;
                return received;
            }
            await using var rig = await StartAsync(async context =>
            {
                using var socket = await context.WebSockets.AcceptWebSocketAsync();
                if (fromServer) await SendAllAsync(socket);
                else
                {
                    await go.Task;
                    await ReceiveAllAsync(socket);
                    await socket.SendAsync("done"u8.ToArray(), WebSocketMessageType.Text, true, _limit.Token);
                }
                await socket.ReceiveAsync(new byte[10], _limit.Token);
            });
            using var client = await ConnectAsync(rig);
            var sending = fromServer ? Task.CompletedTask : Task.Run(() => SendAllAsync(client));
            await StreamingTests.StandsStillAsync(() => Interlocked.Read(ref sent));
            Assert.InRange(Interlocked.Read(ref sent), 1, heldAtMost);
            go.SetResult();
            if (fromServer) Assert.Equal(total, await ReceiveAllAsync(client));
            else Assert.Equal("done"u8.ToArray(), await ReceiveAsync(client));
            await sending;
            await client.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, _limit.Token);
        }
    }

    private Task<ProxyRig> StartAsync(RequestDelegate serve, FunctionSpec? spec = null) => ProxyRig.StartAsync(serve, spec, onWorker: OnWorker);

    private protected static int InFlight(ProxyRig rig) => rig.Pool.Describe().Instances.Sum(static instance => instance.InFlight);

    private static Uri Url(ProxyRig rig) => new UriBuilder(rig.Address) { Scheme = "ws", Path = "/f/echo" }.Uri;

    private protected async Task<ClientWebSocket> ConnectAsync(ProxyRig rig, int httpVersion = 1, string? subProtocol = null)
    {
        var client = new ClientWebSocket();
        if (subProtocol is not null) client.Options.AddSubProtocol(subProtocol);
        await ConnectAsync(client, rig, httpVersion);
        return client;
    }

    private Task ConnectAsync(ClientWebSocket client, ProxyRig rig, int httpVersion)
    {
        client.Options.HttpVersion = httpVersion == 2 ? HttpVersion.Version20 : HttpVersion.Version11;
        client.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        return client.ConnectAsync(Url(rig), rig.Http, _limit.Token);
    }

    private protected async Task<byte[]> ReceiveAsync(WebSocket client)
    {
        var message = new MemoryStream();
        var buffer = new byte[4096];
        while (true)
        {
            var received = await client.ReceiveAsync(buffer, _limit.Token);
            message.Write(buffer, 0, received.Count);
            if (received.EndOfMessage) return message.ToArray();
        }
    }

    private protected static async Task EchoAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            return;
        }
        using var socket = await context.WebSockets.AcceptWebSocketAsync(context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault());
        var buffer = new byte[64 * 1024];
        while (await socket.ReceiveAsync(buffer, context.RequestAborted) is { CloseStatus: null } received)
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, context.RequestAborted);
        await socket.CloseOutputAsync(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure, socket.CloseStatusDescription, context.RequestAborted);
    }
}
