using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using FsCheck;
using FsCheck.Fluent;
using Stint.Ingress.Grpc.Wire;
using Stint.V1;

namespace Stint.Tests.Ingress.Grpc;

public sealed class MessageReaderTests
{
    private const int Limit = 1024 * 1024;

    private static byte[] Framed(InvokeRequest message, bool gzip = false)
    {
        var buffer = new ArrayBufferWriter<byte>();
        MessageWriter.Write(buffer, message, gzip);
        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] Prefix(byte flags, uint length)
    {
        var prefix = new byte[MessageReader.PrefixSize];
        prefix[0] = flags;
        BinaryPrimitives.WriteUInt32BigEndian(prefix.AsSpan(1), length);
        return prefix;
    }

    private static MessageReader Reader(byte[] bytes, bool isGzip = false, int limit = Limit) => new(PipeReader.Create(new ReadOnlySequence<byte>(bytes)), limit, isGzip);

    private static async Task<GrpcStatus> RefusalAsync(byte[] bytes, bool isGzip = false, int limit = Limit) =>
        (await Assert.ThrowsAsync<GrpcException>(async () => await Reader(bytes, isGzip, limit).ReadSingleAsync(InvokeRequest.Parser, default))).Status;

    [Fact]
    public void A_message_is_its_flags_its_length_and_itself() =>
        Assert.Equal([0, 0, 0, 0, 6, 0x0a, 4, .. "echo"u8], Framed(new InvokeRequest { Function = "echo" }));

    [Fact]
    public async Task Messages_are_found_wherever_the_pieces_break()
    {
        InvokeRequest[] messages = [new() { Function = "a" }, new(), new() { Function = "b", Query = new string('x', 300) }];
        byte[] bytes = [.. messages.SelectMany(static message => Framed(message))];
        var pipe = new Pipe();
        var reader = new MessageReader(pipe.Reader, Limit, isGzip: false);
        var reading = Task.Run(async () =>
        {
            var read = new List<InvokeRequest>();
            while (await reader.ReadAsync(InvokeRequest.Parser, default) is { } message) read.Add(message);
            return read;
        });
        foreach (var one in bytes) await pipe.Writer.WriteAsync(new[] { one });
        await pipe.Writer.CompleteAsync();
        Assert.Equal(messages, await reading);
    }

    [Fact]
    public async Task A_compressed_message_comes_out_as_it_was()
    {
        var message = new InvokeRequest { Function = "echo", Query = new string('x', 10_000) };
        var framed = Framed(message, gzip: true);
        Assert.True(framed[0] == 1 && framed.Length < 1000);
        Assert.Equal(message, await Reader(framed, isGzip: true).ReadSingleAsync(InvokeRequest.Parser, default));
    }

    [Fact]
    public void A_short_message_is_not_compressed() => Assert.Equal(0, Framed(new InvokeRequest { Function = "echo" }, gzip: true)[0]);

    [Fact]
    public async Task A_message_beyond_the_limit_is_refused_by_its_prefix() =>
        Assert.Equal(GrpcStatusCode.ResourceExhausted, (await RefusalAsync(Prefix(0, Limit + 1))).Code);

    [Fact]
    public async Task A_length_beyond_two_gibibytes_is_no_negative_one() => Assert.Equal(GrpcStatusCode.ResourceExhausted, (await RefusalAsync(Prefix(0, uint.MaxValue))).Code);

    [Fact]
    public async Task A_small_message_that_decompresses_beyond_the_limit_is_refused()
    {
        var framed = Framed(new InvokeRequest { Query = new string('x', 2 * Limit) }, gzip: true);
        Assert.True(framed.Length < Limit);
        Assert.Equal(GrpcStatusCode.ResourceExhausted, (await RefusalAsync(framed, isGzip: true)).Code);
    }

    [Fact]
    public async Task A_message_just_at_the_limit_passes()
    {
        var framed = Framed(new InvokeRequest { Query = new string('x', 1000) });
        var limit = framed.Length - MessageReader.PrefixSize;
        Assert.NotNull(await Reader(framed, limit: limit).ReadSingleAsync(InvokeRequest.Parser, default));
        Assert.Equal(GrpcStatusCode.ResourceExhausted, (await RefusalAsync(framed, limit: limit - 1)).Code);
    }

    public static TheoryData<string, byte[], bool> Broken => new()
    {
        { "no message", [], false },
        { "part of a prefix", [0, 0, 0], false },
        { "part of a message", [.. Prefix(0, 10), 1, 2], false },
        { "two messages", [.. Framed(new()), .. Framed(new())], false },
        { "flags that nobody knows", Prefix(2, 0), false },
        { "compressed without grpc-encoding", Prefix(1, 0), false },
        { "no gzip", [.. Prefix(1, 4), 1, 2, 3, 4], true },
        { "no protobuf", [.. Prefix(0, 2), 0xff, 0xff], false },
        { "text that is no UTF-8 cut off", [.. Prefix(0, 3), 0x0a, 9, 0xff], false },
    };

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task What_is_no_single_message_is_an_internal_error_that_says_so(string what, byte[] bytes, bool isGzip)
    {
        var status = await RefusalAsync(bytes, isGzip);
        Assert.True(status.Code == GrpcStatusCode.Internal && status.Message.Length > 10, $"{what}: {status}");
    }

    [Fact]
    public void No_bytes_at_all_bring_down_more_than_their_own_call() => Prop.ForAll<byte[], bool>(static (bytes, isGzip) =>
    {
        try
        {
            var read = Reader(bytes, isGzip).ReadAsync(InvokeRequest.Parser, default);
            Assert.True(read.IsCompleted);
            _ = read.GetAwaiter().GetResult();
        }
        catch (GrpcException)
        {
            // said to the caller
        }
    }).QuickCheckThrowOnFailure();
}
