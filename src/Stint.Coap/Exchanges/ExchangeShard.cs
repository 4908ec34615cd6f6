using System.Buffers;
using System.Buffers.Binary;
using Stint.Coap.Messages;

namespace Stint.Coap.Exchanges;

/// <summary>What came of looking a request up.</summary>
internal enum ExchangeStart
{
    /// <summary>New: run it.</summary>
    Started,

    /// <summary>Seen before: send what was kept, if anything.</summary>
    Duplicate,

    /// <summary>No room: everything that could be forgotten is still running.</summary>
    Full,
}

/// <summary>In what form a response has to leave (RFC 7252 §5.2).</summary>
internal enum AnswerForm
{
    /// <summary>On the back of the acknowledgement.</summary>
    Piggybacked,

    /// <summary>In a confirmable message of its own, the acknowledgement being out already.</summary>
    Separate,

    /// <summary>In a non-confirmable message.</summary>
    NonConfirmable,
}

/// <summary>
/// A part of <see cref="ExchangeTable"/> with a lock of its own. Both lists are in order of arrival, and as all exchanges live equally long and are
/// acknowledged after the same delay, that is also the order of their deadlines: the head is always the next one due.
/// </summary>
internal sealed class ExchangeShard(ExchangeLimits limits, Action<Exchange> completed)
{
    /// <summary>How far from the oldest a full shard looks for one that may be forgotten; bounds the work of a packet.</summary>
    private const int EvictionReach = 8;

    private readonly Lock _gate = new();
    private readonly Dictionary<ExchangeKey, Exchange> _byKey = [];
    private readonly Stack<Exchange> _free = new();
    private Exchange? _oldest, _newest, _firstWaiting, _lastWaiting;
    private long _keptBytes;

    /// <summary>Exchanges remembered, and the bytes kept for their duplicates.</summary>
    public (int Count, long KeptBytes) Size
    {
        get
        {
            lock (_gate) return (_byKey.Count, _keptBytes);
        }
    }

    /// <summary>Looks the request up; a duplicate's answer is copied to <paramref name="kept"/>.</summary>
    public ExchangeStart Begin(in ExchangeKey key, CoapMessageType type, long now, Span<byte> kept, out int keptLength, out Exchange? exchange)
    {
        keptLength = 0;
        lock (_gate)
        {
            if (_byKey.TryGetValue(key, out exchange))
            {
                if (exchange.Expires > now)
                {
                    CopyKept_NeedsLock(exchange, kept, ref keptLength);
                    return ExchangeStart.Duplicate;
                }

                // Expired while running: the id may be used again, but the running one must find its own entry. Treat as a duplicate without an answer.
                if (exchange.State != ExchangeState.Answered) return ExchangeStart.Duplicate;
                Forget_NeedsLock(exchange);
            }

            while (_oldest is { State: ExchangeState.Answered } old && old.Expires <= now) Forget_NeedsLock(old);
            if (_byKey.Count >= limits.Entries && !Evict_NeedsLock())
            {
                exchange = null;
                return ExchangeStart.Full;
            }

            exchange = _free.TryPop(out var reused) ? reused : new Exchange(completed);
            exchange.Key = key;
            exchange.Type = type;
            exchange.State = ExchangeState.Running;
            exchange.Expires = now + (type == CoapMessageType.Confirmable ? limits.Lifetime : limits.NonLifetime);
            _byKey.Add(key, exchange);
            Append_NeedsLock(exchange);
            return ExchangeStart.Started;
        }
    }

    /// <summary>Puts a confirmable exchange on the list of those that get an empty acknowledgement when the handler takes its time.</summary>
    public void AwaitAcknowledgement(Exchange exchange, long due)
    {
        lock (_gate)
        {
            if (exchange.State != ExchangeState.Running) return;
            exchange.AcknowledgeBy = due;
            exchange.IsWaiting = true;
            exchange.EarlierWaiting = _lastWaiting;
            if (_lastWaiting is null) _firstWaiting = exchange;
            else _lastWaiting.LaterWaiting = exchange;
            _lastWaiting = exchange;
        }
    }

    /// <summary>
    /// Takes the next exchange whose acknowledgement is due; false when there is none, with the time of the next in <paramref name="next"/>.
    /// Its duplicates get the empty acknowledgement from now on.
    /// </summary>
    public bool TryAcknowledgeNext(long now, out ExchangeKey key, out long next)
    {
        lock (_gate)
        {
            next = _firstWaiting?.AcknowledgeBy ?? DeadlineClock.Never;
            key = default;
            if (next > now) return false;

            var exchange = _firstWaiting!;
            Unwait_NeedsLock(exchange);
            exchange.State = ExchangeState.Acknowledged;
            KeepEmptyAcknowledgement_NeedsLock(exchange);
            key = exchange.Key;
            return true;
        }
    }

    /// <summary>Marks a running exchange as acknowledged; the caller sends.</summary>
    public void AcknowledgeNow(Exchange exchange)
    {
        lock (_gate)
        {
            exchange.State = ExchangeState.Acknowledged;
            KeepEmptyAcknowledgement_NeedsLock(exchange);
        }
    }

    /// <summary>The answer is here: fixes the form in which it leaves.</summary>
    public AnswerForm Answer(Exchange exchange)
    {
        lock (_gate)
        {
            var form = exchange.Type == CoapMessageType.NonConfirmable ? AnswerForm.NonConfirmable
                : exchange.State == ExchangeState.Acknowledged ? AnswerForm.Separate
                : AnswerForm.Piggybacked;
            if (exchange.IsWaiting) Unwait_NeedsLock(exchange);
            exchange.State = ExchangeState.Answered;
            return form;
        }
    }

    /// <summary>Keeps a copy of the answer for duplicates and lets go of old ones when there are too many bytes.</summary>
    public void Keep(Exchange exchange, in ExchangeKey key, ReadOnlySpan<byte> answer)
    {
        lock (_gate)
        {
            // Between Answer and Keep a full shard may have forgotten and reused the object.
            if (exchange.Key != key || exchange.State != ExchangeState.Answered || exchange.Kept is not null) return;
            Keep_NeedsLock(exchange, answer);
            while (_keptBytes > limits.KeptBytes && _oldest is { State: ExchangeState.Answered } old && old != exchange) Forget_NeedsLock(old);
        }
    }

    /// <summary>Forgets what has expired; returns when the next does.</summary>
    public long Expire(long now)
    {
        lock (_gate)
        {
            while (_oldest is { State: ExchangeState.Answered } old && old.Expires <= now) Forget_NeedsLock(old);
            // One that still runs cannot go; look again after a second.
            return _oldest is null ? DeadlineClock.Never : Math.Max(_oldest.Expires, now + 1000);
        }
    }

    private static void CopyKept_NeedsLock(Exchange exchange, Span<byte> target, ref int length)
    {
        // A duplicate of a NON request is passed over in silence (§4.5).
        if (exchange.Kept is null || exchange.Type == CoapMessageType.NonConfirmable) return;
        exchange.Kept.AsSpan(0, exchange.KeptLength).CopyTo(target);
        length = exchange.KeptLength;
    }

    private bool Evict_NeedsLock()
    {
        var candidate = _oldest;
        for (var i = 0; i < EvictionReach && candidate is not null; i++, candidate = candidate.Newer)
        {
            if (candidate.State != ExchangeState.Answered) continue;
            Forget_NeedsLock(candidate);
            return true;
        }

        return false;
    }

    private void KeepEmptyAcknowledgement_NeedsLock(Exchange exchange)
    {
        Span<byte> bytes = stackalloc byte[MessageHeader.Size];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, 0x6000_0000u | exchange.Key.MessageId);
        Keep_NeedsLock(exchange, bytes);
    }

    private void Keep_NeedsLock(Exchange exchange, ReadOnlySpan<byte> bytes)
    {
        exchange.Kept = ArrayPool<byte>.Shared.Rent(bytes.Length);
        bytes.CopyTo(exchange.Kept);
        exchange.KeptLength = bytes.Length;
        _keptBytes += exchange.Kept.Length;
    }

    private void Append_NeedsLock(Exchange exchange)
    {
        exchange.Older = _newest;
        if (_newest is null) _oldest = exchange;
        else _newest.Newer = exchange;
        _newest = exchange;
    }

    private void Unwait_NeedsLock(Exchange exchange)
    {
        if (exchange.EarlierWaiting is null) _firstWaiting = exchange.LaterWaiting;
        else exchange.EarlierWaiting.LaterWaiting = exchange.LaterWaiting;
        if (exchange.LaterWaiting is null) _lastWaiting = exchange.EarlierWaiting;
        else exchange.LaterWaiting.EarlierWaiting = exchange.EarlierWaiting;
        exchange.EarlierWaiting = exchange.LaterWaiting = null;
        exchange.IsWaiting = false;
    }

    private void Forget_NeedsLock(Exchange exchange)
    {
        _byKey.Remove(exchange.Key);
        if (exchange.Older is null) _oldest = exchange.Newer;
        else exchange.Older.Newer = exchange.Newer;
        if (exchange.Newer is null) _newest = exchange.Older;
        else exchange.Newer.Older = exchange.Older;
        exchange.Older = exchange.Newer = null;
        if (exchange.Kept is not null)
        {
            _keptBytes -= exchange.Kept.Length;
            ArrayPool<byte>.Shared.Return(exchange.Kept);
            exchange.Kept = null;
        }

        exchange.Key = default;
        _free.Push(exchange);
    }
}
