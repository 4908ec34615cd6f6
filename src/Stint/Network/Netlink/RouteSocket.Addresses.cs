using System.Runtime.InteropServices;

namespace Stint.Network.Netlink;

/// <content>IPv4 addresses and routes.</content>
internal sealed partial class RouteSocket
{
    private const ushort NewAddress = 20;
    private const ushort NewRoute = 24;
    private const ushort GetRoute = 26;

    // IFA_…, RTA_…
    private const ushort AddressOfPeer = 1;
    private const ushort AddressLocal = 2;
    private const ushort RouteDestination = 1;
    private const ushort RouteLink = 4;
    private const ushort RouteGateway = 5;
    private const ushort RouteMetric = 6;
    private const ushort RouteTable = 15;

    private const byte ProtocolBoot = 3;   // RTPROT_BOOT: by hand
    private const byte ScopeUniverse = 0;
    private const byte ScopeLink = 253;

    [StructLayout(LayoutKind.Sequential)]
    private struct AddressHeader // ifaddrmsg
    {
        public byte Family;
        public byte PrefixLength;
        public byte Flags;
        public byte Scope;
        public int Index;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct RouteHeader // rtmsg
    {
        public byte Family;
        public byte DestinationLength;
        public byte SourceLength;
        public byte Tos;
        public byte Table;
        public byte Protocol;
        public byte Scope;
        public byte Type;
        public uint Flags;
    }

    /// <summary>Gives a link an IPv4 address.</summary>
    /// <param name="index">The link.</param>
    /// <param name="address">The address, as a number.</param>
    /// <param name="prefixLength">How much of it names the network.</param>
    public void AddAddress(int index, uint address, int prefixLength)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], NewAddress, FlagAck | FlagCreate | FlagExclusive, _netlink.NextSequence());
        request.Add(new AddressHeader { Family = LinuxCalls.AddressFamilyInet, PrefixLength = (byte)prefixLength, Index = index });
        request.AddAddress(AddressLocal, address);
        request.AddAddress(AddressOfPeer, address);
        _netlink.Ask($"give the link {index} the address {Ipv4Subnet.Text(address)}/{prefixLength}", request);
    }

    /// <summary>Adds a route to the main table.</summary>
    /// <param name="destination">Where it leads to.</param>
    /// <param name="gateway">Over whom, as a number; 0 = directly.</param>
    /// <param name="index">Over which link.</param>
    public void AddRoute(Ipv4Subnet destination, uint gateway, int index)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], NewRoute, FlagAck | FlagCreate | FlagExclusive, _netlink.NextSequence());
        request.Add(new RouteHeader
        {
            Family = LinuxCalls.AddressFamilyInet, DestinationLength = (byte)destination.PrefixLength, Table = (byte)NetworkRoute.MainTable, Protocol = ProtocolBoot,
            Scope = gateway == 0 ? ScopeLink : ScopeUniverse, Type = NetworkRoute.Ordinary,
        });
        if (destination.PrefixLength > 0) request.AddAddress(RouteDestination, destination.First);
        if (gateway != 0) request.AddAddress(RouteGateway, gateway);
        request.Add(RouteLink, (uint)index);
        _netlink.Ask($"add a route to {destination}", request);
    }

    /// <summary>All IPv4 routes of all tables, the host's own addresses included.</summary>
    public IReadOnlyList<NetworkRoute> ListRoutes() =>
        Dump("list the routes", GetRoute, new RouteHeader { Family = LinuxCalls.AddressFamilyInet }, static (type, body) => type == NewRoute ? ReadRoute(body) : null);

    /// <summary>Reads the body of an RTM_NEWROUTE; null when it is none of IPv4.</summary>
    internal static NetworkRoute? ReadRoute(ReadOnlySpan<byte> body)
    {
        if (!MemoryMarshal.TryRead<RouteHeader>(body, out var header) || header.Family != LinuxCalls.AddressFamilyInet || header.DestinationLength > 32) return null;
        uint destination = 0, gateway = 0, metric = 0, table = header.Table;
        var link = 0;
        var attributes = new NetlinkAttributes(body[Marshal.SizeOf<RouteHeader>()..]);
        while (attributes.Next())
        {
            switch (attributes.Type)
            {
                case RouteDestination: destination = attributes.Address; break;
                case RouteGateway: gateway = attributes.Address; break;
                case RouteLink: link = (int)Math.Min(attributes.Number, int.MaxValue); break;
                case RouteMetric: metric = attributes.Number; break;
                case RouteTable: table = attributes.Number; break;
            }
        }
        return new NetworkRoute(Ipv4Subnet.Containing(destination, header.DestinationLength), gateway, link, table, header.Type, metric);
    }
}
