using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.Checks;

/// <summary>Whether functions can have a way to the world (<c>network = "outbound"</c>): through the kernel as root, through slirp4netns or pasta as somebody else. Changes nothing.</summary>
internal sealed class FunctionNetworkCheck : ICheck
{
    /// <inheritdoc/>
    public async Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        if (Tool.Find("nft") is not { } nft) return Result("nftables (nft) is not installed, so functions run without a network.", Packages.Install("nftables"));
        return Environment.IsPrivilegedProcess ? await LookAsRootAsync(scope, nft, cancellationToken) : LookAsUser();
    }

    private static async Task<CheckResult> LookAsRootAsync(CheckScope scope, string nft, CancellationToken cancellationToken)
    {
        if (Privileges.Lacking is { } lacking) return Result($"{lacking}.", "In a container: docker run --cap-add NET_ADMIN --cap-add SYS_ADMIN …");
        var listed = await Tool.RunAsync(scope, nft, ["list", "tables"], cancellationToken);
        if (!listed.Succeeded) return Result($"the kernel takes no packet filter: {listed.Complaint}", "Use a kernel of 5.9 or newer with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET.");
        // The routes of a daemon that runs would collide with itself.
        if (scope.DaemonPid is null && Collision(scope.NetworkSubnet) is { } collision) return Result($"the subnet {scope.NetworkSubnet} collides with {collision}.", "stint up --network-subnet 10.200.0.0/16, or another that is free");
        var forwards = File.Exists("/proc/sys/net/ipv4/ip_forward") && (await File.ReadAllTextAsync("/proc/sys/net/ipv4/ip_forward", cancellationToken)).Trim() != "0";
        return new CheckResult(Name, CheckStatus.Fine, $"{scope.NetworkSubnet} through nftables; net.ipv4.ip_forward is {(forwards ? "on" : "off, and will be switched on for the first function")}.", null, Concern.Comfort);
    }

    private static CheckResult LookAsUser()
    {
        var program = (string[])["slirp4netns", "pasta"];
        if (program.FirstOrDefault(static name => Tool.Find(name) is not null) is not { } found)
            return Result("a daemon that is not root needs slirp4netns or pasta; without one functions run without a network.", Packages.Install("slirp4netns"));
        if (TunCheck.Problem() is { } problem) return Result($"{found} is there, but {problem}", "See the next line.");
        return new CheckResult(Name, CheckStatus.Fine, $"through {found}, since the daemon would not be root.", null, Concern.Comfort);
    }

    private static string? Collision(Ipv4Subnet subnet)
    {
        using var host = new RouteSocket();
        return RouteCollisions.Find(host.ListRoutes(), host.List(), subnet);
    }

    private const string Name = "function network";

    private static CheckResult Result(string found, string cure) => new(Name, CheckStatus.Degraded, found, cure, Concern.Comfort);
}
