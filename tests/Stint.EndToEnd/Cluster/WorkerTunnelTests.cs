using System.Net.WebSockets;
using System.Text;
using Stint.EndToEnd.Containers;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster;

/// <summary>WebSockets to functions on workers. How they pass in detail is shown by Stint.Tests (Cluster/Workers/WorkerTunnelTests); here the machines are processes, which are killed and stopped.</summary>
[Collection(TestEngine.Collection)]
public sealed class WorkerTunnelTests(TestEngine engine, TestPostgres postgres) : IClassFixture<TestPostgres>
{
    private readonly string[] _engine = ["--docker-host", engine.Address, "--container-subnets", engine.Addresses.ToString()];

    [Fact]
    public async Task A_WebSocket_runs_on_the_worker_and_ends_with_it()
    {
        await Guests.MakeAsync(engine);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(150));
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", ["--worker=false", .. _engine]);
        var folder = cluster.Killable("w1") with { Flags = _engine };
        var worker = await cluster.StartWorkerAsync("w1", gateway, folder);
        await gateway.DeployAsync("talk", $"[container]\nimage = \"{Guests.WebSocket}\"\nport = 8080\n");

        using (var socket = await ConnectAsync(gateway, limit.Token))
        {
            await socket.SendAsync("spoken"u8.ToArray(), WebSocketMessageType.Text, true, limit.Token);
            Assert.Equal("SPOKEN", await ReceiveAsync(socket, limit.Token));
            Assert.Equal(1, await InFlightAsync(worker));
            Assert.Contains("stint_node_in_flight{node=\"w1\"} 1\n", await gateway.Management.GetStringAsync("metrics", limit.Token), StringComparison.Ordinal);
            await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, limit.Token);
        }
        await Retry.UntilAsync("both machines have done with it", async () =>
            await InFlightAsync(worker) == 0 && (await gateway.Management.GetStringAsync("metrics")).Contains("stint_node_in_flight{node=\"w1\"} 0\n", StringComparison.Ordinal));

        using (var socket = await ConnectAsync(gateway, limit.Token))
        {
            await worker.KillAsync();
            await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(socket, limit.Token));
        }
        cluster.Forget(worker);
        await worker.DisposeAsync();

        await Retry.UntilAsync("its name is free", async () => !(await cluster.NodesAsync()).Single(static node => node.GetProperty("name").GetString() == "w1").GetProperty("isAlive").GetBoolean());

        // It comes back, and is stopped in good order: that does not wait for WebSockets.
        worker = await cluster.StartWorkerAsync("w1", gateway, folder);
        using (var socket = await ConnectAsync(gateway, limit.Token))
        {
            cluster.Forget(worker);
            var stopping = worker.DisposeAsync();
            await Assert.ThrowsAsync<WebSocketException>(() => ReceiveAsync(socket, limit.Token));
            await stopping;
        }
        Assert.Equal(503, (await gateway.CallAsync("talk")).Status);
    }

    private static async Task<ClientWebSocket> ConnectAsync(StintDaemon gateway, CancellationToken cancellationToken)
    {
        while (true)
        {
            var socket = new ClientWebSocket();
            try
            {
                await socket.ConnectAsync(new Uri($"ws://localhost:{gateway.HttpPort}/talk/room"), cancellationToken);
                Assert.Equal("hello", await ReceiveAsync(socket, cancellationToken));
                return socket;
            }
            catch (WebSocketException) when (!cancellationToken.IsCancellationRequested)
            {
                // The gateway has not heard of the worker's return yet.
                socket.Dispose();
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancellationToken);
            }
        }
    }

    private static async Task<int> InFlightAsync(StintDaemon worker) =>
        (await worker.DescribeAsync("talk")).GetProperty("instanceList").EnumerateArray().Sum(static instance => instance.GetProperty("inFlight").GetInt32());

    private static async Task<string> ReceiveAsync(ClientWebSocket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[1000];
        var received = await socket.ReceiveAsync(buffer, cancellationToken);
        return Encoding.ASCII.GetString(buffer, 0, received.Count);
    }
}
