using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Stint.Backends.Upstream;

namespace Stint.Tests.Backends.Upstream;

public sealed class ResponseHeadTests
{
    [Fact]
    public void A_head_is_taken_apart()
    {
        var head = Parse("HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\nX-Empty:\r\nX-Umlaut: \tgrün \r\n");
        Assert.Equal(201, head.Status);
        Assert.Equal(5, head.ContentLength);
        Assert.Equal(BodyFraming.Length, head.Framing);
        Assert.True(head.IsPersistent);
        Assert.False(head.PromisesKeepAlive);
        Assert.Equal(["Content-Type: text/plain", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-Empty: ", "X-Umlaut: grün"], head.Headers.Select(static header => $"{header.Key}: {header.Value}"));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n", true, false)]
    [InlineData("HTTP/1.1 200\r\n", true, false)]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: close\r\n", false, false)]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\n", true, true)]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n", false, true)]
    [InlineData("HTTP/1.0 200 OK\r\n", false, false)]
    [InlineData("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", true, true)]
    public void The_connection_goes_on_when_the_server_says_so(string text, bool isPersistent, bool promises)
    {
        var head = Parse(text);
        Assert.Equal((isPersistent, promises), (head.IsPersistent, head.PromisesKeepAlive));
    }

    [Fact]
    public void Headers_of_the_connection_stay_behind()
    {
        var head = Parse("HTTP/1.1 200 OK\r\nConnection: close, X-Mine\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\nX-Yours: 2\r\n");
        Assert.Equal(["X-Yours"], head.Headers.Select(static header => header.Key));
        Assert.Equal(BodyFraming.Chunked, head.Framing);
    }

    [Fact]
    public void The_new_protocol_is_named_in_a_101_only() => Assert.Equal(["Upgrade"], Parse("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n").Headers.Select(static header => header.Key));

    [Fact]
    public void Bare_line_feeds_end_lines() => Assert.Equal("1", Assert.Single(Parse("HTTP/1.1 200 OK\nA: 1\n").Headers).Value);

    [Theory]
    [InlineData("HTTP/2 200 OK\r\n", "status line")]
    [InlineData("HTTP/1.2 200 OK\r\n", "status line")]
    [InlineData("SSH-2.0-OpenSSH\r\n", "status line")]
    [InlineData("\r\n", "status line")]
    [InlineData("HTTP/1.1 2000 OK\r\n", "status line")]
    [InlineData("HTTP/1.1 099 X\r\n", "status")]
    [InlineData("HTTP/1.1 600 X\r\n", "status")]
    [InlineData("HTTP/1.1 2x0 X\r\n", "status")]
    [InlineData("HTTP/1.1 200 OK\r\nNo colon\r\n", "no header")]
    [InlineData("HTTP/1.1 200 OK\r\n: x\r\n", "no header")]
    [InlineData("HTTP/1.1 200 OK\r\nA : x\r\n", "no header")]
    [InlineData("HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n", "no header")]
    [InlineData("HTTP/1.1 200 OK\r\nA: x\0y\r\n", "control characters")]
    [InlineData("HTTP/1.1 200 OK\r\nA: x\ry\r\n", "control characters")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "Content-Length")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n", "Content-Length")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n", "Content-Length")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length:\r\n", "Content-Length")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n", "Content-Length")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", "both")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding")]
    public void What_cannot_be_followed_is_refused(string text, string reason) => Assert.Contains(reason, Assert.Throws<BadAnswerException>(() => Parse(text)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_length_that_is_said_twice_is_one() => Assert.Equal(5, Parse("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n").ContentLength);

    [Fact]
    public void The_end_is_found_wherever_the_bytes_were_cut()
    {
        foreach (var text in (string[])["HTTP/1.1 200 OK\r\nA: b\r\n\r\nBODY", "HTTP/1.1 200 OK\nA: b\n\nBODY", "HTTP/1.1 200 OK\r\nA: b\n\r\nBODY"])
        {
            var bytes = Encoding.ASCII.GetBytes(text);
            for (var cut = 0; cut <= bytes.Length; cut++)
            {
                var first = ResponseHead.FindEnd(bytes.AsSpan(0, cut));
                var found = first >= 0 ? first : ResponseHead.FindEnd(bytes, searched: cut);
                Assert.Equal(bytes.Length - 4, found);
            }
        }
    }

    [Fact]
    public void Any_bytes_at_all_do_no_harm()
    {
        var lines = Gen.Elements("HTTP/1.1 200 OK", "A: b", "Content-Length: 1", "Transfer-Encoding: chunked", "Connection: x,,\t,", ":", "\0", "", "é: ö", "HTTP/1.0 101").ListOf();
        Prop.ForAll(lines.ToArbitrary(), ArbMap.Default.ArbFor<byte[]>(), static (texts, noise) =>
        {
            byte[] bytes = [.. Encoding.UTF8.GetBytes(string.Join("\r\n", texts)), .. noise, .. "\r\n\r\n"u8];
            try
            {
                var memory = new HeadMemory();
                var once = memory.TryRead(bytes, 0);
                var twice = memory.TryRead(bytes, 0);
                return once is not null && twice is not null && once.Status == twice.Status && once.Size == twice.Size;
            }
            catch (BadAnswerException)
            {
                return true;
            }
        }).QuickCheckThrowOnFailure();
    }

    private static ResponseHead Parse(string text) => ResponseHead.Parse(Encoding.UTF8.GetBytes(text + (text.Contains('\r', StringComparison.Ordinal) ? "\r\n" : "\n")));
}
