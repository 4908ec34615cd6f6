using Stint.Invocations;

namespace Stint.Cluster.Transport;

/// <summary>A tunnel to a function on a worker: the two directions of one stream of HTTP/2, each with its own window. Disposing before the function has ended resets the stream, which ends the call there.</summary>
internal sealed class RemoteTunnel : ITunnel
{
    // Most WebSockets carry small messages, and there may be thousands.
    private const int SmallPiece = 4096, LargePiece = 32 * 1024;

    private readonly HttpResponseMessage _response;
    private readonly Stream _functionsSide;
    private readonly TunnelContent _callersSide;
    private readonly string _node;
    private readonly Action _ended;
    private readonly TaskCompletionSource<bool> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _buffer = new byte[SmallPiece];
    private int _lastCount;
    private int _isOver;

    private RemoteTunnel(HttpResponseMessage response, Stream functionsSide, TunnelContent callersSide, string node, Action ended) =>
        (_response, _functionsSide, _callersSide, _node, _ended) = (response, functionsSide, callersSide, node, ended);

    /// <summary>Reads an answer of status 200: the function has agreed, or answered as to any other call. The reply takes the response over.</summary>
    /// <param name="response">The answer, of which only the head has been read.</param>
    /// <param name="callersSide">The request's body, which is still open.</param>
    /// <param name="node">The worker, for errors.</param>
    /// <param name="ended">Called once when the tunnel has ended, or the answer has been taken or given up.</param>
    /// <param name="cancellationToken">The caller has left, or the limit has passed.</param>
    /// <inheritdoc cref="ReplyWire.ReadAsync" path="/exception"/>
    public static async ValueTask<Reply> ReadAsync(HttpResponseMessage response, TunnelContent callersSide, string node, Action ended, CancellationToken cancellationToken)
    {
        var headers = response.Headers.NonValidated;
        if (ReplyWire.One(headers, NodeHeaders.Status) != TunnelWire.Agreed)
        {
            callersSide.End();
            return await ReplyWire.ReadAsync(response, null, node, ended, cancellationToken).ConfigureAwait(false);
        }
        var functionsSide = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var tunnel = new RemoteTunnel(response, functionsSide, callersSide, node, ended);
        return Reply.SwitchProtocols(ReplyWire.Headers(headers), tunnel, tunnel._completion.Task);
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        // It has much to say.
        if (_lastCount == SmallPiece && _buffer.Length == SmallPiece) _buffer = new byte[LargePiece];
        try
        {
            _lastCount = await _functionsSide.ReadAsync(_buffer, cancellationToken).ConfigureAwait(false);
            return _buffer.AsMemory(0, _lastCount);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or ObjectDisposedException)
        {
            throw new IOException($"the worker {_node} broke off: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => _callersSide.WriteAsync(bytes, cancellationToken);

    /// <inheritdoc/>
    public void EndWriting() => _callersSide.End();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isOver, 1) != 0) return;
        // First: a caller that has vanished has not merely ended its side.
        _response.Dispose();
        _callersSide.End();
        _ended();
        _completion.TrySetResult(true);
    }
}
