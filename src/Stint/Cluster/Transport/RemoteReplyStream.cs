using Stint.Invocations;

namespace Stint.Cluster.Transport;

/// <summary>A worker's answer, read as its caller takes it: HTTP/2's windows slow the worker down as much. Disposing before the end resets the stream, which cancels the call there.</summary>
/// <param name="response">The answer, taken over.</param>
/// <param name="body">Its body.</param>
/// <param name="node">The worker, for errors.</param>
/// <param name="ended">Called once, at the end or when it is given up.</param>
internal sealed class RemoteReplyStream(HttpResponseMessage response, Stream body, string node, Action ended) : IReplyStream
{
    private readonly byte[] _buffer = new byte[32 * 1024];
    private int _isOver;

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            var count = await body.ReadAsync(_buffer, cancellationToken).ConfigureAwait(false);
            if (count == 0) Dispose();
            return _buffer.AsMemory(0, count);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            Dispose();
            throw new IOException($"the worker {node} broke off in the middle of its answer: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isOver, 1) != 0) return;
        response.Dispose();
        ended();
    }
}
