using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>Streams of objects and of output, cut into pieces by a network.</summary>
public sealed class EngineStreamTests
{
    private const string Died = "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"a\",\"Attributes\":{\"exitCode\":\"3\"}},\"timeNano\":5}\n";

    [Fact]
    public async Task Objects_come_whole_wherever_they_are_cut()
    {
        var bytes = Encoding.UTF8.GetBytes(Died + "\r\n\n" + Died.Replace("\"a\"", "\"ä\"", StringComparison.Ordinal) + Died.TrimEnd());
        for (var cut = 0; cut <= bytes.Length; cut += 7)
        {
            await using var engine = Playing(bytes, cut);
            using var client = engine.Client();
            var ids = new List<string>();
            await foreach (var happened in await client.OpenEventsAsync(null, null, default))
            {
                Assert.Equal((3, 5), (happened.ExitCode, happened.TimeNano));
                ids.Add(happened.Id);
            }
            Assert.Equal(["a", "ä", "a"], ids);
        }
    }

    [Theory]
    [InlineData("nonsense\n")]
    [InlineData("[]\n")]
    [InlineData("{}\n")]
    [InlineData("{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":null}\n")]
    [InlineData("{\"Type\":\"container\"")]
    public async Task What_is_no_event_ends_the_stream(string text)
    {
        await using var engine = Playing(Encoding.UTF8.GetBytes(Died + text), 10);
        using var client = engine.Client();
        var seen = 0;
        var failure = await Assert.ThrowsAsync<EngineException>(async () =>
        {
            await foreach (var _ in await client.OpenEventsAsync(null, null, default)) seen++;
        });
        Assert.Equal((EngineFault.Broken, 1), (failure.Fault, seen));
    }

    [Fact]
    public async Task A_line_without_end_is_not_read_to_its_end()
    {
        await using var engine = new PlayedEngine(static async call =>
        {
            if (call.IsPing) return;
            await call.BeginAsync();
            var more = new byte[64 * 1024];
            while (!call.Stop.IsCancellationRequested) await call.WriteAsync(more);
        });
        using var client = engine.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(async () =>
        {
            await foreach (var _ in await client.OpenEventsAsync(null, null, default)) Assert.Fail("there was none");
        });
        Assert.Equal(EngineFault.Broken, failure.Fault);
    }

    [Fact]
    public async Task A_stream_that_breaks_off_says_so()
    {
        await using var engine = new PlayedEngine(static call => call.IsPing ? Task.CompletedTask : call.WriteAsync($"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{Died.Length:x}\r\n{Died}\r\n"));
        using var client = engine.Client();
        var seen = 0;
        var failure = await Assert.ThrowsAsync<EngineException>(async () =>
        {
            await foreach (var _ in await client.OpenEventsAsync(null, null, default)) seen++;
        });
        Assert.Equal((EngineFault.BrokeOff, 1), (failure.Fault, seen));
    }

    [Fact]
    public void Output_is_the_same_wherever_it_is_cut()
    {
        var message = Gen.Choose(0, 200).SelectMany(length => Gen.Choose(1, 2).Select(stream => (Stream: stream, Text: new string((char)('a' + length % 26), length))));
        var run = message.ListOf().SelectMany(messages => Gen.Choose(0, 2000).Select(cut => (Messages: messages.ToList(), Cut: cut)));
        Prop.ForAll(run.ToArbitrary(), static played =>
        {
            var bytes = new List<byte>();
            foreach (var (stream, text) in played.Messages) bytes.AddRange(Message(stream, text));
            var (stdout, stderr, starts) = ReadAsync([.. bytes], played.Cut).GetAwaiter().GetResult();
            Assert.Equal(string.Concat(played.Messages.Where(static one => one.Stream == 1).Select(static one => one.Text)), stdout);
            Assert.Equal(string.Concat(played.Messages.Where(static one => one.Stream == 2).Select(static one => one.Text)), stderr);
            // A message's beginning is seen with all that a moment may need.
            Assert.Equal(played.Messages.Where(static one => one.Text.Length > 0).Select(static one => Math.Min(one.Text.Length, 40)), starts.Select(static length => Math.Min(length, 40)));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0, 1, 0, 0, 0, 1, 65 })]
    [InlineData(new byte[] { 9, 0, 0, 0, 0, 0, 0, 1, 65 })]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 0, 5, 65 })]
    [InlineData(new byte[] { 1, 0, 0, 0, 0 })]
    public async Task What_is_no_output_is_said_to_be_none(byte[] bytes)
    {
        var failure = await Assert.ThrowsAsync<EngineException>(() => ReadAsync(bytes, 3));
        Assert.Equal(EngineFault.Broken, failure.Fault);
    }

    [Fact]
    public async Task A_message_that_claims_to_be_huge_is_passed_on_in_pieces()
    {
        await using var engine = new PlayedEngine(static async call =>
        {
            if (call.IsPing) return;
            await call.BeginAsync();
            await call.WriteAsync(new byte[] { 1, 0, 0, 0, 255, 255, 255, 255 });
            var more = new byte[64 * 1024];
            while (!call.Stop.IsCancellationRequested) await call.WriteAsync(more);
        });
        using var client = engine.Client();
        await using var output = await client.Containers.OpenLogsAsync("a", default, default);
        var length = 0L;
        while (length < 8 << 20)
        {
            var piece = (await output.ReadAsync(default))!.Value;
            Assert.InRange(piece.Bytes.Length, 1, 1 << 20);
            length += piece.Bytes.Length;
        }
    }

    private static byte[] Message(int stream, string text)
    {
        var message = new byte[8 + text.Length];
        message[0] = (byte)stream;
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(4), text.Length);
        Encoding.ASCII.GetBytes(text, message.AsSpan(8));
        return message;
    }

    private static async Task<(string Stdout, string Stderr, List<int> Starts)> ReadAsync(byte[] bytes, int cut)
    {
        await using var engine = Playing(bytes, Math.Min(cut, bytes.Length));
        using var client = engine.Client();
        await using var output = await client.Containers.OpenLogsAsync("a", default, default);
        var (stdout, stderr, starts) = (new StringBuilder(), new StringBuilder(), new List<int>());
        while (await output.ReadAsync(default) is { } piece)
        {
            (piece.Kind is OutputKind.Stderr ? stderr : stdout).Append(Encoding.ASCII.GetString(piece.Bytes.Span));
            if (piece.IsStart) starts.Add(piece.Bytes.Length);
        }
        return (stdout.ToString(), stderr.ToString(), starts);
    }

    // The pause lets the first part arrive alone, as a rule; nothing depends on it.
    private static PlayedEngine Playing(byte[] bytes, int cut) => new(async call =>
    {
        if (call.IsPing) return;
        await call.BeginAsync();
        await call.WriteAsync(bytes.AsMemory(0, cut));
        await Task.Yield();
        await call.WriteAsync(bytes.AsMemory(cut));
    });
}
