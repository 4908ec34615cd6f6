using System.Buffers;
using System.IO.Pipelines;

namespace Stint.Cluster.Transport;

/// <summary>A request's body as a whole.</summary>
internal readonly struct PipeReaderText(PipeReader reader)
{
    /// <summary>Reads it to its end.</summary>
    /// <param name="limit">Bytes at most.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="NodeProtocolException">It is longer.</exception>
    public async Task<ReadOnlyMemory<byte>> ReadAsync(int limit, CancellationToken cancellationToken)
    {
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (read.Buffer.Length > limit) throw new NodeProtocolException($"a message is longer than {limit} bytes");
            if (read.IsCompleted)
            {
                var bytes = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return bytes;
            }
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }
}
