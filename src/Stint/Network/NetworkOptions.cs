namespace Stint.Network;

/// <summary>Settings of the network of instances.</summary>
internal sealed record NetworkOptions
{
    /// <summary>The subnet when nobody says another: UniFaaS's.</summary>
    public static Ipv4Subnet DefaultSubnet { get; } = new(0x0a640000, 16);

    /// <summary>Where instances' addresses come from.</summary>
    public Ipv4Subnet Subnet { get; init; } = DefaultSubnet;

    /// <summary>Name servers of instances, as numbers; empty = the host's.</summary>
    public IReadOnlyList<uint> NameServers { get; init; } = [];

    /// <summary>What instances may reach although it is the host's, or otherwise closed to them.</summary>
    public IReadOnlyList<AllowedTarget> Allowed { get; init; } = [];

    /// <summary>Networks of each kind that are made ahead of their use, once that kind is in use.</summary>
    public int Stock { get; init; } = 4;

    /// <summary>What tells this daemon from others on the host, and is the same after a restart: 12 hexadecimal digits.</summary>
    public required string Daemon { get; init; }

    /// <summary>A folder of the daemon's state.</summary>
    public required string Folder { get; init; }
}

/// <summary>Addresses and a port that instances may reach, over TCP and UDP.</summary>
internal readonly record struct AllowedTarget(Ipv4Subnet Addresses, int Port)
{
    /// <inheritdoc/>
    public override string ToString() => $"{(Addresses.PrefixLength == 32 ? Ipv4Subnet.Text(Addresses.First) : Addresses)}:{Port}";
}
