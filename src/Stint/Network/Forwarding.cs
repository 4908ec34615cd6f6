// A host forwards packets between all of its links or between none (net.ipv4.ip_forward). Instances need it. When it was off before, switching it on would also make a router of a host with two networks, so
// the filter table then drops what goes from one of the links that were there to another: what was not forwarded before still is not. Links that come later (Docker's, a VPN's) are not concerned; their
// owners want forwarding as well.
//
// A marker on disk says that it was us, so that a daemon that was killed is remembered, until the host restarts.
using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>The host's switch for IPv4 forwarding.</summary>
internal static class Forwarding
{
    private const string Switch = "/proc/sys/net/ipv4/ip_forward";
    private const string BootId = "/proc/sys/kernel/random/boot_id";

    /// <summary>Looks whether it is off, and remembers that.</summary>
    /// <param name="marker">Where to remember it.</param>
    /// <param name="links">The links of the host, without instances'.</param>
    /// <returns>The names of the links between which nothing is to be forwarded; empty when the host forwards already.</returns>
    public static IReadOnlyList<string> Remember(string marker, IEnumerable<Link> links)
    {
        if (File.ReadAllText(Switch).Trim() != "0") return Read(marker);
        string[] names = [.. links.Select(static link => link.Name).Where(static name => name != "lo").Order(StringComparer.Ordinal)];
        File.WriteAllLines(marker, [File.ReadAllText(BootId).Trim(), .. names]);
        return names;
    }

    /// <summary>Switches it on, if it is off.</summary>
    /// <exception cref="NetworkUnavailableException">It cannot be switched on.</exception>
    public static void SwitchOn()
    {
        try
        {
            if (File.ReadAllText(Switch).Trim() == "0") File.WriteAllText(Switch, "1");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new NetworkUnavailableException($"this host does not forward packets, and that cannot be changed from here ({failure.Message}). Switch it on outside: sysctl -w net.ipv4.ip_forward=1", failure);
        }
    }

    /// <summary>Switches it off again, if it was us who switched it on and nobody has come since who may need it.</summary>
    public static void Restore(string marker, IEnumerable<Link> links)
    {
        if (!File.Exists(marker)) return;
        var before = Read(marker);
        try
        {
            if (before.Length > 0 && links.All(link => link.Name == "lo" || before.Contains(link.Name))) File.WriteAllText(Switch, "0");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // It stays on, as it does with every other program that needs it.
        }
        File.Delete(marker);
    }

    private static string[] Read(string marker)
    {
        if (!File.Exists(marker)) return [];
        var lines = File.ReadAllLines(marker);
        return lines.Length > 0 && lines[0] == File.ReadAllText(BootId).Trim() ? lines[1..] : [];
    }
}
