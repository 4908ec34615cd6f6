using System.Net.Sockets;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>
/// An answer that is read as its caller takes it: nothing is received while the caller is busy, so a slow caller slows the server down and one piece is held at most.
/// </summary>
internal sealed class HttpReplyStream(HttpConnection connection, HttpUpstream owner, ResponseHead head) : IReplyStream
{
    // The most that is received at once.
    private const int Piece = 64 * 1024;

    private readonly ChunkedDecoder? _chunks = head.Framing == BodyFraming.Chunked ? new ChunkedDecoder() : null;
    private readonly TaskCompletionSource<bool> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CancellationTokenRegistration _registration;
    private long _left = head.ContentLength ?? long.MaxValue;
    private bool _hasEnded;        // the server closed a connection whose end is the body's end
    private volatile string? _failure;
    private int _isOver;           // who has the last word on the connection: the end of the answer, or what breaks it off
    private bool _isGivenAway;     // it serves another call, or has ended in good order

    /// <summary>Ends when the connection has done with the call: true when the instance can take another one.</summary>
    public Task<bool> Completion => _completion.Task;

    /// <summary>Whether all of the body has been taken.</summary>
    public bool IsDone => _chunks?.IsDone ?? (_left == 0 || _hasEnded);

    /// <summary>Listens for the deadline and the caller's departure.</summary>
    public void Watch(CancellationToken cancellationToken) => _registration = cancellationToken.UnsafeRegister(static self => ((HttpReplyStream)self!).Abort(), this);

    /// <summary>What has come with the head, in an array that is the caller's to return.</summary>
    public ReadOnlyMemory<byte> TakeFirst(out byte[]? rented)
    {
        rented = null;
        var piece = TakeReceived();
        if (!piece.IsEmpty) rented = connection.Received.Take();
        return piece;
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                if (_failure is { } failure) throw new IOException(failure);
                if (TakeReceived() is { IsEmpty: false } piece) return piece;
                if (IsDone)
                {
                    Finish();
                    return default;
                }
                var count = await connection.Socket.ReceiveAsync(connection.Received.Room(Piece), SocketFlags.None, cancellationToken).ConfigureAwait(false);
                if (count > 0) connection.Received.Received(count);
                else if (head.Framing == BodyFraming.UntilClose) _hasEnded = true;
                else throw Break("the function ended the connection in the middle of its answer");
            }
        }
        catch (BadAnswerException violation)
        {
            throw Break($"the function's answer {violation.Message}");
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            throw Break($"the function broke the connection in the middle of its answer: {failure.Message}");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_failure is null && IsDone) Finish();
        if (_isGivenAway) return;
        if (TryEnd()) _ = SettleAsync(isAlive: true);
        connection.Received.Return();
    }

    private ReadOnlyMemory<byte> TakeReceived()
    {
        var received = connection.Received;
        if (_chunks is not null)
        {
            var range = _chunks.Decode(received.Unread, out var consumed);
            var data = received.Slice(range.Start.Value, range.End.Value - range.Start.Value);
            received.Consume(consumed);
            return data;
        }
        var length = (int)Math.Min(_left, received.Count);
        var piece = received.Slice(0, length);
        received.Consume(length);
        if (head.ContentLength is not null) _left -= length;
        return piece;
    }

    private void Finish()
    {
        if (!TryEnd()) return;
        _isGivenAway = true;
        _registration.Unregister();
        if ((_hasEnded ? connection.EndAsync() : connection.Finish(head)) is { } sending) _ = FreeAsync(sending);
        else _completion.TrySetResult(true);
    }

    /// <summary>The deadline passed or the caller left. The server notices at its next write.</summary>
    private void Abort()
    {
        if (!TryEnd()) return;
        _failure = "the deadline passed before the answer was complete";
        _ = SettleAsync(isAlive: true);
    }

    private IOException Break(string what)
    {
        if (!TryEnd()) return new IOException(_failure ?? what);
        _failure = what;
        _ = SettleAsync(isAlive: null);
        return new IOException(what);
    }

    private bool TryEnd() => Interlocked.Exchange(ref _isOver, 1) == 0;

    // None of its parts throws.
    private async Task SettleAsync(bool? isAlive)
    {
        _registration.Unregister();
        await connection.EndAsync().ConfigureAwait(false);
        _completion.TrySetResult(isAlive ?? await owner.IsAliveAsync().ConfigureAwait(false));
    }

    private async Task FreeAsync(Task sending)
    {
        await sending.ConfigureAwait(false);
        _completion.TrySetResult(true);
    }
}
