using System.Buffers;
using System.Buffers.Binary;
using Google.Protobuf;

namespace Stint.Ingress.Grpc.Wire;

/// <summary>Writes length-prefixed messages; the grammar is above <see cref="MessageReader"/>.</summary>
internal static class MessageWriter
{
    /// <summary>Writes one, straight into the response's own buffer. Nothing is flushed.</summary>
    /// <param name="output">The response's body.</param>
    /// <param name="message">What is sent.</param>
    /// <param name="gzip">Whether the response's <c>grpc-encoding</c> is gzip; short messages are sent as they are all the same.</param>
    public static void Write(IBufferWriter<byte> output, IMessage message, bool gzip)
    {
        var size = message.CalculateSize();
        if (gzip && size >= MessageEncoding.LeastCompressed)
        {
            var compressed = MessageEncoding.Compress(message.ToByteArray());
            WritePrefix(output, 1, compressed.Length);
            output.Write(compressed.Span);
            return;
        }
        WritePrefix(output, 0, size);
        message.WriteTo(output);
    }

    private static void WritePrefix(IBufferWriter<byte> output, byte flags, int length)
    {
        var prefix = output.GetSpan(MessageReader.PrefixSize);
        prefix[0] = flags;
        BinaryPrimitives.WriteInt32BigEndian(prefix[1..], length);
        output.Advance(MessageReader.PrefixSize);
    }
}
