using System.Buffers.Binary;
using Stint.Coap.Transport;

namespace Stint.Coap.Exchanges;

/// <summary>How a confirmable message of ours ended.</summary>
internal enum Delivery
{
    /// <summary>The peer acknowledged it.</summary>
    Acknowledged,

    /// <summary>The peer answered with a reset: it has no use for it.</summary>
    Rejected,

    /// <summary>No sign of life after the last retransmission, or no room to wait in.</summary>
    Lost,
}

/// <summary>A confirmable message of ours on its way. Guarded by the lock of <see cref="OutgoingMessages"/>.</summary>
internal sealed class Outgoing(Peer peer, byte[] message, Action<Delivery>? ended)
{
    public Peer Peer { get; } = peer;

    public byte[] Message { get; set; } = message;

    /// <summary>A newer message that takes this one's place at the next chance (RFC 7641 §4.5.2).</summary>
    public byte[]? Successor { get; set; }

    public Action<Delivery>? Ended { get; } = ended;

    public int Attempt { get; set; }

    public long Timeout { get; set; }

    public long Due { get; set; }

    public bool IsOver { get; set; }

    public bool IsCancelled { get; set; }

    public ushort MessageId => BinaryPrimitives.ReadUInt16BigEndian(Message.AsSpan(2));
}

/// <summary>
/// Confirmable messages that we send: separate responses and notifications. Each is repeated with doubling time-outs until it is acknowledged
/// (RFC 7252 §4.2); no more than NSTART are under way to one peer, the rest wait in a short line (§4.7).
/// </summary>
internal sealed class OutgoingMessages : IDeadlines
{
    private readonly CoapServerOptions _options;
    private readonly DeadlineClock _clock;
    private readonly IDatagramSender _sender;
    private readonly CoapCounters _counters;
    private readonly MessageIds _ids;
    private readonly Lock _gate = new();
    private readonly Dictionary<ExchangeKey, Outgoing> _underWay = [];
    private readonly Dictionary<Peer, PeerTraffic> _peers = [];
    private readonly PriorityQueue<Outgoing, long> _due = new();
    private int _count;

    public OutgoingMessages(CoapServerOptions options, DeadlineClock clock, IDatagramSender sender, CoapCounters counters, MessageIds ids)
    {
        (_options, _clock, _sender, _counters, _ids) = (options, clock, sender, counters, ids);
        clock.Add(this);
    }

    /// <summary>Messages under way or in line.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>
    /// Sends a confirmable message, now or when the peer's turn comes. <paramref name="ended"/> is called once, outside every lock;
    /// null is returned, and it is called with <see cref="Delivery.Lost"/>, when the lines are full.
    /// </summary>
    public Outgoing? Send(in Peer peer, byte[] message, Action<Delivery>? ended)
    {
        var outgoing = new Outgoing(peer, message, ended);
        lock (_gate)
        {
            if (!_peers.TryGetValue(peer, out var traffic)) _peers.Add(peer, traffic = new PeerTraffic());
            if (_count < _options.MaxOutgoing && (traffic.UnderWay < _options.NStart || traffic.Line.Count < _options.MaxOutgoingPerPeer))
            {
                _count++;
                if (traffic.UnderWay < _options.NStart) Launch_NeedsLock(outgoing, traffic);
                else traffic.Line.Enqueue(outgoing);
                return outgoing;
            }

            if (traffic.UnderWay == 0) _peers.Remove(peer);
        }

        _counters.Count(CoapEvent.OutgoingDropped);
        ended?.Invoke(Delivery.Lost);
        return null;
    }

    /// <summary>
    /// Lets a newer message take the place of one that is not acknowledged yet; false when that one is over and the newer must be sent on its own.
    /// The count of attempts goes on, so that a dead peer is found out however often the content changes.
    /// </summary>
    public bool TryReplace(Outgoing outgoing, byte[] message)
    {
        lock (_gate)
        {
            if (outgoing.IsOver) return false;
            outgoing.Successor = message;
            return true;
        }
    }

    /// <summary>Nobody wants the message any more; its end is not reported.</summary>
    public void Cancel(Outgoing outgoing)
    {
        lock (_gate)
        {
            // One that still stands in line is passed over when its turn comes.
            if (outgoing.IsOver) return;
            if (_underWay.Remove(new ExchangeKey(outgoing.Peer, outgoing.MessageId))) End_NeedsLock(outgoing);
            else outgoing.IsCancelled = true;
        }
    }

    /// <summary>An empty acknowledgement came in.</summary>
    public void Acknowledge(in Peer peer, ushort messageId)
    {
        Outgoing? outgoing;
        lock (_gate)
        {
            if (!_underWay.Remove(new ExchangeKey(peer, messageId), out outgoing)) return;
            if (outgoing.Successor is { } successor)
            {
                // The peer lives and has old news: the newer message starts from the beginning in the same place.
                outgoing.Message = successor;
                outgoing.Successor = null;
                _peers[peer].UnderWay--;
                Launch_NeedsLock(outgoing, _peers[peer]);
                return;
            }

            End_NeedsLock(outgoing);
        }

        outgoing.Ended?.Invoke(Delivery.Acknowledged);
    }

    /// <summary>A reset came in; false when it is for nothing that is under way.</summary>
    public bool Reject(in Peer peer, ushort messageId)
    {
        Outgoing? outgoing;
        lock (_gate)
        {
            if (!_underWay.Remove(new ExchangeKey(peer, messageId), out outgoing)) return false;
            End_NeedsLock(outgoing);
        }

        outgoing.Ended?.Invoke(Delivery.Rejected);
        return true;
    }

    /// <inheritdoc/>
    public long RunDue(long now)
    {
        List<Outgoing>? lost = null;
        long next;
        lock (_gate)
        {
            while (_due.TryPeek(out var outgoing, out var due))
            {
                // An entry of the queue is stale once its message is over or was sent again in the meantime.
                if (outgoing.IsOver || outgoing.Due != due)
                {
                    _due.Dequeue();
                    continue;
                }

                if (due > now) break;
                _due.Dequeue();
                if (outgoing.Attempt < _options.MaxRetransmit)
                {
                    Repeat_NeedsLock(outgoing, now);
                    continue;
                }

                _underWay.Remove(new ExchangeKey(outgoing.Peer, outgoing.MessageId));
                End_NeedsLock(outgoing);
                (lost ??= []).Add(outgoing);
            }

            next = _due.TryPeek(out _, out var first) ? first : DeadlineClock.Never;
        }

        foreach (var outgoing in lost ?? [])
        {
            _counters.Count(CoapEvent.OutgoingLost);
            outgoing.Ended?.Invoke(Delivery.Lost);
        }

        return next;
    }

    private void Repeat_NeedsLock(Outgoing outgoing, long now)
    {
        if (outgoing.Successor is { } successor)
        {
            _underWay.Remove(new ExchangeKey(outgoing.Peer, outgoing.MessageId));
            outgoing.Message = successor;
            outgoing.Successor = null;
            _underWay[new ExchangeKey(outgoing.Peer, outgoing.MessageId)] = outgoing;
        }

        outgoing.Attempt++;
        outgoing.Timeout *= 2;
        outgoing.Due = now + outgoing.Timeout;
        _due.Enqueue(outgoing, outgoing.Due);
        _counters.Count(CoapEvent.Retransmission);
        _sender.Send(outgoing.Peer, outgoing.Message);
    }

    // The first time-out is ACK_TIMEOUT × (1 … ACK_RANDOM_FACTOR), so that peers that started together do not repeat together (§4.2).
    private void Launch_NeedsLock(Outgoing outgoing, PeerTraffic traffic)
    {
        traffic.UnderWay++;
        var key = new ExchangeKey(outgoing.Peer, outgoing.MessageId);
        if (_underWay.ContainsKey(key))
        {
            // 65,536 ids ago a message to the same peer took this id and is still under way.
            BinaryPrimitives.WriteUInt16BigEndian(outgoing.Message.AsSpan(2), _ids.Next(outgoing.Peer));
            key = new ExchangeKey(outgoing.Peer, outgoing.MessageId);
        }

        _underWay[key] = outgoing;
        outgoing.Attempt = 0;
        outgoing.Timeout = (long)(_options.AckTimeout.TotalMilliseconds * (1 + (Random.Shared.NextDouble() * (_options.AckRandomFactor - 1))));
        outgoing.Due = _clock.Now + outgoing.Timeout;
        _due.Enqueue(outgoing, outgoing.Due);
        _clock.Expect(outgoing.Due);
        _sender.Send(outgoing.Peer, outgoing.Message);
    }

    private void End_NeedsLock(Outgoing outgoing)
    {
        outgoing.IsOver = true;
        _count--;
        var traffic = _peers[outgoing.Peer];
        traffic.UnderWay--;
        while (traffic.UnderWay < _options.NStart && traffic.Line.TryDequeue(out var next))
        {
            if (!next.IsCancelled)
            {
                Launch_NeedsLock(next, traffic);
                continue;
            }

            next.IsOver = true;
            _count--;
        }

        if (traffic.UnderWay == 0) _peers.Remove(outgoing.Peer);
    }

    private sealed class PeerTraffic
    {
        public int UnderWay { get; set; }

        public Queue<Outgoing> Line { get; } = new();
    }
}
