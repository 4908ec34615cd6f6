using System.Net;
using Stint.Backends;
using Stint.Backends.Upstream;

namespace Stint.Tests.Backends.Upstream;

public sealed class ReadinessTests : IDisposable
{
    private readonly TaskCompletionSource<string> _ended = new();
    private readonly CancellationTokenSource _limit = new(RawPeer.Limit);

    public void Dispose() => _limit.Dispose();

    [Fact]
    public async Task A_port_that_opens_later_is_waited_for_and_its_connection_serves_the_first_call()
    {
        var port = BrokenConnectionTests.FreePort();
        using var upstream = Upstream(port);
        var readiness = new HttpReadiness(upstream, null, TimeProvider.System);
        var waiting = readiness.WaitAsync(_limit.Token);
        await Eventually.IsTrueAsync(() => readiness.Problem.Contains("refused", StringComparison.OrdinalIgnoreCase));
        await using var server = new RawServer(UpstreamRig.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), port);
        await waiting;
        using var reply = await upstream.InvokeAsync(UpstreamRig.Call(), default);
        Assert.Equal(200, reply.Status);
        // The sockets of tries that failed were never accepted; a busy machine may have let the idle one grow too old.
        Assert.InRange(server.Accepted, 1, 2);
    }

    [Fact]
    public async Task A_health_path_is_asked_until_it_is_well()
    {
        string[] answers = ["", "garbage\r\n\r\n", Answer(503), Answer(404), Answer(500), Answer(400), Answer(302)];
        var asked = -1;
        await using var server = new RawServer(async peer =>
        {
            while (true)
            {
                Assert.StartsWith("GET /health?deep=1 HTTP/1.1\r\n", await peer.ReadHeadAsync(), StringComparison.Ordinal);
                await peer.SendAsync(answers[++asked]);
                if (answers[asked].Length == 0) return;
            }
        });
        using var upstream = Upstream(server.EndPoint.Port);
        await new HttpReadiness(upstream, "/health?deep=1", TimeProvider.System).WaitAsync(_limit.Token);
        Assert.Equal(answers.Length - 1, asked);
        Assert.InRange(upstream.OpenConnections, 0, 1);
    }

    [Theory]
    [InlineData("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "answered 503")]
    [InlineData("nonsense\r\n\r\n", "status line")]
    public async Task Who_gives_up_learns_what_was_wrong_last(string answer, string problem)
    {
        await using var server = new RawServer(UpstreamRig.Answering(answer));
        using var upstream = Upstream(server.EndPoint.Port);
        var readiness = new HttpReadiness(upstream, "/", TimeProvider.System);
        using var bootTimeout = CancellationTokenSource.CreateLinkedTokenSource(_limit.Token);
        var waiting = readiness.WaitAsync(bootTimeout.Token);
        await Eventually.IsTrueAsync(() => readiness.Problem.Contains(problem, StringComparison.Ordinal));
        await bootTimeout.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Contains("GET /", readiness.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_instance_that_ends_is_not_waited_for()
    {
        using var upstream = Upstream(BrokenConnectionTests.FreePort());
        var waiting = new HttpReadiness(upstream, null, TimeProvider.System).WaitAsync(_limit.Token);
        _ended.SetResult("the container exited with code 1");
        Assert.Equal("the container exited with code 1", (await Assert.ThrowsAsync<InstanceStartException>(() => waiting)).Message);
    }

    private static string Answer(int status) => $"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n";

    private HttpUpstream Upstream(int port) => new(new IPEndPoint(IPAddress.Loopback, port), 1, _ended.Task, TimeProvider.System);
}
