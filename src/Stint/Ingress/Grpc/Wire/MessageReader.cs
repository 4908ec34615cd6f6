using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Google.Protobuf;

namespace Stint.Ingress.Grpc.Wire;

/// <summary>
/// Messages out of a request's body (doc/PROTOCOL-HTTP2.md):
/// <code>
/// Length-Prefixed-Message → Compressed-Flag Message-Length Message
/// Compressed-Flag         → 0 / 1         ; 1 byte
/// Message-Length          → {length}      ; 4 bytes, big-endian
/// </code>
/// A message is parsed where Kestrel received it; no copy of it is made on the way.
/// </summary>
/// <param name="pipe">The request's body.</param>
/// <param name="limit">The longest message, bytes, compressed and not.</param>
/// <param name="isGzip">Whether the call's <c>grpc-encoding</c> is gzip, which allows messages with the flag.</param>
internal sealed class MessageReader(PipeReader pipe, int limit, bool isGzip)
{
    /// <summary>Bytes before each message.</summary>
    public const int PrefixSize = 5;

    /// <summary>The next message; null at the end of the request.</summary>
    /// <exception cref="GrpcException">The message is longer than the limit, cut off or no message of this type.</exception>
    /// <exception cref="IOException">The caller has gone.</exception>
    public async ValueTask<T?> ReadAsync<T>(MessageParser<T> parser, CancellationToken cancellationToken) where T : class, IMessage<T>
    {
        while (true)
        {
            var read = await pipe.ReadAsync(cancellationToken).ConfigureAwait(false);
            var buffer = read.Buffer;
            if (TryReadPrefix(buffer, out var isCompressed, out var length) && buffer.Length - PrefixSize >= length)
            {
                var message = buffer.Slice(PrefixSize, length);
                try
                {
                    return isCompressed ? parser.ParseFrom(MessageEncoding.Decompress(message, limit).Span) : parser.ParseFrom(message);
                }
                catch (InvalidProtocolBufferException failure)
                {
                    throw new GrpcException(GrpcStatusCode.Internal, $"a message is no {typeof(T).Name}: {failure.Message}");
                }
                finally
                {
                    pipe.AdvanceTo(message.End);
                }
            }
            pipe.AdvanceTo(buffer.Start, buffer.End);
            if (!read.IsCompleted) continue;
            if (buffer.IsEmpty) return null;
            throw new GrpcException(GrpcStatusCode.Internal, "the request ended in the middle of a message");
        }
    }

    /// <summary>The one message of a unary request.</summary>
    /// <exception cref="GrpcException">There is none, or more than one, or it is longer than the limit, cut off or no message of this type.</exception>
    public async ValueTask<T> ReadSingleAsync<T>(MessageParser<T> parser, CancellationToken cancellationToken) where T : class, IMessage<T>
    {
        var message = await ReadAsync(parser, cancellationToken).ConfigureAwait(false)
            ?? throw new GrpcException(GrpcStatusCode.Internal, "the request has no message; this method takes one");
        var read = await pipe.ReadAsync(cancellationToken).ConfigureAwait(false);
        pipe.AdvanceTo(read.Buffer.Start, read.Buffer.Start);
        return read.Buffer.IsEmpty ? message : throw new GrpcException(GrpcStatusCode.Internal, "the request has more than one message; this method takes one");
    }

    /// <summary>The one wording for it.</summary>
    public static GrpcException TooLarge(int limit) =>
        new(GrpcStatusCode.ResourceExhausted, $"the message is larger than {limit / (1024 * 1024)} MiB, the limit of this daemon (--grpc-max-message)");

    // A message that must be refused is refused by its prefix: its bytes are never waited for.
    private bool TryReadPrefix(in ReadOnlySequence<byte> buffer, out bool isCompressed, out int length)
    {
        (isCompressed, length) = (false, 0);
        if (buffer.Length < PrefixSize) return false;
        Span<byte> prefix = stackalloc byte[PrefixSize];
        buffer.Slice(0, PrefixSize).CopyTo(prefix);
        if (prefix[0] > 1) throw new GrpcException(GrpcStatusCode.Internal, $"a message has the flags {prefix[0]}; 0 and 1 (compressed) are known");
        isCompressed = prefix[0] == 1;
        if (isCompressed && !isGzip) throw new GrpcException(GrpcStatusCode.Internal, "a message is flagged as compressed, but the request has no grpc-encoding");
        var announced = BinaryPrimitives.ReadUInt32BigEndian(prefix[1..]);
        if (announced > (uint)limit) throw TooLarge(limit);
        length = (int)announced;
        return true;
    }
}
