using System.Buffers;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Deliveries;

/// <summary>
/// The way of synchronous calls: functions that nothing follows go straight through; others' answers are kept while they pass, and what follows is in the outbox before the answer has ended.
/// </summary>
/// <param name="invoke">Runs a call.</param>
/// <param name="followers">What follows.</param>
/// <param name="outbox">Takes the deliveries.</param>
/// <param name="maxResult">Bytes of an answer that are kept.</param>
/// <param name="logs">Functions' logs.</param>
/// <param name="time">Measures.</param>
internal sealed class FollowedCalls(Func<Invocation, ValueTask<Reply>> invoke, Followers followers, Outbox outbox, int maxResult, FunctionLogs logs, TimeProvider time)
{
    private int MaxResult => maxResult;

    /// <summary>Runs one call. Never throws; the result is awaited once.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation) => followers.Find(invocation.Function) is { } follower ? FollowAsync(invocation, follower) : invoke(invocation);

    private async ValueTask<Reply> FollowAsync(Invocation invocation, CallFollower follower)
    {
        var began = time.GetTimestamp();
        var reply = await invoke(invocation).ConfigureAwait(false);
        if (reply is not { Outcome: Outcome.Answered, Status: >= 200 and < 300, Tunnel: null }) return reply;
        if (reply.Rest is { } rest) return reply.With(new KeptStream(this, invocation, follower, reply, rest, began));
        await EndAsync(invocation, follower, reply, reply.Body, isCut: reply.Body.Length > MaxResult, began).ConfigureAwait(false);
        return reply;
    }

    private async Task EndAsync(Invocation invocation, CallFollower follower, Reply reply, ReadOnlyMemory<byte> body, bool isCut, long began)
    {
        if (isCut)
        {
            logs.Append(invocation.Function, "", "system", $"the answer to call {invocation.CallId} is larger than {MaxResult / (1024 * 1024)} MiB and goes to no sink");
            return;
        }
        reply.Headers.TryGet("Content-Type", out var type);
        await outbox.AddAsync(follower(invocation, new CallResult(reply.Status, type, body, time.GetElapsedTime(began)))).ConfigureAwait(false);
    }

    /// <summary>Passes an answer on, and keeps it.</summary>
    private sealed class KeptStream : IReplyStream
    {
        private readonly FollowedCalls _owner;
        private readonly Invocation _invocation;
        private readonly CallFollower _follower;
        private readonly Reply _reply;
        private readonly IReplyStream _rest;
        private readonly long _began;
        private readonly ArrayBufferWriter<byte> _kept = new();
        private bool _isCut, _hasEnded;

        public KeptStream(FollowedCalls owner, Invocation invocation, CallFollower follower, Reply reply, IReplyStream rest, long began)
        {
            (_owner, _invocation, _follower, _reply, _rest, _began) = (owner, invocation, follower, reply, rest, began);
            Keep(reply.Body);
        }

        public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
        {
            var piece = await _rest.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (!piece.IsEmpty) Keep(piece);
            else if (!_hasEnded)
            {
                _hasEnded = true;
                await _owner.EndAsync(_invocation, _follower, _reply, _kept.WrittenMemory, _isCut, _began).ConfigureAwait(false);
            }
            return piece;
        }

        public void Dispose() => _rest.Dispose();

        private void Keep(ReadOnlyMemory<byte> piece)
        {
            if (_isCut || _kept.WrittenCount + piece.Length > _owner.MaxResult) _isCut = true;
            else _kept.Write(piece.Span);
        }
    }
}
