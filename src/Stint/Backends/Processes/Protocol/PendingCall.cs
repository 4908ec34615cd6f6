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
/// </summary>
internal sealed class PendingCall(InstanceConnection connection) : IValueTaskSource<Reply>
{
    // Continuations run on the thread that completes: the pool hands the freed slot to the next call before anything else happens.
    private ManualResetValueTaskSourceCore<Reply> _source = new() { RunContinuationsAsynchronously = false };
    private CancellationTokenRegistration _registration;
    private TaskCompletionSource<bool>? _completion;
    private ReplyStream? _stream;
    private PipeReader? _body;
    private int _state;
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

    /// <summary>Ends when the request has been sent to its end, or broken off.</summary>
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
        if (!Move(State.Preparing, State.Running) && _state == (int)State.Abandoned) connection.SendCancel(this);
    }

    /// <summary>Stops sending a body whose rest is of no use any more.</summary>
    public void StopSending()
    {
        _sendingStopped = true;
        _body?.CancelPendingRead();
    }

    /// <summary>Hands over the whole answer, or drops it when the caller has left.</summary>
    public void Finish(Reply reply)
    {
        if (TryLeaveRunning(State.Answered))
        {
            // Reused only when the cancellation can no longer reach this object, and only if no one has asked for its completion.
            _reusable = _registration.Unregister() && reply.Completion is null;
            _source.SetResult(reply);
            return;
        }
        reply.Dispose();
        Settle(usable: true);
    }

    /// <summary>Hands over the beginning of a streamed answer.</summary>
    public void BeginStream(ReplyStream stream, Reply reply)
    {
        _stream = stream;
        if (TryLeaveRunning(State.Streaming))
        {
            _source.SetResult(reply);
            return;
        }
        stream.Abandon(null);
        reply.Dispose();
    }

    /// <summary>The instance is done with a call whose reply came before that: says whether the connection can be used again.</summary>
    public void Settle(bool usable)
    {
        Move(State.Streaming, State.Answered);
        _registration.Unregister();
        CompletionSource.TrySetResult(usable);
    }

    /// <summary>The connection broke: whoever still waits gets the failure.</summary>
    public void Break(Reply failure)
    {
        StopSending();
        if (TryLeaveRunning(State.Answered))
        {
            _registration.Unregister();
            _source.SetResult(failure);
            return;
        }
        _stream?.Abandon(failure.Error);
        Settle(usable: false);
    }

    /// <summary>The request's body could not be read to its end: the caller's fault, which it is told; the function is asked to stop.</summary>
    public void FailBody(Exception failure)
    {
        var outcome = failure is BodyTooLargeException ? Outcome.TooLarge : Outcome.BadRequest;
        if (TryLeaveRunning(State.Abandoned)) _source.SetResult(Invocations.Reply.Failure(outcome, failure.Message, completion: Completion));
        else if (Move(State.Streaming, State.Abandoned)) _stream?.Abandon(failure.Message);
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
        _state = (int)State.Preparing;
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
        var completion = Completion;
        var sent = Move(State.Running, State.Abandoned);
        if (sent || Move(State.Preparing, State.Abandoned))
        {
            StopSending();
            if (sent) connection.SendCancel(this);
            _source.SetResult(Invocations.Reply.Failure(Outcome.Cancelled, "the call was cancelled", completion: completion));
        }
        else if (Move(State.Streaming, State.Abandoned))
        {
            StopSending();
            connection.SendCancel(this);
            _stream?.Abandon("the deadline passed before the answer was complete");
        }
    }

    private bool TryLeaveRunning(State next) => Move(State.Running, next) || Move(State.Preparing, next);

    private bool Move(State from, State to) => Interlocked.CompareExchange(ref _state, (int)to, (int)from) == (int)from;
}
