using System.Text;
using Stint.Watchdog.Http;

namespace Stint.Watchdog.Tests.Http;

public sealed class RequestHeadTests
{
    [Fact]
    public void A_head_is_read()
    {
        var head = Read("POST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nX-One:  1 \r\nx-ONE: 2\r\nContent-Length: 5\r\n\r\n", out var status);
        Assert.Equal(0, status);
        Assert.Equal("POST", Text(head.Method));
        Assert.Equal("/a%20b", Text(head.Path));
        Assert.Equal("c=d", Text(head.Query));
        Assert.Equal("1", Text(head.Fields.Find("x-one"u8)));
        Assert.Equal(new Framing(BodyEnd.Length, 5), head.Framing);
        Assert.True(head.KeepsAlive);
    }

    [Fact]
    public void Absolute_form_is_cut_to_origin_form()
    {
        var head = Read("GET http://h/x?y HTTP/1.1\r\nHost: h\r\n\r\n", out var status);
        Assert.Equal(0, status);
        Assert.Equal("/x?y", Text(head.Target));
    }

    [Theory]
    [InlineData("HTTP/1.1\r\nHost: h", true)]
    [InlineData("HTTP/1.1\r\nHost: h\r\nConnection: foo, Close", false)]
    [InlineData("HTTP/1.0", false)]
    [InlineData("HTTP/1.0\r\nConnection: keep-alive", true)]
    public void Whether_the_connection_stays_is_read(string rest, bool stays)
    {
        var head = Read($"GET / {rest}\r\n\r\n", out var status);
        Assert.Equal(0, status);
        Assert.Equal(stays, head.KeepsAlive);
    }

    [Theory]
    [InlineData("GET /", 400)]
    [InlineData("GET / HTTP/1.1", 400)]                                                      // no Host
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400)]
    [InlineData("GET  / HTTP/1.1\r\nHost: a", 400)]
    [InlineData("G(T / HTTP/1.1\r\nHost: a", 400)]
    [InlineData("GET x HTTP/1.1\r\nHost: a", 400)]
    [InlineData("GET /\u0001 HTTP/1.1\r\nHost: a", 400)]
    [InlineData("GET / HTTP/2.0\r\nHost: a", 505)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n folded", 400)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX : space", 400)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX=Y: no name", 400)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX: nul\0", 400)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX: bare\nLine: feed", 400)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nNo colon", 400)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles", 417)]
    // Request smuggling (RFC 9112 section 11.2)
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999", 400)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", 501)]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400)]
    [InlineData("POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400)]
    public void What_is_not_well_formed_is_refused(string head, int expected)
    {
        _ = Read(head + "\r\n\r\n", out var status);
        Assert.Equal(expected, status);
    }

    private static RequestHead Read(string text, out int status)
    {
        var head = new RequestHead();
        var bytes = Encoding.Latin1.GetBytes(text);
        status = head.TryRead(bytes, 0, bytes.Length);
        return head;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.ASCII.GetString(bytes);
}
