// One exchange on a connection (numbers as in the code):
//
//   1. the request is sent; a long body goes on being sent while the answer is read
//   2. heads are read until the final one: 1xx are skipped
//   3. a small answer is read to its end and handed over in the buffer it came in, and the connection is free
//   4. a long or open-ended one is handed over with its beginning; HttpReplyStream reads on as the caller takes it
//   5. 101: both sides leave HTTP, HttpTunnel
//
// What goes wrong ends the connection, never more:
//
//   cancelled                    the server is told by a half-close; the reply's Completion waits until it lets go
//   ended, broken                HttpUpstream finds out whether the instance is gone
//   no HTTP                      the caller is told what is wrong with it
//   the caller's body is bad     the caller is told; the server sees half a request
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Stint.Invocations;

namespace Stint.Backends.Upstream;

/// <summary>One connection to an instance's server: one exchange at a time (RFC 9112).</summary>
/// <param name="socket">Connected.</param>
/// <param name="owner">The connections of the instance.</param>
internal sealed class HttpConnection(Socket socket, HttpUpstream owner) : IDisposable
{
    /// <summary>Interim answers (1xx) before the final one; more is no conversation.</summary>
    private const int MaxInterim = 32;

    private readonly RequestSender _sender = new(socket);
    private bool _heard;

    /// <summary>Whether it has served a call.</summary>
    public bool IsUsed { get; private set; }

    /// <summary>When it was put aside; a timestamp of the owner's clock.</summary>
    public long IdleSince { get; set; }

    /// <summary>What has come and is not used yet.</summary>
    public ReceiveBuffer Received { get; } = new();

    /// <summary>The socket.</summary>
    public Socket Socket => socket;

    /// <summary>Ends when nothing of the request is touched any more.</summary>
    public Task Sending => _sender.Sending;

    /// <summary>Whether the server has neither closed it nor said anything unasked; for an idle connection.</summary>
    public bool IsQuiet()
    {
        try
        {
            return !socket.Poll(0, SelectMode.SelectRead);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>As <see cref="IsQuiet"/>, for some time.</summary>
    public async ValueTask<bool> StaysQuietAsync(TimeSpan howLong, TimeProvider time, CancellationToken cancellationToken)
    {
        using var end = new CancellationTokenSource(howLong, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(end.Token, cancellationToken);
        try
        {
            await socket.ReceiveAsync(Received.Room(), SocketFlags.None, either.Token).ConfigureAwait(false);
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return true;
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>Runs one exchange. Never throws.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Reply> InvokeAsync(Invocation invocation, RequestHead request, CancellationToken cancellationToken)
    {
        // 1.
        _heard = false;
        _sender.Start(request, invocation);
        try
        {
            // 2.
            ResponseHead? head;
            var interim = 0;
            for (var searched = 0; ;)
            {
                if ((head = owner.Heads.TryRead(Received.Unread, searched)) is not null)
                {
                    if (head.Status >= StatusCodes.Status200OK || head.Status == StatusCodes.Status101SwitchingProtocols) break;
                    if (++interim > MaxInterim) throw new BadAnswerException($"has more than {MaxInterim} interim answers before it");
                    Received.Consume(head.Size);
                    searched = 0;
                    continue;
                }
                if (Received.Count > ResponseHead.MaxSize) throw new BadAnswerException($"has a head of more than {ResponseHead.MaxSize} bytes");
                searched = Received.Count;
                var count = await socket.ReceiveAsync(Received.Room(), SocketFlags.None, cancellationToken).ConfigureAwait(false);
                if (count == 0) return await LostAsync(_heard ? "ended the connection in the middle of its answer" : "closed the connection before it had answered", cancellationToken).ConfigureAwait(false);
                _heard = true;
                Received.Received(count);
            }
            Received.Consume(head.Size);
            if (head.Status == StatusCodes.Status101SwitchingProtocols) return Switch(invocation, head, cancellationToken);

            // 3.
            if (invocation.Method == "HEAD" || head.Status is StatusCodes.Status204NoContent or StatusCodes.Status304NotModified) return Whole(head, 0, head.ContentLength);
            if (head.Framing == BodyFraming.Length && head.ContentLength <= Invocation.MaxInlineBody)
            {
                var length = (int)head.ContentLength.Value;
                while (Received.Count < length)
                {
                    var count = await socket.ReceiveAsync(Received.Room(length), SocketFlags.None, cancellationToken).ConfigureAwait(false);
                    if (count == 0) return await LostAsync("ended the connection in the middle of its answer", cancellationToken).ConfigureAwait(false);
                    Received.Received(count);
                }
                return Whole(head, length, null);
            }

            // 4.
            return Stream(head, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return Reply.Failure(Outcome.Cancelled, "the call was cancelled", completion: LetGoAsync());
        }
        catch (BadAnswerException violation)
        {
            await EndAsync().ConfigureAwait(false);
            Received.Return();
            return Reply.Lost(Outcome.ContractBroken, $"the function's answer {violation.Message}");
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            return await LostAsync($"broke the connection ({failure.Message})", cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stops sending and ends the connection; returns when nothing of the request is touched any more.</summary>
    public Task EndAsync()
    {
        _sender.Stop();
        Dispose();
        return _sender.Sending;
    }

    /// <summary>The exchange is over: the connection serves the next one, or ends.</summary>
    /// <param name="head">What the server said of the connection.</param>
    /// <returns>Null when that is done; else it ends when nothing of the request is touched any more, and then the connection has ended too.</returns>
    public Task? Finish(ResponseHead head)
    {
        // Bytes behind the answer belong to nobody: the next caller must not get them.
        var isReusable = head.IsPersistent && Received.Count == 0 && _sender.Sending.IsCompleted;
        IsUsed = true;
        if (isReusable)
        {
            Received.Return();
            owner.PutAside(this, head.PromisesKeepAlive);
            return null;
        }
        var sending = EndAsync();
        return sending.IsCompleted ? null : sending;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        owner.Forget(this);
        socket.Dispose();
    }

    private Reply Whole(ResponseHead head, int length, long? announced)
    {
        var body = Received.Slice(0, length);
        Received.Consume(length);
        var rented = length > 0 ? Received.Take() : null;
        // The server may answer before it has had all of the request. Then the caller gets its answer, and the slot stays taken until the request has been broken off.
        var completion = Finish(head) is { } sending ? FreeAsync(sending) : null;
        return Reply.Answer(head.Status, head.Headers, body, rented, completion: completion, length: announced);
    }

    private Reply Stream(ResponseHead head, CancellationToken cancellationToken)
    {
        var stream = new HttpReplyStream(this, owner, head);
        var first = stream.TakeFirst(out var rented);
        if (!stream.IsDone)
        {
            stream.Watch(cancellationToken);
            return Reply.Answer(head.Status, head.Headers, first, rented, stream, stream.Completion, head.ContentLength);
        }
        // A chunked answer that has come whole.
        var completion = Finish(head) is { } sending ? FreeAsync(sending) : null;
        return Reply.Answer(head.Status, head.Headers, first, rented, completion: completion);
    }

    private Reply Switch(Invocation invocation, ResponseHead head, CancellationToken cancellationToken)
    {
        if (invocation.Upgrade is null) throw new BadAnswerException("changes protocols (101) although nobody asked for it");
        var tunnel = new HttpTunnel(this);
        tunnel.Watch(cancellationToken);
        return Reply.SwitchProtocols(head.Headers, tunnel, tunnel.Completion);
    }

    private async ValueTask<Reply> LostAsync(string what, CancellationToken cancellationToken)
    {
        await EndAsync().ConfigureAwait(false);
        Received.Return();
        if (_sender.Fault is { } fault) return Reply.Failure(fault is BodyTooLargeException ? Outcome.TooLarge : Outcome.BadRequest, fault.Message);
        if (IsUsed && !_heard) owner.DoubtKeepAlive();
        return await owner.ExplainAsync(what, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Tells the server that nobody waits any more, by a half-close, which every server takes for the caller's departure at the latest when it reads on; and waits until it ends the connection in its turn.
    /// </summary>
    /// <returns>Whether the instance can take another call.</returns>
    private async Task<bool> LetGoAsync()
    {
        _sender.Stop();
        var hasLetGo = true;
        try
        {
            socket.Shutdown(SocketShutdown.Send);
            using var limit = owner.LimitOfLettingGo();
            for (long seen = 0; seen <= ResponseHead.MaxSize;)
            {
                var count = await socket.ReceiveAsync(Received.Room(), SocketFlags.None, limit.Token).ConfigureAwait(false);
                if (count == 0) break;
                // Not of interest, but a short answer to its end is the sign we wait for; a long one ends with the connection.
                seen += count;
            }
        }
        catch (OperationCanceledException)
        {
            hasLetGo = !owner.IsExclusive;
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // That is letting go, too.
        }
        Received.Return();
        await EndAsync().ConfigureAwait(false);
        return hasLetGo;
    }

    private static async Task<bool> FreeAsync(Task sending)
    {
        await sending.ConfigureAwait(false);
        return true;
    }
}
