using System.Net;
using System.Net.Sockets;
using System.Text;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Wasm;

/// <summary>What guests ask of the world, through the daemon: <c>__http_request</c>.</summary>
public sealed class HttpRequestTests(WasmDaemon shared) : IClassFixture<WasmDaemon>
{
    // Asks for the URL that it was given, with a header and a body; answers with the status as a letter (status − 100) and the body, or says that there was none.
    private const string Asks = WasmDaemon.FunLess + """
        (data (i32.const 512) "X-Lab: a:b\nX-Other:c")
        (data (i32.const 600) "the body")
        (data (i32.const 700) "no answer")
        (func (export "__invoke") (param $n i32) (result i32)
          (call $get (i32.const 1024))
          (call $http (i32.const 8192) (i32.const 8) (i32.const 4) (i32.const METHOD) (i32.const 1024) (local.get $n) (i32.const 512) (i32.const 20) (i32.const 600) (i32.const 8))
          (if (i32.eqz (i32.load16_u (i32.const 4)))
            (then (call $fail (i32.const 700) (i32.const 9)) (return (i32.const 1))))
          (i32.store8 (i32.const 8191) (i32.sub (i32.load16_u (i32.const 4)) (i32.const 100)))
          (call $respond (i32.const 8191) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
          (i32.const 0))
        """;

    private StintDaemon Daemon => shared.Daemon;

    [Theory]
    [InlineData(0, "GET")]
    [InlineData(1, "POST")]
    [InlineData(2, "PUT")]
    [InlineData(3, "DELETE")]
    public async Task A_request_has_its_method_headers_and_body(int method, string name)
    {
        await using var server = new OneServer("HTTP/1.1 201 Created\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthere");
        await shared.DeployWatAsync($"asks{name}", Asks.Replace("METHOD", $"{method}", StringComparison.Ordinal), "network = \"host\"");
        Assert.Equal((200, "ethere"), await Daemon.CallAsync($"asks{name}", $"http://localhost:{server.Port}/some/path?x=1"));
        var request = await server.Request;
        Assert.StartsWith($"{name} /some/path?x=1 HTTP/1.1\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Lab: a:b\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nX-Other: c\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\n\r\nthe body", request, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("outbound", "is not open to functions")]
    [InlineData("none", "the function has no network")]
    public async Task This_host_is_not_to_be_reached_unless_the_function_says_so(string network, string reason)
    {
        await using var server = new OneServer("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret");
        await shared.DeployWatAsync($"kept{network}", Asks.Replace("METHOD", "0", StringComparison.Ordinal), $"network = \"{network}\"");
        foreach (var host in (string[])["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "169.254.169.254", Dns.GetHostName()])
            Assert.Equal((500, "no answer\n"), await Daemon.CallAsync($"kept{network}", $"http://{host}:{server.Port}/"));
        Assert.False(server.Request.IsCompleted);
        await Retry.UntilAsync("the log says why", async () => (await Daemon.LogsAsync($"kept{network}")).Contains(reason, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ftp://localhost/")]
    [InlineData("nonsense")]
    [InlineData("http://localhost:1/")]
    [InlineData("http://no-such-host.invalid/")]
    public async Task What_cannot_be_reached_is_status_0(string url)
    {
        await shared.DeployWatAsync("cannot", Asks.Replace("METHOD", "0", StringComparison.Ordinal), "network = \"host\"");
        Assert.Equal((500, "no answer\n"), await Daemon.CallAsync("cannot", url));
    }

    [Fact]
    public async Task An_answer_that_has_no_room_in_the_guests_memory_is_not_written()
    {
        await using var server = new OneServer($"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\nConnection: close\r\n\r\n{new string('x', 60000)}");
        await shared.DeployWatAsync("noroom", Asks.Replace("METHOD", "0", StringComparison.Ordinal), "network = \"host\"");
        Assert.Equal((500, "no answer\n"), await Daemon.CallAsync("noroom", $"http://localhost:{server.Port}/"));
    }

    [Fact]
    public async Task A_server_that_does_not_answer_ends_with_the_calls_time()
    {
        await using var server = new OneServer("");
        await shared.DeployWatAsync("waits", Asks.Replace("METHOD", "0", StringComparison.Ordinal), "network = \"host\"", "timeout = 1");
        Assert.Equal(504, (await Daemon.CallAsync("waits", $"http://localhost:{server.Port}/")).Status);
        Assert.Equal((200, "1"), await Daemon.CallAsync("echo", "1"));
    }

    /// <summary>Takes one connection on the loopback, reads a request, and answers with a text.</summary>
    private sealed class OneServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly TaskCompletionSource<string> _request = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _work;

        public OneServer(string answer)
        {
            _listener.Start();
            _work = ServeAsync(answer);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public Task<string> Request => _request.Task;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            _listener.Stop();
            await _work;
            _stop.Dispose();
        }

        private async Task ServeAsync(string answer)
        {
            try
            {
                using var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                var stream = client.GetStream();
                var read = new StringBuilder();
                var buffer = new byte[4096];
                while (!read.ToString().EndsWith("the body", StringComparison.Ordinal) && await stream.ReadAsync(buffer, _stop.Token) is > 0 and var count) read.Append(Encoding.ASCII.GetString(buffer, 0, count));
                _request.SetResult(read.ToString());
                await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), _stop.Token);
                if (answer.Length == 0) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _stop.Token);
            }
            catch (Exception ended) when (ended is OperationCanceledException or IOException or SocketException)
            {
                // Nobody came, or the guest was killed.
            }
        }
    }
}
