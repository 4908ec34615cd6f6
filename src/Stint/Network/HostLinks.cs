// Links of ours on the host. What tells them from others':
//
//   name    faas0, faas1, …: whichever is free, since other daemons (and UniFaaS) name theirs so too
//   group   a number made of the daemon's id, so that packet filters can speak of all of them at once; set as the link is made
//   alias   stint:DAEMON, for people and for the daemon that finds what another run of it left
using System.Globalization;
using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>Makes, finds and removes the links of one daemon in the network namespace that it runs in.</summary>
internal sealed class HostLinks(string daemon)
{
    /// <summary>What all names begin with.</summary>
    public const string NamePrefix = "faas";

    private readonly string _alias = $"stint:{daemon}";
    private readonly Lock _lock = new();
    private int _next;

    /// <summary>The group of instances' links.</summary>
    public uint Group { get; } = GroupOf(daemon);

    /// <summary>The group of taps: VMs may reach the callback server as well.</summary>
    public uint TapGroup => Group + 1;

    /// <summary>Makes a pair of links with one end in a namespace, and gives the end on the host its address. IPv6 stays off.</summary>
    /// <returns>The name of the end on the host.</returns>
    public string MakeVeth(NetworkNamespace ns, string peer, uint address, int mtu)
    {
        using var host = new RouteSocket();
        var name = TakeName(candidate => host.MakeVeth(candidate, peer, ns.File, mtu, Group));
        Configure(host, name, address);
        return name;
    }

    /// <summary>Makes a tap with its address on the host. It stays until it is removed.</summary>
    /// <returns>Its name.</returns>
    public string MakeTap(uint address, int mtu)
    {
        using var host = new RouteSocket();
        var name = TakeName(TapDevice.Make);
        try
        {
            var index = Index(host, name);
            host.SetGroup(index, TapGroup);
            host.SetMtu(index, mtu);
            Configure(host, name, address);
        }
        catch
        {
            Remove(name);
            throw;
        }
        return name;
    }

    /// <summary>Removes a link; one that is gone already is no error.</summary>
    public static void Remove(string name)
    {
        using var host = new RouteSocket();
        if (host.Find(name) is { } link) host.Remove(link.Index);
    }

    /// <summary>Switches a link off and on.</summary>
    /// <exception cref="NetlinkException">It is gone.</exception>
    public static void Restart(string name)
    {
        using var host = new RouteSocket();
        var index = Index(host, name);
        host.SetDown(index);
        host.SetUp(index);
    }

    /// <summary>Removes every link of this daemon, of this run or of one that was killed.</summary>
    /// <returns>Their names.</returns>
    public IReadOnlyList<string> RemoveAll()
    {
        using var host = new RouteSocket();
        var all = host.List();
        var ours = all.Where(IsOurs).ToList();
        foreach (var group in ours.Select(static link => link.Group).Where(group => group == Group || group == TapGroup).Distinct())
            if (all.All(link => link.Group != group || IsOurs(link))) host.RemoveGroup(group);
        // What was in a group with somebody else's. A namespace that is being removed takes its link along while we look at it: then there is nothing to remove.
        foreach (var link in ours) host.Remove(link.Index);
        return [.. ours.Select(static link => link.Name)];
    }

    /// <summary>
    /// Whether a link is this daemon's. One in our group without an alias was being made when the daemon was killed; a foreign link of the same name, or with another daemon's alias, is never touched.
    /// </summary>
    internal bool IsOurs(Link link) => link.Alias == _alias || (link.Alias.Length == 0 && link.Name.StartsWith(NamePrefix, StringComparison.Ordinal) && (link.Group == Group || link.Group == TapGroup));

    /// <summary>Group 0 is everybody's; even numbers, so that the next one is free for taps.</summary>
    internal static uint GroupOf(string daemon)
    {
        var hash = System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(daemon));
        return (BitConverter.ToUInt32(hash) & 0x7ffffffe) | 0x40000000;
    }

    private void Configure(RouteSocket host, string name, uint address)
    {
        var index = Index(host, name);
        host.SetAlias(index, _alias);
        host.DisableIpv6Address(index);
        host.AddAddress(index, address, AddressPool.PrefixLength);
        host.SetUp(index);
    }

    private static int Index(RouteSocket host, string name) => host.Find(name)?.Index ?? throw new NetlinkException($"find the link {name}", "it is not there");

    // Tried one after another: asking first which is free would race with other daemons.
    private string TakeName(Action<string> make)
    {
        while (true)
        {
            int number;
            lock (_lock)
            {
                number = _next;
                _next = _next == 99_999 ? 0 : _next + 1;
            }
            var name = string.Create(CultureInfo.InvariantCulture, $"{NamePrefix}{number}");
            try
            {
                make(name);
                return name;
            }
            catch (NetlinkException taken) when (taken.Error is LinuxCalls.ErrorExists or LinuxCalls.ErrorBusy)
            {
                // somebody else's; the next
            }
        }
    }
}
