using System.Net;

namespace Stint.EndToEnd.Containers;

/// <summary>
/// A body of a given length that nobody has to hold: each byte follows from its place. A content of our own, because .NET reads the answer to a <see cref="StreamContent"/> only when all of that
/// is sent.
/// </summary>
internal sealed class PatternContent(long length) : HttpContent
{
    // A prime, so that no block of a buffer's size looks like the one before it.
    private const int Period = 251;

    /// <summary>Reads such a body to its end.</summary>
    /// <returns>How many bytes there were; every one was the right one.</returns>
    public static async Task<long> CheckAsync(Stream body)
    {
        var buffer = new byte[64 * 1024];
        long at = 0;
        for (int read; (read = await body.ReadAsync(buffer)) > 0;)
        {
            for (var i = 0; i < read; i++, at++)
                if (buffer[i] != at % Period) throw new InvalidOperationException($"byte {at} is {buffer[i]} instead of {at % Period}");
        }
        return at;
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        var buffer = new byte[64 * 1024];
        for (long at = 0; at < length;)
        {
            var count = (int)Math.Min(buffer.Length, length - at);
            for (var i = 0; i < count; i++) buffer[i] = (byte)((at + i) % Period);
            await stream.WriteAsync(buffer.AsMemory(0, count));
            at += count;
        }
    }

    protected override bool TryComputeLength(out long size)
    {
        size = length;
        return true;
    }
}
