using System.Globalization;
using Stint.Network;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>A program that carries packets between a network namespace and the host's sockets, with no rights of its own.</summary>
/// <param name="Path">The program.</param>
/// <param name="NameServer">The address at which it answers for the host's name server.</param>
/// <param name="Arguments">Its arguments for the namespaces of a process.</param>
/// <param name="Own">Addresses that are its own, behind which lies the host.</param>
internal sealed record UserNetworkProgram(string Path, uint NameServer, Func<int, IReadOnlyList<string>> Arguments, Ipv4Subnet? Own)
{
    /// <summary>The one that is installed; null when there is none. slirp4netns first: it needs 3 MB a network, pasta 20.</summary>
    /// <param name="subnet">Where instances' addresses come from.</param>
    public static UserNetworkProgram? Find(Ipv4Subnet subnet) =>
        HostPrograms.Find("slirp4netns") is { } slirp ? Slirp(slirp, Ipv4Subnet.Containing(subnet.First, Math.Max(subnet.PrefixLength, 24))) : HostPrograms.Find("pasta") is { } pasta ? Pasta(pasta) : null;

    // slirp4netns(1). Of its network it takes .2 for the gateway, .3 for names and .100 for the instance, so that no less than 128 addresses will do.
    private static UserNetworkProgram Slirp(string path, Ipv4Subnet subnet)
    {
        if (subnet.PrefixLength > 25) subnet = Ipv4Subnet.Containing(NetworkOptions.DefaultSubnet.First, 24);
        return new UserNetworkProgram(path, subnet.First + 3, process => [path, "--configure", "--disable-host-loopback", "--mtu=1500", "--enable-seccomp", $"--cidr={subnet}",
            $"--userns-path={Of(process, "user")}", "--netns-type=path", Of(process, "net"), "tap0"], subnet);
    }

    // pasta(1): the instance has the host's own address, which therefore is not the host.
    private static UserNetworkProgram Pasta(string path)
    {
        const uint nameServer = 0xa9fe0101; // 169.254.1.1: nobody's
        return new UserNetworkProgram(path, nameServer, process => [path, "--foreground", "--quiet", "--config-net", "--no-map-gw", "--ipv4-only", "-t", "none", "-u", "none", "-T", "none", "-U", "none",
            "--dns-forward", Ipv4Subnet.Text(nameServer), "--userns", Of(process, "user"), "--netns", Of(process, "net")], null);
    }

    private static string Of(int process, string kind) => string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/ns/{kind}");
}
