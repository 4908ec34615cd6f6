// Links of a network namespace: rtnetlink(7), linux/if_link.h. Addresses and routes: RouteSocket.Addresses.cs. Every call is one request and its answer; a refusal is a NetlinkException.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Stint.Network.Netlink;

/// <summary>Changes and lists the links, addresses and routes of the network namespace in which it was opened.</summary>
internal sealed partial class RouteSocket : IDisposable
{
    private const ushort FlagAck = 0x4;
    private const ushort FlagDump = 0x300;
    private const ushort FlagExclusive = 0x200;
    private const ushort FlagCreate = 0x400;

    private const ushort NewLink = 16;
    private const ushort DeleteLink = 17;
    private const ushort GetLink = 18;
    private const ushort SetLink = 19;

    // IFLA_…
    private const ushort LinkHardwareAddress = 1; // IFLA_ADDRESS
    private const ushort LinkName = 3;
    private const ushort LinkMtu = 4;
    private const ushort LinkMaster = 10;
    private const ushort LinkInformation = 18;
    private const ushort LinkAlias = 20;
    private const ushort LinkFamilies = 26;
    private const ushort LinkGroup = 27;
    private const ushort LinkNamespace = 28; // IFLA_NET_NS_FD
    private const ushort InformationKind = 1;
    private const ushort InformationData = 2;
    private const ushort VethPeer = 1;
    private const ushort Ipv6AddressMode = 8; // IFLA_INET6_ADDR_GEN_MODE
    private const byte NoAddress = 1;         // IN6_ADDR_GEN_MODE_NONE

    private const uint Up = 1; // IFF_UP

    // The longest request: a veth pair with two names, and an alias of 255 bytes.
    private const int RequestSize = 1024;
    private const int DumpAttempts = 10;

    private readonly NetlinkSocket _netlink = new();

    [StructLayout(LayoutKind.Sequential)]
    private struct LinkHeader // ifinfomsg
    {
        public byte Family;
        public byte Pad;
        public ushort Type;
        public int Index;
        public uint Flags;
        public uint Change;
    }

    /// <inheritdoc/>
    public void Dispose() => _netlink.Dispose();

    /// <summary>Makes a pair of links that are each other's wire, one of them here, the other in another namespace.</summary>
    /// <param name="name">The one here.</param>
    /// <param name="peer">The other.</param>
    /// <param name="peerNamespace">Where the other is.</param>
    /// <param name="mtu">Bytes of a packet, of both.</param>
    /// <param name="group">The group of the one here.</param>
    public void MakeVeth(string name, string peer, SafeFileHandle peerNamespace, int mtu, uint group)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], NewLink, FlagAck | FlagCreate | FlagExclusive, _netlink.NextSequence());
        request.Add(new LinkHeader());
        request.Add(LinkName, name);
        request.Add(LinkMtu, (uint)mtu);
        request.Add(LinkGroup, group);
        var information = request.Begin(LinkInformation);
        request.Add(InformationKind, "veth");
        var data = request.Begin(InformationData);
        var other = request.Begin(VethPeer);
        request.Add(new LinkHeader());
        request.Add(LinkName, peer);
        request.Add(LinkMtu, (uint)mtu);
        request.Add(LinkNamespace, (uint)peerNamespace.DangerousGetHandle());
        request.End(other);
        request.End(data);
        request.End(information);
        _netlink.Ask($"make the link {name}", request);
    }

    /// <summary>Makes a bridge.</summary>
    public void MakeBridge(string name)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], NewLink, FlagAck | FlagCreate | FlagExclusive, _netlink.NextSequence());
        request.Add(new LinkHeader());
        request.Add(LinkName, name);
        var information = request.Begin(LinkInformation);
        request.Add(InformationKind, "bridge");
        request.End(information);
        _netlink.Ask($"make the link {name}", request);
    }

    /// <summary>Removes a link; of a veth pair, both ends.</summary>
    /// <returns>False when there was none.</returns>
    public bool Remove(int index)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], DeleteLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader { Index = index });
        try
        {
            _netlink.Ask($"remove the link {index}", request);
            return true;
        }
        catch (NetlinkException gone) when (gone.Error == LinuxCalls.ErrorNoSuchDevice)
        {
            return false;
        }
    }

    /// <summary>Removes all links of a group at once, which for a hundred takes the kernel as long as for one.</summary>
    public void RemoveGroup(uint group)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], DeleteLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader());
        request.Add(LinkGroup, group);
        try
        {
            _netlink.Ask("remove a group of links", request);
        }
        catch (NetlinkException gone) when (gone.Error == LinuxCalls.ErrorNoSuchDevice)
        {
            // there were none
        }
    }

    /// <summary>The link of that name; null when there is none.</summary>
    public Link? Find(string name)
    {
        Link? found = null;
        var request = new NetlinkRequest(stackalloc byte[RequestSize], GetLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader());
        request.Add(LinkName, name);
        try
        {
            _netlink.Ask($"find the link {name}", request, (type, body) => found = type == NewLink ? ReadLink(body) : found);
        }
        catch (NetlinkException none) when (none.Error == LinuxCalls.ErrorNoSuchDevice)
        {
            return null;
        }
        return found;
    }

    /// <summary>All links, or those of a group.</summary>
    public IReadOnlyList<Link> List(uint? group = null)
    {
        // The kernel can filter by group only since 5.0 with strict checking, and there are never many.
        var links = Dump("list the links", GetLink, new LinkHeader(), static (type, body) => type == NewLink ? ReadLink(body) : null);
        return group is { } wanted ? [.. links.Where(link => link.Group == wanted)] : links;
    }

    /// <summary>Gives a link another name; it must be down, before Linux 6.2.</summary>
    public void Rename(int index, string name) => Change($"name the link {index} {name}", index, LinkName, name);

    /// <summary>Writes a text beside a link, at most 255 bytes; for people and for finding it again.</summary>
    public void SetAlias(int index, string alias) => Change($"mark the link {index}", index, LinkAlias, alias);

    /// <summary>Puts a link into a group, which packet filters can name.</summary>
    public void SetGroup(int index, uint group) => Change($"put the link {index} into a group", index, LinkGroup, group);

    /// <summary>Sets the largest packet, bytes.</summary>
    public void SetMtu(int index, int mtu) => Change($"set the packet size of the link {index}", index, LinkMtu, (uint)mtu);

    /// <summary>Sets a link's hardware address, six bytes.</summary>
    public void SetHardwareAddress(int index, ReadOnlySpan<byte> address)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], SetLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader { Index = index });
        request.Add(LinkHardwareAddress, address);
        _netlink.Ask($"give the link {index} its hardware address", request);
    }

    /// <summary>Makes a link a port of a bridge; zero takes it out.</summary>
    public void SetMaster(int index, int bridge) => Change($"make the link {index} a port of the bridge {bridge}", index, LinkMaster, (uint)bridge);

    /// <summary>Moves a link into another namespace.</summary>
    public void Move(int index, SafeFileHandle toNamespace) => Change($"move the link {index}", index, LinkNamespace, (uint)toNamespace.DangerousGetHandle());

    /// <summary>Switches a link on.</summary>
    public void SetUp(int index) => Switch($"switch the link {index} on", index, Up);

    /// <summary>Switches a link off; its routes and its neighbours' addresses are forgotten.</summary>
    public void SetDown(int index) => Switch($"switch the link {index} off", index, 0);

    /// <summary>Keeps the kernel from giving a link an IPv6 address of its own when it is switched on. A kernel without IPv6 refuses, and has no such address either.</summary>
    public void DisableIpv6Address(int index)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], SetLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader { Index = index });
        var families = request.Begin(LinkFamilies);
        var inet6 = request.Begin(LinuxCalls.AddressFamilyInet6);
        request.Add(Ipv6AddressMode, NoAddress);
        request.End(inet6);
        request.End(families);
        if (Directory.Exists("/proc/sys/net/ipv6")) _netlink.Ask($"keep IPv6 from the link {index}", request);
    }

    private void Change(string operation, int index, ushort attribute, string value)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], SetLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader { Index = index });
        request.Add(attribute, value);
        _netlink.Ask(operation, request);
    }

    private void Change(string operation, int index, ushort attribute, uint value)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], SetLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader { Index = index });
        request.Add(attribute, value);
        _netlink.Ask(operation, request);
    }

    private void Switch(string operation, int index, uint flags)
    {
        var request = new NetlinkRequest(stackalloc byte[RequestSize], SetLink, FlagAck, _netlink.NextSequence());
        request.Add(new LinkHeader { Index = index, Flags = flags, Change = Up });
        _netlink.Ask(operation, request);
    }

    // A list that changed while it was read may lack something or have it twice: it is read again.
    private List<TItem> Dump<THeader, TItem>(string operation, ushort type, THeader header, NetlinkItemReader<TItem> read) where THeader : unmanaged where TItem : class
    {
        List<TItem> items = [];
        Span<byte> buffer = stackalloc byte[RequestSize];
        for (var attempt = 0; attempt < DumpAttempts; attempt++)
        {
            items.Clear();
            var request = new NetlinkRequest(buffer, type, FlagDump, _netlink.NextSequence());
            request.Add(header);
            var isWhole = _netlink.Ask(operation, request, (itemType, body) =>
            {
                if (read(itemType, body) is { } item) items.Add(item);
            });
            if (isWhole) break;
        }
        return items;
    }

    /// <summary>Reads the body of an RTM_NEWLINK; null when it is too short to be one.</summary>
    internal static Link? ReadLink(ReadOnlySpan<byte> body)
    {
        if (!MemoryMarshal.TryRead<LinkHeader>(body, out var header)) return null;
        var (name, alias, kind) = ("", "", "");
        uint group = 0, mtu = 0, master = 0;
        var attributes = new NetlinkAttributes(body[Marshal.SizeOf<LinkHeader>()..]);
        while (attributes.Next())
        {
            switch (attributes.Type)
            {
                case LinkName: name = attributes.Text; break;
                case LinkAlias: alias = attributes.Text; break;
                case LinkGroup: group = attributes.Number; break;
                case LinkMtu: mtu = attributes.Number; break;
                case LinkMaster: master = attributes.Number; break;
                case LinkInformation:
                    var information = new NetlinkAttributes(attributes.Value);
                    while (information.Next())
                        if (information.Type == InformationKind) kind = information.Text;
                    break;
            }
        }
        return new Link(header.Index, name, kind, alias, group, (int)Math.Min(mtu, int.MaxValue), (int)Math.Min(master, int.MaxValue), (header.Flags & Up) != 0);
    }

    private delegate TItem? NetlinkItemReader<TItem>(ushort type, ReadOnlySpan<byte> body);
}
