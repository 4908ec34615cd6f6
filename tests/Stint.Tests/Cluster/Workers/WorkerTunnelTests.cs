using System.Buffers;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Text;
using Stint.Cluster.Cache;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;
using Stint.Invocations;
using Stint.Tests.Backends.Upstream;
using Stint.Tests.Cluster.Transport;

namespace Stint.Tests.Cluster.Workers;

/// <summary>Tunnels whose function is on a worker: all that holds of others, and what two machines add.</summary>
public sealed class WorkerTunnelTests : TunnelContract
{
    /// <inheritdoc/>
    protected override bool OnWorker => true;

    [Fact]
    public async Task Both_machines_count_a_tunnel_as_long_as_it_is_open()
    {
        await using var rig = await ProxyRig.StartAsync(EchoAsync, onWorker: true);
        var (gateway, worker) = (rig.Worker!.Known, rig.Worker.Calls);
        using (var client = await ConnectAsync(rig))
        {
            Assert.Equal((1, 1), (gateway.InFlight, worker.Running));
            client.Abort();
        }
        await Eventually.IsTrueAsync(() => gateway.InFlight == 0 && worker.Running == 0 && InFlight(rig) == 0);
    }

    [Fact]
    public async Task A_worker_that_stops_does_not_wait_for_tunnels()
    {
        await using var rig = await ProxyRig.StartAsync(EchoAsync, onWorker: true);
        using var client = await ConnectAsync(rig);
        await rig.Worker!.Pair.StopCalleeAsync(Limit);
        Assert.False(Limit.IsCancellationRequested);
        await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(client));
        Assert.Equal(0, rig.Worker.Calls.Running);
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public async Task When_the_way_between_the_machines_is_lost_the_tunnel_ends_on_both(bool silently)
    {
        await using var way = new SilencedRelay();
        await using var rig = await ProxyRig.StartAsync(EchoAsync, onWorker: true, via: way.To);
        using var client = await ConnectAsync(rig);
        await client.SendAsync("still"u8.ToArray(), WebSocketMessageType.Text, true, Limit);
        Assert.Equal("still"u8.ToArray(), await ReceiveAsync(client));
        // Nobody says anything when it happens: it is found out all the same.
        if (silently) way.Silence();
        else await way.DisposeAsync();
        await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(client));
        await Eventually.IsTrueAsync(() => rig.Worker!.Known.InFlight == 0 && rig.Worker.Calls.Running == 0 && InFlight(rig) == 0);
    }

    [Fact]
    public async Task A_caller_that_ends_its_side_gets_what_the_function_still_says()
    {
        await using var server = new RawServer(static async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            Assert.Equal("all that I say", await peer.ReadThroughAsync("say"));
            await peer.WaitForEndAsync();
            await peer.SendAsync("heard");
        });
        await using var rig = await ProxyRig.StartAsync(server, onWorker: true);
        using var reply = await rig.Worker!.InvokeAsync(WorkerRig.Upgrading(), rig.Pool.Version);
        Assert.Equal(101, reply.Status);
        Assert.Equal([new("Upgrade", "websocket")], reply.Headers);
        var tunnel = reply.Tunnel!;
        await tunnel.WriteAsync("all that I say"u8.ToArray(), Limit);
        tunnel.EndWriting();
        Assert.Equal("heard", await ReadToEndAsync(tunnel));
        reply.Dispose();
        Assert.True(await reply.Completion!);
    }

    [Fact]
    public async Task Functions_that_do_not_listen_hold_up_nobody_else()
    {
        await using var rig = await WorkerRig.StartAsync(static async invocation => invocation.Upgrade is null ? await CountAsync(invocation) : Tunnel.Reply(out _));
        using var leaving = new CancellationTokenSource();
        var (replies, writing, written) = (new List<Reply>(), new List<Task>(), 0L);
        for (var i = 0; i < 40; i++)
        {
            var reply = await rig.InvokeAsync(WorkerRig.Upgrading());
            Assert.True(reply.Tunnel is not null, reply.Error);
            replies.Add(reply);
            writing.Add(Task.Run(async () =>
            {
                var piece = new byte[16 * 1024];
                while (true)
                {
                    await reply.Tunnel.WriteAsync(piece, leaving.Token);
                    Interlocked.Add(ref written, piece.Length);
                }
            }));
        }
        await StreamingTests.StandsStillAsync(() => Interlocked.Read(ref written));
        // Each has as much under way as one may have: more together than the connection had room for, if they shared one.
        Assert.True(written > 20 << 20, $"{written} bytes");
        var body = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        await body.Writer.WriteAsync(new byte[3 << 20]);
        await body.Writer.CompleteAsync();
        using (var answer = await rig.InvokeAsync(new Invocation { Function = WorkerRig.Upgrading().Function, CallId = "2", BodyStream = body.Reader, CallerGone = Limit }))
            Assert.Equal((null, $"{3 << 20}"), (answer.Error, Encoding.UTF8.GetString(answer.Body.Span)));
        await leaving.CancelAsync();
        foreach (var task in writing) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task);
        foreach (var reply in replies) reply.Dispose();
    }

    [Fact]
    public async Task More_tunnels_than_a_connection_has_streams_leave_room_for_calls()
    {
        const int count = 4200;
        await using var rig = await WorkerRig.StartAsync(static async invocation => invocation.Upgrade is null ? await CountAsync(invocation) : Tunnel.Reply(out _));
        var replies = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => rig.InvokeAsync(WorkerRig.Upgrading(Limit)).AsTask()));
        Assert.All(replies, static reply => Assert.True(reply.Tunnel is not null, reply.Error));
        Assert.Equal((count, count), (rig.Known.InFlight, rig.Calls.Running));
        using (var answer = await rig.InvokeAsync(new Invocation { Function = WorkerRig.Upgrading().Function, CallId = "2", Method = "PUT", Body = new ReadOnlySequence<byte>(new byte[5]), CallerGone = Limit }))
            Assert.Equal((null, "5"), (answer.Error, Encoding.UTF8.GetString(answer.Body.Span)));
        foreach (var reply in replies) reply.Dispose();
    }

    [Fact]
    public async Task A_function_that_is_removed_leaves_the_cache_while_a_tunnel_of_it_is_open_but_not_while_a_call_runs()
    {
        var go = new TaskCompletionSource();
        await using var rig = await WorkerRig.StartAsync(async invocation =>
        {
            if (invocation.Upgrade is not null) return Tunnel.Reply(out _);
            await go.Task;
            return Reply.Answer(200, HeaderList.None, default);
        });
        using var open = await rig.InvokeAsync(WorkerRig.Upgrading());
        var call = rig.InvokeAsync(new Invocation { Function = WorkerRig.Upgrading().Function, CallId = "2" });
        await Eventually.IsTrueAsync(() => rig.Calls.Running == 2);
        Assert.Contains("runs", await RemoveAsync(rig), StringComparison.Ordinal);
        go.SetResult();
        (await call).Dispose();
        await Eventually.IsTrueAsync(() => rig.Calls.Running == 1);
        Assert.Null(await RemoveAsync(rig));
        Assert.False(Directory.Exists(Path.Combine(rig.Bench.Root, "f")));
        Assert.Empty(rig.Cache.Versions);
        // What becomes of the tunnel is the pool's to say.
        await open.Tunnel!.WriteAsync("still"u8.ToArray(), Limit);
        open.Dispose();
        await Eventually.IsTrueAsync(() => rig.Calls.Running == 0);
    }

    [Fact]
    public async Task A_tunnel_whose_caller_has_left_is_disposed_of_and_so_is_one_that_came_too_late()
    {
        var tunnels = new TaskCompletionSource<Tunnel>();
        var agree = new TaskCompletionSource();
        await using var rig = await WorkerRig.StartAsync(async invocation =>
        {
            if (invocation.Path == "/late") await agree.Task;
            var reply = Tunnel.Reply(out var tunnel);
            tunnels.SetResult(tunnel);
            return reply;
        });
        using (await rig.InvokeAsync(WorkerRig.Upgrading())) await tunnels.Task;
        await (await tunnels.Task).Disposed.WaitAsync(Limit);
        // The caller leaves while the function is being asked.
        tunnels = new TaskCompletionSource<Tunnel>();
        using var leaving = new CancellationTokenSource();
        var call = rig.InvokeAsync(new Invocation { Function = WorkerRig.Upgrading().Function, CallId = "2", Method = "GET", Path = "/late", Upgrade = "websocket", CallerGone = leaving.Token }).AsTask();
        await Eventually.IsTrueAsync(() => rig.Calls.Running == 1);
        await leaving.CancelAsync();
        using (var reply = await call) Assert.Equal(Outcome.Cancelled, reply.Outcome);
        agree.SetResult();
        await (await tunnels.Task.WaitAsync(Limit)).Disposed.WaitAsync(Limit);
    }

    private static async Task<string?> RemoveAsync(WorkerRig rig)
    {
        var question = new PrepareQuestion(new CachedVersion("f", new string('0', 64), 0, 0), IsGone: true);
        return (await NodeDialogue.AskAsync(rig.Known.Link, WorkerPaths.Prepare, question, NodeMessages.Default.PrepareQuestion, NodeMessages.Default.PrepareAnswer, default)).Problem;
    }

    private async Task<string> ReadToEndAsync(ITunnel tunnel)
    {
        var all = new ArrayBufferWriter<byte>();
        while (await tunnel.ReadAsync(Limit) is { IsEmpty: false } piece) all.Write(piece.Span);
        return Encoding.UTF8.GetString(all.WrittenSpan);
    }

    private static async ValueTask<Reply> CountAsync(Invocation invocation)
    {
        var count = invocation.Body.Length;
        while (invocation.BodyStream is { } body)
        {
            var read = await body.ReadAsync();
            count += read.Buffer.Length;
            body.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) break;
        }
        return Reply.Answer(200, HeaderList.None, Encoding.ASCII.GetBytes($"{count}"));
    }

    /// <summary>A function that says nothing and takes one piece.</summary>
    private sealed class Tunnel : ITunnel
    {
        private readonly TaskCompletionSource<bool> _disposed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _hasTaken;

        public Task Disposed => _disposed.Task;

        public static Reply Reply(out Tunnel tunnel)
        {
            tunnel = new Tunnel();
            return Invocations.Reply.SwitchProtocols(HeaderList.None, tunnel, tunnel._disposed.Task);
        }

        public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            return default;
        }

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            if (_hasTaken) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            _hasTaken = true;
        }

        public void EndWriting() { }

        public void Dispose() => _disposed.TrySetResult(true);
    }
}
