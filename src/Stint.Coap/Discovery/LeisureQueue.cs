using Stint.Coap.Exchanges;
using Stint.Coap.Transport;

namespace Stint.Coap.Discovery;

/// <summary>
/// Answers to multicast requests, each held back for a random part of the leisure, so that a thousand nodes do not all answer at once (RFC 7252 §8.2).
/// </summary>
internal sealed class LeisureQueue : IDeadlines
{
    /// <summary>Answers that may wait; more are not given. Arbitrary: a second of a busy link.</summary>
    private const int Capacity = 256;

    private readonly DeadlineClock _clock;
    private readonly IDatagramSender _sender;
    private readonly double _leisure;
    private readonly Lock _gate = new();
    private readonly PriorityQueue<(Peer Peer, byte[] Message), long> _waiting = new();

    public LeisureQueue(CoapServerOptions options, DeadlineClock clock, IDatagramSender sender)
    {
        (_clock, _sender, _leisure) = (clock, sender, options.Leisure.TotalMilliseconds);
        clock.Add(this);
    }

    /// <summary>Sends the message some time within the leisure.</summary>
    public void Send(in Peer peer, ReadOnlySpan<byte> message)
    {
        var due = _clock.Now + (long)(Random.Shared.NextDouble() * _leisure);
        lock (_gate)
        {
            if (_waiting.Count >= Capacity) return;
            _waiting.Enqueue((peer, message.ToArray()), due);
        }

        _clock.Expect(due);
    }

    /// <inheritdoc/>
    public long RunDue(long now)
    {
        lock (_gate)
        {
            while (_waiting.TryPeek(out var answer, out var due))
            {
                if (due > now) return due;
                _waiting.Dequeue();
                _sender.Send(answer.Peer, answer.Message);
            }
        }

        return DeadlineClock.Never;
    }
}
