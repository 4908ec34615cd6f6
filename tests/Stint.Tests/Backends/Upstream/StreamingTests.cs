using System.IO.Pipelines;
using System.Text;
using Stint.Invocations;

namespace Stint.Tests.Backends.Upstream;

/// <summary>Bodies that are longer than what anybody holds, both ways, at the same time.</summary>
public sealed class StreamingTests
{
    private const int Mebibyte = 1024 * 1024;

    // Loopback sockets hold some MiB on each side.
    private const int HeldAtMost = 40 * Mebibyte;

    [Fact]
    public async Task An_answer_is_read_as_slowly_as_its_caller_takes_it()
    {
        const long size = 200L * Mebibyte;
        long sent = 0;
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadRequestAsync();
            await peer.SendAsync($"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
            var piece = new byte[Mebibyte];
            for (var i = 0; i < size / piece.Length; i++)
            {
                await peer.SendAsync(piece);
                Interlocked.Add(ref sent, piece.Length);
            }
            await peer.WaitForEndAsync();
        });
        using var reply = await rig.Upstream.InvokeAsync(UpstreamRig.Call(), default);
        await StandsStillAsync(() => Interlocked.Read(ref sent));
        Assert.InRange(Interlocked.Read(ref sent), 1, HeldAtMost);

        long read = reply.Body.Length;
        while (await reply.Rest!.ReadAsync(default) is { IsEmpty: false } piece) read += piece.Length;
        Assert.Equal(size, read);
        Assert.True(await reply.Completion!.WaitAsync(RawPeer.Limit));
        Assert.Equal(1, rig.Upstream.OpenConnections);
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public async Task A_body_is_read_as_slowly_as_the_server_takes_it(bool lengthIsKnown)
    {
        const long size = 200L * Mebibyte;
        long given = 0, taken = 0;
        var go = new TaskCompletionSource();
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadHeadAsync();
            await go.Task;
            if (lengthIsKnown) for (; taken < size; taken += Mebibyte) await peer.ReadAsync(Mebibyte);
            else
            {
                while (int.Parse((await peer.ReadThroughAsync("\r\n")).AsSpan().TrimEnd(), System.Globalization.NumberStyles.HexNumber, null) is var chunk and > 0)
                {
                    await peer.ReadAsync(chunk + 2);
                    taken += chunk;
                }
                await peer.ReadAsync(2);
            }
            await peer.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            await peer.WaitForEndAsync();
        });
        var pipe = new Pipe();
        var giving = Task.Run(async () =>
        {
            var piece = new byte[64 * 1024];
            for (; given < size; Interlocked.Add(ref given, piece.Length)) await pipe.Writer.WriteAsync(piece);
            await pipe.Writer.CompleteAsync();
        });
        var call = rig.InvokeAsync(new Invocation { Function = default, CallId = "c", BodyStream = pipe.Reader, BodyLength = lengthIsKnown ? size : null });
        await StandsStillAsync(() => Interlocked.Read(ref given));
        Assert.InRange(Interlocked.Read(ref given), 0, HeldAtMost);
        go.SetResult();
        Assert.Equal("ok", (await call).Body);
        await giving;
        Assert.Equal(size, taken);
    }

    [Fact]
    public async Task A_server_that_answers_as_it_reads_stops_nobody()
    {
        const int size = 24 * Mebibyte;
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync($"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
            for (var left = size; left > 0;)
            {
                var piece = await peer.ReadAsync(Math.Min(left, 100_000));
                await peer.SendAsync(piece);
                left -= piece.Length;
            }
            await peer.WaitForEndAsync();
        });
        var pipe = new Pipe();
        var giving = Task.Run(async () =>
        {
            for (var at = 0; at < size; at += 1000)
            {
                var piece = pipe.Writer.GetMemory(1000)[..Math.Min(1000, size - at)];
                piece.Span.Fill((byte)(at / 1000));
                pipe.Writer.Advance(piece.Length);
                await pipe.Writer.FlushAsync();
            }
            await pipe.Writer.CompleteAsync();
        });
        using var reply = await rig.Upstream.InvokeAsync(new Invocation { Function = default, CallId = "c", BodyStream = pipe.Reader, BodyLength = size }, default);
        var at = 0;
        for (var piece = reply.Body; ; piece = await reply.Rest!.ReadAsync(default))
        {
            var right = true;
            foreach (var b in piece.Span) right &= b == (byte)(at++ / 1000);
            Assert.True(right);
            if (piece.IsEmpty && at > 0) break;
        }
        Assert.Equal(size, at);
        await giving;
        Assert.True(await reply.Completion!.WaitAsync(RawPeer.Limit));
    }

    [Fact]
    public async Task An_answer_may_begin_before_the_body_ends()
    {
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            await peer.ReadThroughAsync("0\r\n\r\n");
            await peer.SendAsync("0\r\n\r\n");
            await peer.WaitForEndAsync();
        });
        var pipe = new Pipe();
        using var reply = await rig.Upstream.InvokeAsync(new Invocation { Function = default, CallId = "c", BodyStream = pipe.Reader }, default);
        var first = reply.Body.Length > 0 ? reply.Body : await reply.Rest!.ReadAsync(default);
        Assert.Equal("hello", Encoding.ASCII.GetString(first.Span));
        await pipe.Writer.WriteAsync("the body"u8.ToArray());
        await pipe.Writer.CompleteAsync();
        Assert.True((await reply.Rest!.ReadAsync(default)).IsEmpty);
        Assert.True(await reply.Completion!.WaitAsync(RawPeer.Limit));
    }

    [Fact]
    public async Task An_answer_that_does_not_wait_for_the_body_reaches_the_caller_and_the_body_is_left_alone()
    {
        await using var rig = new UpstreamRig(async peer =>
        {
            await peer.ReadHeadAsync();
            await peer.SendAsync("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
            await peer.WaitForEndAsync();
        });
        var pipe = new Pipe();
        await pipe.Writer.WriteAsync("the beginning"u8.ToArray());
        var (reply, body) = await rig.InvokeAsync(new Invocation { Function = default, CallId = "c", BodyStream = pipe.Reader });
        Assert.Equal((403, "no"), (reply.Status, body));
        if (reply.Completion is { } completion) Assert.True(await completion.WaitAsync(RawPeer.Limit));
        Assert.Equal(0, rig.Upstream.OpenConnections);
    }

    /// <summary>Returns when a number has not changed for a while: it errs on the side of a test that passes, when the machine is so busy that nothing moves.</summary>
    internal static async Task StandsStillAsync(Func<long> number)
    {
        using var limit = new CancellationTokenSource(RawPeer.Limit);
        for (var (last, same) = (-1L, 0); same < 20;)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, limit.Token);
            (last, same) = (number(), number() == last && last > 0 ? same + 1 : 0);
        }
    }
}
