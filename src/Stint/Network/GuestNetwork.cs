// A machine that goes on from the snapshot of another has the other's addresses in its memory. So that any number of them can live side by side, each lives in a namespace in which those addresses are right, behind a
// translation of its own:
//
//   host: faas7  10.100.0.29/30 ─── eth0  10.100.0.30/30  :namespace:  tap0  198.18.0.1/30 ─── 198.18.0.2  the guest
//                                   what comes in goes to the guest;   the guest's gateway
//                                   what goes out has .30 as its source
//
// From the host, the guest is the second address of its /30, as one with a tap on the host is. 198.18.0.0/15 is nobody's on the Internet (RFC 2544).
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>The network of one virtual machine that has the same addresses as all others of its kind.</summary>
internal sealed class GuestNetwork : IDisposable
{
    /// <summary>The tap's name in the namespace.</summary>
    public const string TapName = "tap0";

    // Locally administered; the same everywhere, because guests remember their gateway's.
    private static readonly byte[] GatewayHardwareAddress = [0x02, 0xfa, 0xa5, 0x00, 0x00, 0x01];

    private readonly VethNetwork _wire;

    private GuestNetwork(VethNetwork wire) => _wire = wire;

    /// <summary>The guest's address, as it knows it.</summary>
    public static IPAddress Guest { get; } = new([198, 18, 0, 2]);

    /// <summary>Its gateway.</summary>
    public static IPAddress Gateway { get; } = new([198, 18, 0, 1]);

    /// <summary>Where the host reaches it.</summary>
    public IPAddress Reach => IPAddress.Parse(Ipv4Subnet.Text(_wire.Addresses.First + 2));

    /// <summary>The namespace in which the tap is.</summary>
    public NetworkNamespace Namespace => _wire.Namespace;

    /// <summary>Makes one.</summary>
    /// <param name="wire">A namespace with a way to the world; it goes with this, also when this cannot be made.</param>
    /// <param name="callbackPort">What the guest may reach at its gateway.</param>
    /// <param name="mtu">Bytes of a packet.</param>
    /// <param name="time">For limits.</param>
    /// <exception cref="NetworkUnavailableException">It cannot be made; the message says why.</exception>
    public static async Task<GuestNetwork> MakeAsync(VethNetwork wire, int callbackPort, int mtu, TimeProvider time)
    {
        try
        {
            await wire.Namespace.RunAsync(() => MakeTap(mtu)).ConfigureAwait(false);
            await FilterAsync(wire.Namespace, callbackPort, time).ConfigureAwait(false);
            return new GuestNetwork(wire);
        }
        catch (Exception failure)
        {
            wire.Dispose();
            if (failure is not (IOException or UnauthorizedAccessException)) throw;
            throw new NetworkUnavailableException($"a network for a resumed virtual machine cannot be made: {failure.Message}", failure);
        }
    }

    /// <summary>Lets a user open the tap without further rights.</summary>
    public Task GiveToAsync(int user) => Namespace.RunAsync(() =>
    {
        TapDevice.GiveTo(TapName, user);
        return true;
    });

    /// <summary>A socket that is bound at the gateway, inside.</summary>
    public Task<Socket> BindAsync(int port) => Namespace.RunAsync(() =>
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(Gateway, port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    });

    /// <summary>Lets go of it; with the last process in it, it ends.</summary>
    public void Dispose() => _wire.Dispose();

    private static bool MakeTap(int mtu)
    {
        using var inside = new RouteSocket();
        TapDevice.Make(TapName);
        var index = inside.Find(TapName)?.Index ?? throw new NetlinkException($"find {TapName}", "it is not there");
        inside.SetHardwareAddress(index, GatewayHardwareAddress);
        inside.SetMtu(index, mtu);
        inside.DisableIpv6Address(index);
        inside.AddAddress(index, Ipv4Subnet.Number(Gateway), AddressPool.PrefixLength);
        inside.SetUp(index);
        // The namespace's own switch, not the host's.
        File.WriteAllText("/proc/sys/net/ipv4/ip_forward", "1");
        return true;
    }

    private static async Task FilterAsync(NetworkNamespace ns, int callbackPort, TimeProvider time)
    {
        var nft = HostTool.Find("nft") ?? throw new NetworkUnavailableException("nftables (nft) is not installed");
        var nsenter = HostTool.Find("nsenter") ?? throw new NetworkUnavailableException("nsenter is not installed; it is in the package util-linux");
        var path = string.Create(CultureInfo.InvariantCulture, $"--net=/proc/{Environment.ProcessId}/fd/{(int)ns.File.DangerousGetHandle()}");
        var result = await HostTool.RunAsync(nsenter, [path, nft, "-f", "-"], Rules(callbackPort), time).ConfigureAwait(false);
        if (result.ExitCode != 0) throw new NetworkUnavailableException($"the kernel does not translate addresses: {result.Error.Split('\n')[0]}");
    }

    private static string Rules(int callbackPort) => string.Create(CultureInfo.InvariantCulture, $$"""
        table ip guest {
            chain prerouting {
                type nat hook prerouting priority dstnat;
                iifname "{{VethNetwork.InsideName}}" dnat to {{Guest}}
            }
            chain postrouting {
                type nat hook postrouting priority srcnat;
                oifname "{{VethNetwork.InsideName}}" masquerade
            }
            chain input {
                type filter hook input priority filter; policy drop;
                ct state established accept
                iifname "{{TapName}}" ip saddr {{Guest}} tcp dport {{callbackPort}} accept
                meta l4proto tcp reject with tcp reset
            }
            chain forward {
                type filter hook forward priority filter; policy drop;
                iifname "{{TapName}}" ip saddr {{Guest}} accept
                oifname "{{TapName}}" accept
            }
        }

        """);
}
