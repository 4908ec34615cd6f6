using Stint.Coap.Transport;

namespace Stint.Coap.Exchanges;

/// <summary>
/// Message ids for what we send. They must not repeat towards one peer within EXCHANGE_LIFETIME (RFC 7252 §4.4); a counter per peer would be memory
/// that strangers can claim, so peers share 4,096 counters by hash. Each starts at random, which makes a guessed acknowledgement a 1 : 65,536 shot.
/// </summary>
internal sealed class MessageIds
{
    private const int Counters = 4096;

    private readonly int[] _last = new int[Counters];

    public MessageIds()
    {
        for (var i = 0; i < _last.Length; i++) _last[i] = Random.Shared.Next();
    }

    /// <summary>The next id towards this peer.</summary>
    public ushort Next(in Peer peer) => (ushort)Interlocked.Increment(ref _last[peer.GetHashCode() & (Counters - 1)]);
}
