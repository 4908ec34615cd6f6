namespace Stint.Network;

/// <summary>
/// Hands out the networks of four addresses (/30) of a subnet: the first host address is the host's end and the gateway, the second the instance's. They come round in turn, so that one that was given
/// back is not given out again at once: what is still under way to its former owner would reach the new one.
/// </summary>
internal sealed class AddressPool(Ipv4Subnet subnet)
{
    /// <summary>Bits that a /30 has in common.</summary>
    public const int PrefixLength = 30;

    private readonly Lock _lock = new();
    private readonly HashSet<int> _taken = [];
    private int _next;

    /// <summary>How many there are.</summary>
    public int Count { get; } = subnet.PrefixLength <= PrefixLength ? 1 << (PrefixLength - subnet.PrefixLength) : 0;

    /// <summary>How many are given out.</summary>
    public int Taken
    {
        get { lock (_lock) return _taken.Count; }
    }

    /// <summary>Takes one.</summary>
    /// <exception cref="NetworkUnavailableException">All are in use.</exception>
    public Ipv4Subnet Take()
    {
        lock (_lock)
        {
            if (_taken.Count == Count) throw new NetworkUnavailableException($"all {Count} networks of {subnet} are in use; give functions more room with --network-subnet");
            while (!_taken.Add(_next)) _next = (_next + 1) % Count;
            var taken = new Ipv4Subnet(subnet.First + (uint)_next * 4, PrefixLength);
            _next = (_next + 1) % Count;
            return taken;
        }
    }

    /// <summary>Gives one back.</summary>
    public void Return(Ipv4Subnet network)
    {
        lock (_lock) _taken.Remove((int)((network.First - subnet.First) / 4));
    }
}
