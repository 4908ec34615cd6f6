using System.Net;
using System.Net.Sockets;

namespace Stint.Watchdog.Tests.Running;

public sealed class UpstreamTests
{
    // A server of another author's: Python's own.
    private const string Server = """
        import http.server, os, sys, time
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *args): pass
            def do_GET(self):
                if self.path.startswith("/slow"): time.sleep(600)
                if self.path == "/die": os._exit(3)
                if self.path == "/redirect":
                    self.send_response(302, "Over There"); self.send_header("Location", "/elsewhere"); self.send_header("Content-Length", "0"); self.end_headers(); return
                if self.path == "/nothing":
                    self.send_response(204); self.end_headers(); return
                if self.path == "/pieces":
                    self.send_response(200); self.send_header("Transfer-Encoding", "chunked"); self.end_headers()
                    for piece in (b"one", b"two" * 50000, b"three"): self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n"); return
                if self.path == "/close":
                    self.send_response(200); self.send_header("Connection", "close"); self.end_headers(); self.wfile.write(b"until the end"); self.close_connection = True; return
                self.answer(b"")
            do_HEAD = do_GET
            def do_POST(self):
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    body = b""
                    while True:
                        size = int(self.rfile.readline(), 16); body += self.rfile.read(size); self.rfile.readline()
                        if size == 0: break
                else: body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(body)
            do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST
            def answer(self, body):
                self.send_response(200)
                self.send_header("X-Seen", "%s %s host=%s te=%s hop=%s" % (self.command, self.path, self.headers.get("Host"), self.headers.get("Transfer-Encoding"), self.headers.get("Keep-Alive")))
                self.send_header("Content-Length", str(len(body))); self.end_headers()
                if self.command != "HEAD": self.wfile.write(body)
        print("python says hello", flush=True)
        http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
        """;

    [Fact]
    public async Task Requests_and_answers_pass_through()
    {
        await using var watchdog = await StartAsync();
        foreach (var method in new[] { "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), "/a%20b?x=%2F");
            request.Headers.TryAddWithoutValidation("Keep-Alive", "hop by hop");
            if (method is "POST" or "PUT") request.Content = new StringContent("body");
            using var reply = await watchdog.Client.SendAsync(request);
            Assert.Equal($"{method} /a%20b?x=%2F host=127.0.0.1:{watchdog.Port} te=None hop=None", reply.Headers.GetValues("X-Seen").Single());
            Assert.True(reply.Headers.Contains("X-Duration-Seconds"));
            Assert.Equal(method is "POST" or "PUT" ? "body" : "", await reply.Content.ReadAsStringAsync());
        }
        using var head = await watchdog.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/h"));
        Assert.StartsWith("HEAD /h", head.Headers.GetValues("X-Seen").Single(), StringComparison.Ordinal);
        Assert.Contains(" stdout: python says hello\n", watchdog.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_way_to_end_a_body_is_understood()
    {
        await using var watchdog = await StartAsync();
        using var redirect = await watchdog.Client.GetAsync("/redirect");
        Assert.Equal((HttpStatusCode.Redirect, "Over There", "/elsewhere"), (redirect.StatusCode, redirect.ReasonPhrase, redirect.Headers.Location!.ToString()));
        Assert.Equal(HttpStatusCode.NoContent, (await watchdog.Client.GetAsync("/nothing")).StatusCode);
        Assert.Equal("one" + string.Concat(Enumerable.Repeat("two", 50000)) + "three", await watchdog.Client.GetStringAsync("/pieces"));
        Assert.Equal("until the end", await watchdog.Client.GetStringAsync("/close"));
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "")]
    [InlineData(true, "true")]
    public async Task Large_bodies_stream_or_are_buffered(bool chunked, string buffered)
    {
        await using var watchdog = await StartAsync(("buffer_http", buffered), ("read_timeout", "60"), ("write_timeout", "60"), ("exec_timeout", "60"));
        var body = new byte[3_000_001];
        new Random(5).NextBytes(body);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new ByteArrayContent(body) };
        request.Headers.TransferEncodingChunked = chunked;
        using var reply = await watchdog.Client.SendAsync(request);
        Assert.Contains(chunked && buffered.Length == 0 ? "te=chunked" : "te=None", reply.Headers.GetValues("X-Seen").Single(), StringComparison.Ordinal);
        Assert.Equal(body, await reply.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task X_Timeout_makes_the_limit_shorter_and_not_longer()
    {
        await using var watchdog = await StartAsync(("exec_timeout", "60"), ("write_timeout", "60"));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/slow");
        request.Headers.Add("X-Timeout", "200ms");
        using var reply = await watchdog.Client.SendAsync(request);
        Assert.Equal(HttpStatusCode.GatewayTimeout, reply.StatusCode);
        Assert.Equal("of-watchdog", reply.Headers.GetValues("X-OpenFaaS-Internal").Single());

        await using var strict = await StartAsync(("exec_timeout", "200ms"), ("write_timeout", "60"));
        using var longer = new HttpRequestMessage(HttpMethod.Get, "/slow");
        longer.Headers.Add("X-Timeout", "10m");
        Assert.Contains("exec_timeout (200ms)", await (await strict.Client.SendAsync(longer)).Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_its_process_ends_so_does_the_watchdog()
    {
        await using var watchdog = await StartAsync();
        try
        {
            using var reply = await watchdog.Client.GetAsync("/die");
            Assert.Equal(HttpStatusCode.InternalServerError, reply.StatusCode);
        }
        catch (HttpRequestException)
        {
            // It ended before it could say so.
        }
        Assert.Equal(1, await watchdog.ExitAsync());
        Assert.Contains("Forked function has terminated: exit status 3", watchdog.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_upgraded_connection_becomes_a_tunnel()
    {
        var port = FreePort();
        var folder = RunningWatchdog.NewFolder();
        var server = Path.Combine(folder, "server.py");
        await File.WriteAllTextAsync(server, """
            import socket, sys
            listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
            while True:
                client, _ = listener.accept()
                head = b""
                while b"\r\n\r\n" not in head: head += client.recv(1000)
                assert b"Upgrade: echo" in head, head
                client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
                while data := client.recv(1000): client.sendall(data)
                client.close()
            """);
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("mode", "http"), ("fprocess", $"/usr/bin/python3 {server} {port}"), ("upstream_url", $"http://127.0.0.1:{port}"), ("exec_timeout", "60"), ("write_timeout", "60"));
        using var client = await watchdog.ConnectAsync();
        await client.SendAsync("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 101 Switching Protocols\r\n", await client.UntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        await client.SendAsync("there");
        Assert.Equal("there", await client.UntilAsync("there"));
        await client.SendAsync("and back");
        Assert.Equal("and back", await client.UntilAsync("and back"));
        client.Socket.Shutdown(SocketShutdown.Send);
        Assert.Equal("", await client.ToEndAsync());
    }

    [Fact]
    public async Task Ready_path_asks_the_function()
    {
        await using var watchdog = await StartAsync(("ready_path", "/nothing"));
        Assert.Equal(HttpStatusCode.NoContent, (await watchdog.Client.GetAsync("/_/ready")).StatusCode);
    }

    private static async Task<RunningWatchdog> StartAsync(params (string Name, string Value)[] variables)
    {
        var folder = RunningWatchdog.NewFolder();
        var server = Path.Combine(folder, "server.py");
        await File.WriteAllTextAsync(server, Server);
        var port = FreePort();
        return await RunningWatchdog.StartAsync(folder, [("mode", "http"), ("fprocess", $"/usr/bin/python3 {server} {port}"), ("upstream_url", $"http://127.0.0.1:{port}"), ("exec_timeout", "60"), ("write_timeout", "60"), .. variables]);
    }

    private static int FreePort()
    {
        using var socket = new TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }
}
