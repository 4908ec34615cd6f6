using System.Net;

namespace Stint.Cluster.Transport;

/// <summary>
/// What a caller that has left HTTP sends: the body of a request that stays open while the answer to it is read. Nothing is taken of the caller before the function has agreed, so a call whose worker refused it,
/// or was lost before, is whole and can be sent to another.
/// </summary>
internal sealed class TunnelContent : HttpContent
{
    private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Stream? _stream;

    /// <summary>Sends bytes, at once and as fast as the worker takes them.</summary>
    /// <exception cref="IOException">It takes no more.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var stream = _stream ?? throw new IOException("the way to the worker is not open");
        try
        {
            await stream.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
            await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or ObjectDisposedException || e is OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>The caller will send no more.</summary>
    public void End() => _end.TrySetResult();

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        _stream = stream;
        // The head waits for a body's first bytes otherwise.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        await _end.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
