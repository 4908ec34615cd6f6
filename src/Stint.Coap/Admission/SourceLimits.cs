using Stint.Coap.Transport;

namespace Stint.Coap.Admission;

/// <summary>
/// A rate limit per source address (an IPv4 address, an IPv6 /64 network) in a fixed amount of memory. Each source falls into one of 65,536 cells by a hash
/// with a random key; a cell holds one number, the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371). Strangers who share a
/// cell share its rate, which is the price for a table that a flood of spoofed sources cannot grow.
/// </summary>
internal sealed class SourceLimits
{
    private const int Cells = 65_536;

    private readonly long[]? _arrivals;
    private readonly int _salt = Random.Shared.Next();
    private readonly long _increment;
    private readonly long _tolerance;

    /// <param name="perSecond">Datagrams per second and source; 0 = no limit.</param>
    /// <param name="burst">Datagrams that may come at once after a pause.</param>
    public SourceLimits(int perSecond, int burst)
    {
        if (perSecond <= 0) return;
        _arrivals = new long[Cells];
        _increment = Math.Max(1, 1_000_000 / perSecond);
        _tolerance = _increment * Math.Max(1, burst);
    }

    /// <summary>Counts a datagram; false when its source has used up its rate. Loopback is not limited: nobody outside can speak from there.</summary>
    /// <param name="peer">The source.</param>
    /// <param name="now">Clock milliseconds.</param>
    public bool Admit(in Peer peer, long now)
    {
        if (_arrivals is null || peer.IsLoopback) return true;
        var microseconds = now * 1000;
        ref var cell = ref _arrivals[HashCode.Combine(_salt, peer.High, peer.IsIPv4 ? peer.Low : 0) & (Cells - 1)];
        while (true)
        {
            var arrival = Volatile.Read(ref cell);
            var next = Math.Max(arrival, microseconds) + _increment;
            if (next - microseconds > _tolerance) return false;
            if (Interlocked.CompareExchange(ref cell, next, arrival) == arrival) return true;
        }
    }
}
