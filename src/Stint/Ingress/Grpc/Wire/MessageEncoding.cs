using System.Buffers;
using System.IO.Compression;

namespace Stint.Ingress.Grpc.Wire;

/// <summary>How messages are compressed: gRPC's <c>identity</c> and <c>gzip</c>.</summary>
internal static class MessageEncoding
{
    /// <summary>The value of <c>grpc-accept-encoding</c>: all that is understood here.</summary>
    public const string Accepted = "identity,gzip";

    /// <summary>The word for gzip in <c>grpc-encoding</c>.</summary>
    public const string Gzip = "gzip";

    /// <summary>Messages below this many bytes are sent as they are: gzip's own header and trailer take 18. Arbitrary, above that.</summary>
    public const int LeastCompressed = 256;

    private const int Piece = 16 * 1024;

    /// <summary>Whether a request header <c>grpc-accept-encoding</c> names gzip.</summary>
    public static bool AcceptsGzip(ReadOnlySpan<char> accepted)
    {
        foreach (var part in accepted.Split(','))
            if (accepted[part].Trim().SequenceEqual(Gzip)) return true;
        return false;
    }

    /// <summary>Compresses a message, for speed rather than size.</summary>
    public static ReadOnlyMemory<byte> Compress(ReadOnlySpan<byte> message)
    {
        using var compressed = new MemoryStream(message.Length / 2);
        using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(message);
        return compressed.GetBuffer().AsMemory(0, (int)compressed.Length);
    }

    /// <summary>Decompresses a message of at most <paramref name="limit"/> bytes; no more than that is ever made, however small the message is compressed.</summary>
    /// <exception cref="GrpcException">The message is longer than the limit, or no gzip.</exception>
    public static ReadOnlyMemory<byte> Decompress(in ReadOnlySequence<byte> message, int limit)
    {
        var compressed = ArrayPool<byte>.Shared.Rent((int)message.Length);
        try
        {
            message.CopyTo(compressed);
            using var gzip = new GZipStream(new MemoryStream(compressed, 0, (int)message.Length, writable: false), CompressionMode.Decompress);
            var plain = new ArrayBufferWriter<byte>(Piece);
            while (gzip.Read(plain.GetSpan(Piece)) is > 0 and var read)
            {
                plain.Advance(read);
                if (plain.WrittenCount > limit) throw MessageReader.TooLarge(limit);
            }
            return plain.WrittenMemory;
        }
        catch (InvalidDataException failure)
        {
            throw new GrpcException(GrpcStatusCode.Internal, $"a message is not the gzip that grpc-encoding promised: {failure.Message}");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(compressed);
        }
    }
}
