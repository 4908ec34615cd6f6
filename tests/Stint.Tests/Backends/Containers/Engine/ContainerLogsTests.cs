using System.Buffers.Binary;
using System.Text;
using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>Output across breaks of the connection, at an engine that breaks where the test wants it; with a real one in the end-to-end tests.</summary>
public sealed class ContainerLogsTests
{
    [Theory]
    [InlineData(true), InlineData(false)]
    public async Task After_a_break_and_after_an_early_end_nothing_is_told_twice_and_nothing_is_left_out(bool breaks)
    {
        // The two outputs' moments are out of order by less than a second, as they are with a real engine.
        var all = new List<(int Stream, int Moment, string Text)> { (1, 10, "one\n"), (1, 20, "tw"), (2, 15, "error one\n"), (1, 30, "o\n"), (2, 25, "error two\n"), (1, 40, "three\n"), (2, 41, "end") };
        for (var broken = 0; broken <= all.Count; broken++)
        {
            var streams = 0;
            var at = broken;
            await using var engine = new PlayedEngine(async call =>
            {
                if (call.IsPing) return;
                if (call.Target.EndsWith("/json", StringComparison.Ordinal))
                {
                    await call.AnswerAsync(200, "{\"Id\":\"a\",\"State\":{\"Running\":false}}");
                    return;
                }
                // The next stream may be asked for while this script still runs.
                var number = ++streams;
                var isFirst = number == 1;
                Assert.Equal(isFirst || (at == 0 && number == 2), !call.Target.Contains("since=", StringComparison.Ordinal));
                // Chunked, so that a break is not an end. The connection ends with the answer, and a client that was not told so could send its next request into that.
                await call.WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
                foreach (var (stream, moment, text) in isFirst ? all.Take(at) : all) await WriteAsync(call, stream, moment, text);
                if (!isFirst || !breaks) await call.WriteAsync("0\r\n\r\n");
                // What follows may end too early; what has been written is told whole.
                Assert.Equal(number == (breaks ? 3 : 2), !call.Target.Contains("follow=", StringComparison.Ordinal));
            });
            using var client = engine.Client();
            var lines = new List<string>();
            await new ContainerLogs(client, TimeProvider.System).FollowAsync("a", (kind, line) => lines.Add($"{kind} {line}"), default);
            Assert.Equal(["Stdout one", "Stdout two", "Stdout three"], lines.Where(static line => line.StartsWith("Stdout", StringComparison.Ordinal)));
            Assert.Equal(["Stderr error one", "Stderr error two", "Stderr end"], lines.Where(static line => line.StartsWith("Stderr", StringComparison.Ordinal)));
            Assert.Equal(breaks ? 3 : 2, streams);
        }
    }

    [Fact]
    public async Task Moments_of_whole_seconds_hide_no_lines()
    {
        await using var engine = new PlayedEngine(static async call =>
        {
            if (call.IsPing) return;
            if (call.Target.EndsWith("/json", StringComparison.Ordinal))
            {
                await call.AnswerAsync(200, "{\"Id\":\"a\",\"State\":{\"Running\":false}}");
                return;
            }
            await call.WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
            foreach (var line in (string[])["one\n", "two\n", "three\n"]) await WriteAsync(call, 1, 0, line);
            await call.WriteAsync("0\r\n\r\n");
        });
        using var client = engine.Client();
        var lines = new List<string>();
        await new ContainerLogs(client, TimeProvider.System).FollowAsync("a", (_, line) => lines.Add(line), default);
        Assert.Equal(["one", "two", "three"], lines);
    }

    [Fact]
    public async Task Output_that_the_engine_does_not_keep_is_a_fault()
    {
        await using var engine = new PlayedEngine(static call => call.IsPing ? Task.CompletedTask : call.AnswerAsync(501, "{\"message\":\"configured logging driver does not support reading\"}"));
        using var client = engine.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(() => new ContainerLogs(client, TimeProvider.System).FollowAsync("a", static (_, _) => { }, default));
        Assert.Equal(EngineFault.Failed, failure.Fault);
    }

    private static Task WriteAsync(PlayedCall call, int stream, int moment, string text)
    {
        var message = Encoding.UTF8.GetBytes($"2026-01-01T00:00:00.{moment:D9}Z {text}");
        var head = new byte[8];
        head[0] = (byte)stream;
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4), message.Length);
        byte[] chunk = [.. Encoding.ASCII.GetBytes($"{message.Length + 8:x}\r\n"), .. head, .. message, .. "\r\n"u8];
        return call.WriteAsync(chunk);
    }
}
