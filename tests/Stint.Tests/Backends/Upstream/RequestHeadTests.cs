using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Stint.Backends.Upstream;
using Stint.Invocations;

namespace Stint.Tests.Backends.Upstream;

public sealed class RequestHeadTests
{
    [Fact]
    public void A_call_is_one_request()
    {
        var call = UpstreamRig.Call("POST", "/a%20b", "x=1&y", "hello", new HeaderList { { "Host", "example.com:8000" }, { "Content-Type", "text/plain" }, { "X-Umlaut", "grün" } });
        Assert.Equal(
            """
            POST /a%20b?x=1&y HTTP/1.1
            Host: example.com:8000
            Content-Type: text/plain
            X-Umlaut: grün
            Forwarded: for=192.0.2.1;host="example.com:8000";proto=http
            X-Forwarded-For: 192.0.2.1
            X-Forwarded-Host: example.com:8000
            X-Forwarded-Proto: http
            X-Call-Id: call
            Content-Length: 5

            hello
            """.ReplaceLineEndings("\r\n"), Write(call));
    }

    [Fact]
    public void Without_a_host_the_instances_own_address_stands_in() => Assert.Contains("\r\nHost: 10.0.0.2:8080\r\n", Write(UpstreamRig.Call()), StringComparison.Ordinal);

    [Theory]
    [InlineData("GET", false), InlineData("HEAD", false), InlineData("DELETE", false), InlineData("POST", true), InlineData("PUT", true), InlineData("PATCH", true)]
    public void A_request_without_a_body_says_so_where_one_is_usual(string method, bool says) =>
        Assert.Equal(says, Write(UpstreamRig.Call(method)).Contains("Content-Length: 0\r\n", StringComparison.Ordinal));

    [Fact]
    public void The_connections_headers_and_what_is_written_anew_are_not_passed_on()
    {
        var headers = new HeaderList
        {
            { "Connection", "close" }, { "Keep-Alive", "x" }, { "TE", "trailers" }, { "Trailer", "X" }, { "Transfer-Encoding", "chunked" }, { "Upgrade", "x" }, { "Proxy-Authorization", "x" },
            { "Content-Length", "77" }, { "Expect", "100-continue" }, { "X-Call-Id", "theirs" }, { ":path", "/" }, { "Kept", "1" },
        };
        var lines = Write(UpstreamRig.Call(headers: headers)).Split("\r\n");
        Assert.Equal(["Host", "Kept", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Call-Id"], lines[1..^2].Select(static line => line.Split(':')[0]));
        Assert.Contains("X-Call-Id: call", lines);
    }

    [Fact]
    public void A_streamed_body_is_chunked_unless_its_length_is_known()
    {
        var stream = PipeReader.Create(ReadOnlySequence<byte>.Empty);
        Assert.Contains("Transfer-Encoding: chunked\r\n\r\n", Write(new Invocation { Function = default, CallId = "c", BodyStream = stream }), StringComparison.Ordinal);
        Assert.Contains("Content-Length: 70000\r\n\r\n", Write(new Invocation { Function = default, CallId = "c", BodyStream = stream, BodyLength = 70000 }), StringComparison.Ordinal);
    }

    [Fact]
    public void An_upgrade_is_asked_for_by_both_headers()
    {
        var text = Write(new Invocation { Function = default, CallId = "c", Method = "GET", Upgrade = "websocket" });
        Assert.Contains("Connection: Upgrade\r\nUpgrade: websocket\r\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GE T", "/", "", "method")]
    [InlineData("", "/", "", "method")]
    [InlineData("GET\r\nX: y", "/", "", "method")]
    [InlineData("CONNECT", "/", "", "CONNECT")]
    [InlineData("GET", "", "", "path")]
    [InlineData("GET", "http://x/", "", "path")]
    [InlineData("GET", "/a b", "", "path")]
    [InlineData("GET", "/a\r\nX: y", "", "path")]
    [InlineData("GET", "/ä", "", "path")]
    [InlineData("GET", "/", "a b", "query")]
    [InlineData("GET", "/", "a\n", "query")]
    public void What_http_cannot_say_is_refused(string method, string path, string query, string what)
    {
        Assert.False(RequestHead.TryCreate(UpstreamRig.Call(method, path, query), "a:1", false, out _, out var problem));
        Assert.Contains(what, problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("A", "x\r\nB: y"), InlineData("A", "x\0"), InlineData("A", "\x7f"), InlineData("A B", "x"), InlineData("A:", "x"), InlineData("Ä", "x"), InlineData("A\n", "x")]
    public void A_header_that_would_be_another_one_is_refused(string name, string value) =>
        Assert.False(RequestHead.TryCreate(UpstreamRig.Call(headers: new HeaderList { { name, value } }), "a:1", false, out _, out _));

    [Fact]
    public void Whatever_the_headers_are_the_head_has_as_many_lines_as_it_should() => Prop.ForAll(ArbMap.Default.ArbFor<string>(), ArbMap.Default.ArbFor<string>(), static (name, value) =>
    {
        var call = UpstreamRig.Call(headers: new HeaderList { { name ?? "", value ?? "" } });
        if (!RequestHead.TryCreate(call, "a:1", false, out var head, out _)) return true;
        var text = Encoding.UTF8.GetString(head.Rented, 0, head.Length);
        head.Return();
        return text.EndsWith("\r\n\r\n", StringComparison.Ordinal) && text.Count(static c => c == '\n') is 7 or 8 && text.Count(static c => c == '\r') == text.Count(static c => c == '\n');
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void A_head_that_is_too_large_is_refused_and_one_at_the_limit_is_not()
    {
        var headers = new HeaderList { { "A", new string('x', RequestHead.MaxSize - 400) } };
        Assert.True(RequestHead.TryCreate(UpstreamRig.Call(headers: headers), "a:1", false, out var head, out _));
        head.Return();
        headers.Add("B", new string('ü', 300));
        Assert.False(RequestHead.TryCreate(UpstreamRig.Call(headers: headers), "a:1", false, out _, out var problem));
        Assert.Contains("65536", problem, StringComparison.Ordinal);
    }

    public static TheoryData<string?, bool, string[], string[]> Callers => new()
    {
        // From, trusted, what the caller says, what the function sees
        { "192.0.2.1", false, ["X-Forwarded-For: 6.6.6.6", "forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1"],
            ["Forwarded: for=192.0.2.1;host=\"h\";proto=http", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: h", "X-Forwarded-Proto: http"] },
        { "::ffff:192.0.2.1", false, [], ["Forwarded: for=192.0.2.1;host=\"h\";proto=http", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: h", "X-Forwarded-Proto: http"] },
        { "2001:db8::1", false, [], ["Forwarded: for=\"[2001:db8::1]\";host=\"h\";proto=http", "X-Forwarded-For: 2001:db8::1", "X-Forwarded-Host: h", "X-Forwarded-Proto: http"] },
        { null, false, [], ["Forwarded: for=unknown;host=\"h\";proto=http", "X-Forwarded-Host: h", "X-Forwarded-Proto: http"] },
        { "10.0.0.9", true, [], ["Forwarded: for=10.0.0.9;host=\"h\";proto=http", "X-Forwarded-For: 10.0.0.9", "X-Forwarded-Host: h", "X-Forwarded-Proto: http"] },
        { "10.0.0.9", true, ["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: real", "X-Forwarded-Port: 443", "X-Real-Ip: 192.0.2.1"],
            ["X-Forwarded-For: 192.0.2.1, 10.0.0.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: real", "X-Forwarded-Port: 443", "X-Real-Ip: 192.0.2.1"] },
        { "10.0.0.9", true, ["Forwarded: for=192.0.2.1;proto=https"],
            ["Forwarded: for=192.0.2.1;proto=https, for=10.0.0.9;host=\"h\";proto=http", "X-Forwarded-Host: h", "X-Forwarded-Proto: http"] },
    };

    [Theory, MemberData(nameof(Callers))]
    public void Callers_cannot_say_where_they_come_from_and_trusted_proxies_can(string? from, bool isTrusted, string[] said, string[] seen)
    {
        var headers = new HeaderList { { "Host", "h" } };
        foreach (var line in said) headers.Add(line.Split(": ")[0], line.Split(": ")[1]);
        var text = Write(new Invocation { Function = default, CallId = "c", Method = "GET", Headers = headers, From = from is null ? null : IPAddress.Parse(from), IsFromTrustedProxy = isTrusted });
        Assert.Equal(seen, text.Split("\r\n").Where(static line => ForwardedHeaders.IsOne(line.Split(':')[0])));
    }

    private static string Write(Invocation call)
    {
        Assert.True(RequestHead.TryCreate(call, "10.0.0.2:8080", false, out var head, out var problem), problem);
        var text = Encoding.UTF8.GetString(head.Rented, 0, head.Length);
        head.Return();
        return text;
    }
}
