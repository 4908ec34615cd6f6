using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using Stint.Invocations;

namespace Stint.Backends.Processes.Protocol;

/// <summary>
/// One call on a connection, and the race for its answer between the instance and the caller's departure:
/// <code>
///   Preparing ─sent─▶ Running ──answer──▶ Answered          the usual way
///       │                │  └──first piece──▶ Streaming ──last piece──▶ Answered
///       └───cancelled────┴──▶ Abandoned ◀──cancelled──┘     the caller has its reply; the connection is busy until the instance lets go
/// </code>
/// An answer may come while the call is still Preparing: the instance is quick, or the body is long and the function did not wait for all of it.
/// A CANCEL is sent under the same lock as the state changes: once the answer has been taken none can follow, where it would hit the connection's next call.
/// </summary>
internal sealed class PendingCall(InstanceConnection connection) : IValueTaskSource<Reply>
{
    private readonly Lock _lock = new();

    // Continuations run on the thread that completes: the pool hands the freed slot to the next call before anything else happens.
    private ManualResetValueTaskSourceCore<Reply> _source = new() { RunContinuationsAsynchronously = false };
    private CancellationTokenRegistration _registration;
    private TaskCompletionSource<bool>? _completion;
    private ReplyStream? _stream;
    private PipeReader? _body;
    private State _state;
    private bool _cancelDue;   // cancelled before the request was on its way: CANCEL follows it
    private bool _reusable;
    private volatile bool _sendingStopped;

    private enum State
    {
        Preparing,
        Running,
        Streaming,
        Answered,
        Abandoned,
    }

    /// <summary>Ends when the request has been sent to its end, or broken off, and a CANCEL after it.</summary>
    public Task Sending { get; set; } = Task.CompletedTask;

    /// <summary>Whether the rest of the request's body is of no use any more.</summary>
    public bool IsSendingStopped => _sendingStopped;

    /// <summary>The reply, for the one caller.</summary>
    public ValueTask<Reply> Reply => new(this, _source.Version);

    /// <summary>Ends when the instance is done with the call: for replies that come before that.</summary>
    public Task<bool> Completion => CompletionSource.Task;

    private TaskCompletionSource<bool> CompletionSource
    {
        get
        {
            if (_completion is { } existing) return existing;
            var fresh = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            return Interlocked.CompareExchange(ref _completion, fresh, null) ?? fresh;
        }
    }

    /// <summary>Watches for the caller's departure; called before anything is sent.</summary>
    public void Watch(PipeReader? body, CancellationToken cancellationToken)
    {
        _body = body;
        _registration = cancellationToken.UnsafeRegister(static self => ((PendingCall)self!).Abandon(), this);
    }

    /// <summary>The request, or its beginning, is on its way: a cancellation may now be sent after it.</summary>
    public void MarkSent()
    {
        lock (_lock)
        {
            if (_state == State.Preparing) _state = State.Running;
            if (!_cancelDue) return;
            _cancelDue = false;
            connection.SendCancel(this);
        }
    }

    /// <summary>Stops sending a body whose rest is of no use any more.</summary>
    public void StopSending()
    {
        _sendingStopped = true;
        _body?.StopReading();
    }

    /// <summary>The whole answer has come: no CANCEL is sent any more.</summary>
    /// <param name="isWanted">Whether the caller still waits for it: then <see cref="Deliver"/> it.</param>
    /// <returns>Whether nothing is being sent, so that the connection is free.</returns>
    public bool TakeAnswer(out bool isWanted)
    {
        lock (_lock)
        {
            isWanted = Leave_NeedsLock(State.Answered);
            return Sending.IsCompleted;
        }
    }

    /// <summary>Hands over the whole answer.</summary>
    public void Deliver(Reply reply)
    {
        // Used again only when the cancellation can no longer reach this object, and only if no one has asked for its completion.
        _reusable = _registration.Unregister() && reply.Completion is null;
        _source.SetResult(reply);
    }

    /// <summary>Hands over the beginning of a streamed answer.</summary>
    public void BeginStream(ReplyStream stream, Reply reply)
    {
        bool isWanted;
        lock (_lock)
        {
            _stream = stream;
            isWanted = Leave_NeedsLock(State.Streaming);
        }
        if (isWanted)
        {
            _source.SetResult(reply);
            return;
        }
        stream.Abandon(null);
        reply.Dispose();
    }

    /// <summary>The last piece has come: no CANCEL is sent any more.</summary>
    public void EndStream()
    {
        lock (_lock)
        {
            if (_state == State.Streaming) _state = State.Answered;
        }
    }

    /// <summary>The caller takes no more pieces.</summary>
    public void CancelStream()
    {
        lock (_lock)
        {
            if (_state == State.Streaming) connection.SendCancel(this);
        }
    }

    /// <summary>The instance is done with a call whose reply came before that: says whether the connection can be used again.</summary>
    public void Settle(bool usable)
    {
        _registration.Unregister();
        CompletionSource.TrySetResult(usable);
    }

    /// <summary>The connection broke: whoever still waits gets the failure.</summary>
    public void Break(Reply failure)
    {
        StopSending();
        bool isWanted;
        lock (_lock) isWanted = Leave_NeedsLock(State.Answered);
        if (isWanted)
        {
            _registration.Unregister();
            _source.SetResult(failure);
            return;
        }
        _stream?.Abandon(failure.Error);
        Settle(usable: false);
    }

    /// <summary>The request's body could not be read to its end: the caller's fault, which it is told. The sender asks the function to stop.</summary>
    public void FailBody(Exception failure)
    {
        bool isWanted, wasStreaming;
        lock (_lock)
        {
            wasStreaming = _state == State.Streaming;
            if (wasStreaming) _state = State.Abandoned;
            isWanted = Leave_NeedsLock(State.Abandoned);
        }
        var outcome = failure is BodyTooLargeException ? Outcome.TooLarge : Outcome.BadRequest;
        if (isWanted) _source.SetResult(Invocations.Reply.Failure(outcome, failure.Message, completion: Completion));
        else if (wasStreaming) _stream?.Abandon(failure.Message);
    }

    Reply IValueTaskSource<Reply>.GetResult(short token)
    {
        var reply = _source.GetResult(token);
        if (_reusable) Recycle();
        return reply;
    }

    ValueTaskSourceStatus IValueTaskSource<Reply>.GetStatus(short token) => _source.GetStatus(token);

    void IValueTaskSource<Reply>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    private void Recycle()
    {
        _source.Reset();
        _state = State.Preparing;
        _completion = null;
        _stream = null;
        _body = null;
        _reusable = false;
        _sendingStopped = false;
        Sending = Task.CompletedTask;
        connection.Recycle(this);
    }

    private void Abandon()
    {
        bool isWanted;
        lock (_lock)
        {
            if (_state is State.Answered or State.Abandoned) return;
            isWanted = _state != State.Streaming;
            if (_state == State.Preparing) _cancelDue = true;
            else connection.SendCancel(this);
            _state = State.Abandoned;
        }
        StopSending();
        if (isWanted) _source.SetResult(Invocations.Reply.Failure(Outcome.Cancelled, "the call was cancelled", completion: Completion));
        else _stream?.Abandon("the deadline passed before the answer was complete");
    }

    // Whether a caller still waits for the reply; if so, it gets it now.
    private bool Leave_NeedsLock(State next)
    {
        _cancelDue = false;
        if (_state is not (State.Preparing or State.Running)) return false;
        _state = next;
        return true;
    }
}
