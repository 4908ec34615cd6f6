using System.Net;
using System.Net.Sockets;
using System.Text;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Vms;

/// <summary>A function behind the guest's front answers what it answers in the process sandbox of a daemon, and the front survives what is no request.</summary>
public sealed class GuestFrontTests(GuestFrontTests.SandboxDaemon sandbox) : IClassFixture<GuestFrontTests.SandboxDaemon>
{
    private const string Python = """
        import stint
        def fn(input, headers, request):
            what = request.path.strip("/")
            if what == "show": return {"method": request.method, "path": request.path, "query": request.query, "call": request.call_id, "body": input, "lab": headers.get("Lab"), "agent": headers.get("User-Agent"), "cookie": headers.get("Cookie")}
            if what == "teapot": return stint.Response("short", status=418, headers={"X-Kettle": "on", "Content-Type": "text/teapot", "Connection": "close", "Content-Length": "99"})
            if what == "none": return stint.Response(None, status=204)
            if what == "bytes": return bytes(range(256))
            if what == "fail": raise ValueError('no "€"')
            if what == "late": return late()
            if what == "pieces": return pieces()
            if what == "long": return "x" * 300000
            return input
        def pieces():
            for i in range(50): yield f"piece {i}\n"
        def late():
            yield "begun"
            raise ValueError("too late to say")
        """;

    private static readonly (string, string)[] Node = [("index.js", "module.exports = (req, res) => { res.set('X-Many', ['a', 'b']); res.type('application/octet-stream'); res.end(req.rawBody); }")];
    private static readonly (string, string)[] Binary = [("fn.sh", "#!/bin/sh\n[ \"$Http_Path\" != /fail ] || { echo lost; exit 3; }\ncat\n")];

    public sealed class SandboxDaemon : SharedDaemon
    {
        protected override async Task PrepareAsync()
        {
            await Daemon.DeployAsync("p", "[process]\nruntime = \"python3\"\n", ("fn.py", Python));
            await Daemon.DeployAsync("n", "[process]\nruntime = \"nodejs\"\n", Node);
            await Daemon.DeployAsync("b", "[process]\nruntime = \"binary\"\n", Binary);
        }
    }

    private static Task<GuestFront> ServeAsync(string name) => name switch
    {
        "p" => GuestFront.ServeAsync("[process]\nruntime = \"python3\"\n", ("fn.py", Python)),
        "n" => GuestFront.ServeAsync("[process]\nruntime = \"nodejs\"\n", Node),
        _ => GuestFront.ServeAsync("[process]\nruntime = \"binary\"\n", Binary),
    };

    private static async Task<string> AnswerAsync(HttpClient client, string target, HttpMethod method, HttpContent? body, string accept)
    {
        using var request = new HttpRequestMessage(method, target) { Content = body };
        request.Headers.Add("lab", "7");
        request.Headers.Add("X-Call-Id", "call-42");
        request.Headers.Add("Cookie", ["a=1", "b=2"]);
        request.Headers.Add("Accept", accept);
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        var text = new StringBuilder($"{(int)answer.StatusCode}\n");
        // The connection's own headers, and those that only web servers write, are not the function's answer.
        foreach (var (name, values) in answer.Headers.Concat(answer.Content.Headers).Where(static header => header.Key is not ("Date" or "Server" or "Transfer-Encoding" or "Content-Length" or "Connection")).OrderBy(static header => header.Key, StringComparer.Ordinal))
            text.Append($"{name}: {string.Join("|", values)}\n");
        try
        {
            text.Append(Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(await answer.Content.ReadAsByteArrayAsync())));
        }
        catch (Exception broken) when (broken is HttpRequestException or IOException)
        {
            text.Append("broken off");
        }
        return text.ToString();
    }

    [Theory]
    [InlineData("p")]
    [InlineData("n")]
    [InlineData("b")]
    public async Task It_answers_what_the_process_sandbox_answers(string name)
    {
        await using var front = await ServeAsync(name);
        var large = new byte[3_000_000];
        new Random(1).NextBytes(large);
        foreach (var path in name == "p" ? (string[])["show", "show?q=a%20b&c", "teapot", "none", "bytes", "fail", "late", "pieces", "long", "a%2Fb/c"] : ["", "sub/path?x=1", "fail"])
            foreach (var method in (string[])["POST", "GET", "HEAD", "PUT", "DELETE"])
                foreach (var accept in (string[])["*/*", "application/json"])
                {
                    HttpContent? Body() => method is "POST" or "PUT" ? new StringContent("wörld", Encoding.UTF8) : null;
                    var verb = new HttpMethod(method);
                    var expected = await AnswerAsync(sandbox.Daemon.Http, $"{name}/{path}", verb, Body(), accept);
                    Assert.Equal($"{path} {method} {expected}", $"{path} {method} {await AnswerAsync(front.Http, path, verb, Body(), accept)}");
                }
        if (name == "p") return; // its functions take text
        foreach (var size in (int[])[1, 65_535, 65_536, 65_537, large.Length])
        {
            HttpContent Body() => new ByteArrayContent(large, 0, size);
            HttpContent Chunked() => new StreamContent(new Endless(new MemoryStream(large, 0, size)));
            var expected = await AnswerAsync(sandbox.Daemon.Http, name, HttpMethod.Post, Body(), "*/*");
            Assert.Equal(expected, await AnswerAsync(front.Http, "", HttpMethod.Post, Body(), "*/*"));
            Assert.Equal(expected, await AnswerAsync(front.Http, "", HttpMethod.Post, Chunked(), "*/*"));
        }
    }

    [Fact]
    public async Task A_caller_who_leaves_ends_the_call_and_frees_the_function()
    {
        await using var front = await GuestFront.ServeAsync("[process]\nruntime = \"binary\"\n", ("fn.sh", "#!/bin/sh\n[ \"$Http_Path\" = /quick ] && { echo quick; exit; }\necho here >&2\nexec sleep 1000\n"));
        await using (var caller = await RawHttp.ConnectAsync(front.Port))
        {
            await caller.SendAsync("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
            await Retry.UntilAsync("the function runs", () => front.Output.Contains("here", StringComparison.Ordinal));
        }
        // It has one connection to its runtime: this waits for the script's death.
        Assert.Equal("quick\n", await front.Http.GetStringAsync("quick"));
    }

    [Fact]
    public async Task Calls_run_side_by_side_as_many_as_the_function_takes()
    {
        await using var front = await GuestFront.ServeAsync("concurrent-requests = 3\n[process]\nruntime = \"python3\"\n", ("fn.py", """
            import threading
            meeting = threading.Barrier(3)
            def fn(input):
                meeting.wait(60)
                return "met"
            """));
        Assert.Equal(["met", "met", "met"], await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => front.Http.GetStringAsync(""))));
    }

    [Theory]
    [InlineData("hello\r\n\r\n", "no HTTP/1.1 request")]
    [InlineData("GET / HTTP/1.1\r\nno header\r\n\r\n", "is no header")]
    [InlineData("GET / HTTP/1.1\r\nA: b\u0001\r\n\r\n", "is no header")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "both Content-Length and Transfer-Encoding")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "Content-Length")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\n", "Content-Length")]
    [InlineData("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "chunked")]
    [InlineData("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "breaks the chunked coding")]
    [InlineData("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n", "breaks the chunked coding")]
    public async Task What_is_no_request_is_refused_and_the_next_one_served(string bytes, string message)
    {
        await using var front = await ServeAsync("p");
        await using var stranger = await RawHttp.ConnectAsync(front.Port);
        await stranger.SendAsync(bytes);
        var answer = await stranger.ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains(message, answer, StringComparison.Ordinal);
        Assert.Equal("piece", (await front.Http.GetStringAsync("pieces"))[..5]);
    }

    [Fact]
    public async Task A_connection_carries_requests_that_come_in_crumbs_and_in_one_piece()
    {
        await using var front = await ServeAsync("b");
        await using var caller = await RawHttp.ConnectAsync(front.Port);
        foreach (var crumb in "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;ext=1\r\nspam\r\n3\r\nham\r\n0\r\nTrailer: x\r\n\r\n") await caller.SendAsync($"{crumb}");
        await caller.ReadUntilAsync("spamham");
        await caller.SendAsync("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\noneGET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        var answers = await caller.ReadToEndAsync();
        Assert.Equal(3, answers.Split("HTTP/1.1 200 OK").Length - 1);
        Assert.Contains("\r\n\r\none", answers, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_function_that_cannot_be_loaded_ends_it_with_the_reason()
    {
        await using var front = GuestFront.Start("[process]\nruntime = \"python3\"\n", "", ("fn.py", "import missing_module\n"));
        Assert.Equal(1, await front.ExitAsync());
        Assert.Contains("stint: the function cannot be loaded: ", front.Output, StringComparison.Ordinal);
        Assert.Contains("missing_module", front.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_function_that_dies_ends_it_with_the_reason()
    {
        await using var front = await GuestFront.ServeAsync("[process]\nruntime = \"python3\"\n", ("fn.py", "import os\ndef fn(input): os._exit(3)\n"));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => front.Http.GetStringAsync(""));
        Assert.Equal(1, await front.ExitAsync());
        Assert.Contains("stint: the function's process ended with code 3", front.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_callback_comes_once_it_serves()
    {
        using var host = new TcpListener(IPAddress.Loopback, 0);
        host.Start();
        await using var front = GuestFront.Start("[process]\nruntime = \"python3\"\n", $"http://127.0.0.1:{((IPEndPoint)host.LocalEndpoint).Port}/ready/abc", ("fn.py", "def fn(input): return 'served'\n"));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var call = await host.AcceptTcpClientAsync(limit.Token);
        using var reader = new StreamReader(call.GetStream());
        Assert.Equal("GET /ready/abc HTTP/1.1", await reader.ReadLineAsync(limit.Token));
        Assert.Equal("served", await front.Http.GetStringAsync(""));
        await call.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"u8.ToArray(), limit.Token);
    }

    /// <summary>A stream that does not know its length, so that the client sends it in chunks.</summary>
    private sealed class Endless(Stream inner) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);
        public override void Flush() { }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
