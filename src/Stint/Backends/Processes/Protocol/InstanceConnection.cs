// One connection to an instance: one call at a time (docs/runtime-interface.md).
//
//   InvokeAsync      sends REQUEST (and BODY …) and returns what PendingCall will complete
//   PingAsync        asks whether the runtime still answers, while no call is there
//   RunAsync         the connection's only reader: takes each answer to the call that waits for it, notices the instance's death while idle
//   SendCancel       the caller left, or took only a part of a streamed answer
//
// A connection never recovers: what breaks the protocol or the socket ends the instance.
using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;
using Stint.Invocations;

namespace Stint.Backends.Processes.Protocol;

/// <summary>The daemon's end of one connection to an instance.</summary>
internal sealed class InstanceConnection(Socket socket, FrameReader reader, IConnectionOwner owner) : IDisposable
{
    private readonly ResponseHead _responseHead = new();
    private PendingCall? _call;
    private PendingCall? _spare;
    private TaskCompletionSource? _pong;

    /// <summary>Runs a call. The owner never runs two at a time on one connection.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, TimeSpan timeLeft, CancellationToken cancellationToken)
    {
        var streamed = invocation.BodyStream is not null;
        var frame = FrameWriter.Request(invocation, timeLeft, streamed ? default : invocation.Body, more: streamed);
        if (frame is null || cancellationToken.IsCancellationRequested)
        {
            if (frame is { } unused) ArrayPool<byte>.Shared.Return(unused.Rented);
            owner.ConnectionFree(this);
            return new(frame is null ? HeadTooLarge() : Reply.Failure(Outcome.Cancelled, "the call was cancelled"));
        }
        var call = Interlocked.Exchange(ref _spare, null) ?? new PendingCall(this);
        _call = call;
        var reply = call.Reply;
        call.Watch(invocation.BodyStream, cancellationToken);
        if (streamed) SendStream(call, frame.Value.Rented, frame.Value.Length, invocation.BodyStream!);
        else SendWhole(call, frame.Value.Rented, frame.Value.Length);
        call.MarkSent();
        return reply;
    }

    /// <summary>
    /// Asks the runtime whether it is there; ends when it has answered, or when the connection has. Only while no call is in the connection and none can come until this returns: a call that comes
    /// later finds the question sent before it.
    /// </summary>
    public Task PingAsync()
    {
        if (_pong is { } asked) return asked.Task;
        var pong = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _pong = pong;
        var ping = FrameWriter.Ping();
        // Taken by the kernel at once: nothing else is on its way on an idle connection.
        _ = SendRestAsync(0, CopyToRented(ping), ping.Length); // never faults
        return pong.Task;
    }

    /// <summary>Keeps a call's object for the next one.</summary>
    public void Recycle(PendingCall call) => _spare = call;

    /// <summary>Reads until the connection ends; never throws.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (await reader.ReadAsync().ConfigureAwait(false) is { } frame) await TakeAsync(frame).ConfigureAwait(false);
            await BreakAsync(Outcome.Crashed, null).ConfigureAwait(false);
        }
        catch (ProtocolException violation)
        {
            await BreakAsync(Outcome.ContractBroken, violation.Message).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            await BreakAsync(Outcome.Crashed, null).ConfigureAwait(false);
        }
        finally
        {
            reader.Dispose();
        }
    }

    /// <summary>Tells the instance that nobody waits for the answer any more. Called under the call's lock.</summary>
    public void SendCancel(PendingCall call) => call.Sending = SendCancelAfterAsync(call.Sending);

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private static Reply HeadTooLarge() => Reply.Failure(Outcome.BadRequest, $"the request's headers, path and query together are larger than {Frame.MaxPart} bytes");

    private async ValueTask TakeAsync(Frame frame)
    {
        if (frame.Type == FrameType.Pong && Interlocked.Exchange(ref _pong, null) is { } pong)
        {
            pong.SetResult();
            return;
        }
        if (_call is not { } call) throw new ProtocolException($"a frame of type {(int)frame.Type} while no call was running");
        switch (frame.Type)
        {
            case FrameType.Response when frame.More:
                await StreamAsync(call, frame).ConfigureAwait(false);
                break;
            case FrameType.Response:
                Finish(call, Answer(frame, null, null));
                break;
            case FrameType.Failure:
                Finish(call, Reply.Failure(Outcome.FunctionFailed, Encoding.UTF8.GetString(frame.Head.Span)));
                break;
            default:
                throw new ProtocolException($"a frame of type {(int)frame.Type} where an answer was due");
        }
    }

    private Reply Answer(Frame frame, ReplyStream? rest, Task<bool>? completion)
    {
        if (frame.Status is < 200 or > 599) throw new ProtocolException($"status {frame.Status}; it must be 200 to 599");
        var headers = _responseHead.Decode(frame.Head.Span);
        var body = frame.Body;
        if (body.IsEmpty) return Reply.Answer(frame.Status, headers, default, null, rest, completion);
        var rented = reader.TakeBuffer();
        if (rented is null)
        {
            rented = ArrayPool<byte>.Shared.Rent(body.Length);
            body.CopyTo(rented);
            body = rented.AsMemory(0, body.Length);
        }
        return Reply.Answer(frame.Status, headers, body, rented, rest, completion);
    }

    private void Finish(PendingCall call, Reply reply)
    {
        _call = null;
        var isFree = call.TakeAnswer(out var isWanted);
        if (isFree) owner.ConnectionFree(this);
        // The function may answer before it has had all of its body. Then the caller gets its reply, and the slot stays taken until the request has been broken off.
        if (isWanted && !isFree) reply.Completion = call.Completion;
        if (isWanted) call.Deliver(reply);
        else reply.Dispose();
        if (!isFree) _ = SettleWhenSentAsync(call); // never faults; ends with the connection at the latest
        else if (!isWanted) call.Settle(usable: true);
    }

    private async Task SettleWhenSentAsync(PendingCall call)
    {
        call.StopSending();
        await call.Sending.ConfigureAwait(false);
        owner.ConnectionFree(this);
        call.Settle(usable: true);
    }

    private async ValueTask StreamAsync(PendingCall call, Frame first)
    {
        var stream = new ReplyStream(call);
        call.BeginStream(stream, Answer(first, stream, call.Completion));
        while (true)
        {
            var frame = await reader.ReadAsync().ConfigureAwait(false) ?? throw new IOException("the connection ended in the middle of an answer");
            if (frame.Type == FrameType.Failure)
            {
                stream.Abandon(Encoding.UTF8.GetString(frame.Head.Span));
                break;
            }
            if (frame.Type != FrameType.Body) throw new ProtocolException($"a frame of type {(int)frame.Type} in the middle of an answer");
            if (!frame.Body.IsEmpty) await stream.OfferAsync(frame.Body).ConfigureAwait(false);
            if (frame.More) continue;
            stream.End();
            break;
        }
        call.EndStream();
        call.StopSending();
        await call.Sending.ConfigureAwait(false);
        _call = null;
        owner.ConnectionFree(this);
        call.Settle(usable: true);
    }

    private async Task BreakAsync(Outcome outcome, string? violation)
    {
        var reason = await owner.ConnectionLostAsync(violation).ConfigureAwait(false);
        Interlocked.Exchange(ref _pong, null)?.SetResult();
        if (Interlocked.Exchange(ref _call, null) is { } call) call.Break(Reply.Failure(outcome, reason));
    }

    private void SendWhole(PendingCall call, byte[] rented, int length)
    {
        var sending = socket.SendAsync(rented.AsMemory(0, length));
        if (!sending.IsCompletedSuccessfully)
        {
            call.Sending = SendRestAsync(sending, rented, length);
            return;
        }
        var sent = sending.GetAwaiter().GetResult();
        if (sent == length) ArrayPool<byte>.Shared.Return(rented);
        else call.Sending = SendRestAsync(sent, rented, length);
    }

    private async Task SendRestAsync(ValueTask<int> first, byte[] rented, int length)
    {
        var sent = length;
        try
        {
            sent = await first.ConfigureAwait(false);
        }
        catch (SocketException)
        {
            // RunAsync sees the end of the connection and answers the caller.
        }
        await SendRestAsync(sent, rented, length).ConfigureAwait(false);
    }

    private async Task SendRestAsync(int sent, byte[] rented, int length)
    {
        try
        {
            while (sent < length) sent += await socket.SendAsync(rented.AsMemory(sent, length - sent)).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // As above.
        }
        ArrayPool<byte>.Shared.Return(rented);
    }

    private void SendStream(PendingCall call, byte[] head, int headLength, PipeReader body)
    {
        // Set before anything is sent: a function may answer a streamed call at once, and then must not be given the next one before this has ended.
        var ended = new TaskCompletionSource();
        call.Sending = ended.Task;
        _ = SendStreamAsync(call, head, headLength, body).ContinueWith(static (_, end) => ((TaskCompletionSource)end!).SetResult(), ended, TaskScheduler.Default);
    }

    /// <summary>Sends a body that is not held: REQUEST with MORE, then BODY frames as the caller delivers; CANCEL when the rest is of no use any more.</summary>
    private async Task SendStreamAsync(PendingCall call, byte[] head, int headLength, PipeReader body)
    {
        await SendRestAsync(0, head, headLength).ConfigureAwait(false);
        try
        {
            while (!call.IsSendingStopped)
            {
                var read = await body.ReadAsync().ConfigureAwait(false);
                if (read.IsCanceled)
                {
                    body.AdvanceTo(read.Buffer.Start, read.Buffer.End);
                    break;
                }
                var piece = read.Buffer.Slice(0, Math.Min(read.Buffer.Length, Frame.MaxPart));
                var last = read.IsCompleted && piece.Length == read.Buffer.Length;
                var size = (int)piece.Length;
                var rented = ArrayPool<byte>.Shared.Rent(Frame.HeaderSize + size);
                Frame.WriteHeader(rented, FrameType.Body, more: !last, 0, size);
                piece.CopyTo(rented.AsSpan(Frame.HeaderSize));
                body.AdvanceTo(piece.End);
                await SendRestAsync(0, rented, Frame.HeaderSize + size).ConfigureAwait(false);
                if (last) return;
            }
        }
        catch (Exception failure) when (failure is IOException or InvalidOperationException or OperationCanceledException)
        {
            call.FailBody(failure);
        }
        await SendCancelAfterAsync(Task.CompletedTask).ConfigureAwait(false);
    }

    private async Task SendCancelAfterAsync(Task sending)
    {
        // A sender of a streamed body ends it with CANCEL by itself; a second one is ignored by the runtime.
        await sending.ConfigureAwait(false);
        var cancel = FrameWriter.Cancel();
        await SendRestAsync(0, CopyToRented(cancel), cancel.Length).ConfigureAwait(false);
    }

    private static byte[] CopyToRented(byte[] frame)
    {
        var rented = ArrayPool<byte>.Shared.Rent(frame.Length);
        frame.CopyTo(rented, 0);
        return rented;
    }
}

/// <summary>The instance that a connection belongs to.</summary>
internal interface IConnectionOwner
{
    /// <summary>The connection can take the next call.</summary>
    void ConnectionFree(InstanceConnection connection);

    /// <summary>The connection is gone, and the instance with it; returns the reason in one line for whoever waited.</summary>
    /// <param name="violation">What the instance did wrong, when the protocol was broken.</param>
    Task<string> ConnectionLostAsync(string? violation);
}
