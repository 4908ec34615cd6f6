using System.Buffers.Binary;
using Stint.Coap.Messages;
using Stint.Coap.Transport;

namespace Stint.Coap.Exchanges;

/// <summary>How much a shard may remember. Times in milliseconds.</summary>
internal sealed record ExchangeLimits(int Entries, long KeptBytes, long Lifetime, long NonLifetime);

/// <summary>
/// Every request that came in within EXCHANGE_LIFETIME, so that a retransmitted one is answered again and not run again (RFC 7252 §4.5).
/// Bounded in entries and bytes: when full, the oldest answered exchange is forgotten early.
/// </summary>
internal sealed class ExchangeTable : IDeadlines
{
    /// <summary>Shards, so that several receive loops seldom meet at a lock. Eight, as three bits of a hash choose one.</summary>
    private const int Shards = 8;

    private readonly ExchangeShard[] _shards = new ExchangeShard[Shards];
    private readonly DeadlineClock _clock;
    private readonly IDatagramSender _sender;
    private readonly CoapCounters _counters;
    private readonly long _acknowledgeAfter;
    private long _nextSweep = DeadlineClock.Never;

    public ExchangeTable(CoapServerOptions options, DeadlineClock clock, IDatagramSender sender, CoapCounters counters, Action<Exchange> completed)
    {
        _clock = clock;
        _sender = sender;
        _counters = counters;
        _acknowledgeAfter = (long)options.AcknowledgeAfter.TotalMilliseconds;
        var limits = new ExchangeLimits(
            Math.Max(1, options.MaxExchanges / Shards),
            Math.Max(1, options.MaxExchangeBytes / Shards),
            (long)options.ExchangeLifetime.TotalMilliseconds,
            (long)options.NonLifetime.TotalMilliseconds);
        for (var i = 0; i < Shards; i++) _shards[i] = new ExchangeShard(limits, completed);
        clock.Add(this);
    }

    /// <summary>Exchanges remembered, and the bytes kept for their duplicates.</summary>
    public (int Count, long KeptBytes) Size
    {
        get
        {
            var (count, bytes) = (0, 0L);
            foreach (var shard in _shards)
            {
                var size = shard.Size;
                count += size.Count;
                bytes += size.KeptBytes;
            }

            return (count, bytes);
        }
    }

    /// <inheritdoc cref="ExchangeShard.Begin"/>
    public ExchangeStart Begin(in ExchangeKey key, CoapMessageType type, long now, Span<byte> kept, out int keptLength, out Exchange? exchange)
    {
        var start = ShardOf(key).Begin(key, type, now, kept, out keptLength, out exchange);
        if (start == ExchangeStart.Started && Volatile.Read(ref _nextSweep) == DeadlineClock.Never)
        {
            Volatile.Write(ref _nextSweep, exchange!.Expires);
            _clock.Expect(exchange.Expires);
        }

        return start;
    }

    /// <summary>The handler did not answer at once: sees to it that the client gets an empty acknowledgement in time.</summary>
    public void AwaitAcknowledgement(Exchange exchange)
    {
        var due = _clock.Now + _acknowledgeAfter;
        ShardOf(exchange.Key).AwaitAcknowledgement(exchange, due);
        _clock.Expect(due);
    }

    /// <summary>Acknowledges a confirmable request ahead of its answer.</summary>
    public void AcknowledgeNow(Exchange exchange)
    {
        var key = exchange.Key;
        ShardOf(key).AcknowledgeNow(exchange);
        SendAcknowledgement(key);
    }

    /// <inheritdoc cref="ExchangeShard.Answer"/>
    public AnswerForm Answer(Exchange exchange) => ShardOf(exchange.Key).Answer(exchange);

    /// <inheritdoc cref="ExchangeShard.Keep"/>
    public void Keep(Exchange exchange, in ExchangeKey key, ReadOnlySpan<byte> answer) => ShardOf(key).Keep(exchange, key, answer);

    /// <inheritdoc/>
    public long RunDue(long now)
    {
        var earliest = DeadlineClock.Never;
        foreach (var shard in _shards)
        {
            long next;
            while (shard.TryAcknowledgeNext(now, out var key, out next)) SendAcknowledgement(key);

            earliest = Math.Min(earliest, next);
        }

        return Math.Min(earliest, Sweep(now));
    }

    private void SendAcknowledgement(in ExchangeKey key)
    {
        Span<byte> acknowledgement = stackalloc byte[MessageHeader.Size];
        BinaryPrimitives.WriteUInt32BigEndian(acknowledgement, 0x6000_0000u | key.MessageId);
        _sender.Send(key.Peer, acknowledgement);
        _counters.Count(CoapEvent.SeparateAcknowledgement);
    }

    private long Sweep(long now)
    {
        var due = Volatile.Read(ref _nextSweep);
        if (due > now) return due;

        // First of all, so that a request which comes in behind the scan asks for a sweep of its own.
        Volatile.Write(ref _nextSweep, DeadlineClock.Never);
        var next = DeadlineClock.Never;
        foreach (var shard in _shards) next = Math.Min(next, shard.Expire(now));
        if (next != DeadlineClock.Never) Volatile.Write(ref _nextSweep, next);
        return next;
    }

    // Multiplied by 2^32 / the golden ratio, the upper three bits depend on all of the lower ones.
    private ExchangeShard ShardOf(in ExchangeKey key) => _shards[(((uint)key.Peer.Low * 31) + ((uint)key.Peer.Port * 17) + key.MessageId) * 2_654_435_769u >> 29];
}
