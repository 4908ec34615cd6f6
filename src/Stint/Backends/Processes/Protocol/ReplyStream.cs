using Stint.Invocations;

namespace Stint.Backends.Processes.Protocol;

/// <summary>
/// The pieces of a streamed answer, one at a time: the connection's loop offers a piece and reads on only when the caller has taken it, so that a slow caller slows the function down
/// and no more than one frame is ever held.
/// </summary>
internal sealed class ReplyStream(PendingCall call) : IReplyStream
{
    private readonly SemaphoreSlim _offered = new(0);
    private readonly SemaphoreSlim _taken = new(0);
    private readonly Lock _lock = new();
    private ReadOnlyMemory<byte> _piece;
    private bool _inUse;    // the caller holds a piece
    private bool _ended;    // no more pieces will be offered
    private bool _closed;   // nobody takes pieces any more
    private string? _failure;

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        ReleasePiece();
        await _offered.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            if (_failure is not null)
            {
                _offered.Release(); // for whoever asks again
                throw new IOException(_failure);
            }
            if (_ended)
            {
                _offered.Release();
                return default;
            }
            _inUse = true;
            return _piece;
        }
    }

    /// <summary>Offers a piece and waits until the caller is done with it; returns at once when nobody takes pieces any more.</summary>
    public async ValueTask OfferAsync(ReadOnlyMemory<byte> piece)
    {
        lock (_lock)
        {
            if (_closed || _failure is not null) return;
            _piece = piece;
        }
        _offered.Release();
        await _taken.WaitAsync().ConfigureAwait(false);
    }

    /// <summary>The answer is complete.</summary>
    public void End()
    {
        lock (_lock) _ended = true;
        _offered.Release();
    }

    /// <summary>Breaks the stream off: the caller's next read fails with the reason (null: nobody reads).</summary>
    public void Abandon(string? reason)
    {
        lock (_lock)
        {
            if (_ended || _failure is not null) return;
            _failure = reason ?? "abandoned";
        }
        _offered.Release();
        _taken.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        bool cancel;
        lock (_lock)
        {
            if (_closed) return;
            _closed = true;
            cancel = !_ended && _failure is null;
        }
        _taken.Release();
        if (cancel) call.CancelStream();
    }

    private void ReleasePiece()
    {
        lock (_lock)
        {
            if (!_inUse) return;
            _inUse = false;
        }
        _taken.Release();
    }
}
