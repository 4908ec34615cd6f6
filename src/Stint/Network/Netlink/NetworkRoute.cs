namespace Stint.Network.Netlink;

/// <summary>An IPv4 route.</summary>
/// <param name="Destination">Where it leads to.</param>
/// <param name="Gateway">Over whom, as a number; 0 = directly.</param>
/// <param name="LinkIndex">Over which link; 0 = none.</param>
/// <param name="Table">The table it stands in: 254 the main one, 255 that of the host's own addresses.</param>
/// <param name="Kind">RTN_…: 1 an ordinary one.</param>
/// <param name="Metric">The lower, the better.</param>
internal sealed record NetworkRoute(Ipv4Subnet Destination, uint Gateway, int LinkIndex, uint Table, byte Kind, uint Metric)
{
    /// <summary>The main table.</summary>
    public const uint MainTable = 254;

    /// <summary>The table of the host's own addresses.</summary>
    public const uint LocalTable = 255;

    /// <summary>RTN_UNICAST.</summary>
    public const byte Ordinary = 1;

    /// <summary>RTN_LOCAL: an address of this host.</summary>
    public const byte Own = 2;
}
