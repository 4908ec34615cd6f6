using System.Text;

namespace Stint.Network;

/// <summary>The <c>/etc/resolv.conf</c> of instances: the host's name servers as far as an instance can reach them, or those of <c>network-dns</c>.</summary>
internal static class ResolverFile
{
    // resolv.conf(5): more are ignored.
    private const int MaxServers = 3;

    // What the host itself uses; and what systemd-resolved, which listens on the loopback, would ask.
    private static readonly string[] Sources = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

    /// <summary>Makes the content.</summary>
    /// <param name="chosen">The operator's servers; empty = the host's.</param>
    /// <param name="substitute">Stands for the host's servers; null = they themselves.</param>
    public static ResolverContent Make(IReadOnlyList<uint> chosen, uint? substitute = null) => Make(chosen, substitute, Sources.Select(static path => File.Exists(path) ? File.ReadAllText(path) : ""));

    /// <summary>Makes the content out of the host's files.</summary>
    internal static ResolverContent Make(IReadOnlyList<uint> chosen, uint? substitute, IEnumerable<string> sources)
    {
        var servers = chosen;
        List<string> further = [];
        List<string> unreachable = [];
        if (chosen.Count == 0)
        {
            foreach (var source in sources)
            {
                var found = new List<uint>();
                further.Clear();
                foreach (var line in source.Split('\n'))
                {
                    var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
                    if (words is ["nameserver", { } server, ..])
                    {
                        // Loopbacks are others' inside, and there is no IPv6.
                        if (Ipv4Subnet.TryParseAddress(server, out var address) && address >> 24 != 127) found.Add(address);
                        else unreachable.Add(server);
                    }
                    else if (words is ["search" or "domain" or "options", ..])
                    {
                        further.Add(string.Join(' ', words));
                    }
                }
                servers = substitute is { } other ? [other] : found;
                if (servers.Count > 0) break;
            }
        }
        servers = [.. servers.Distinct().Take(MaxServers)];
        var text = new StringBuilder("# Written by Stint for functions.\n");
        foreach (var server in servers) text.Append("nameserver ").Append(Ipv4Subnet.Text(server)).Append('\n');
        foreach (var line in further) text.Append(line).Append('\n');
        var problem = servers.Count > 0 ? null
            : $"functions cannot resolve names: {(unreachable.Count == 0 ? "this host has no name server" : $"the host's name server is {string.Join(", ", unreachable.Distinct())}, which they cannot reach")}; name one with --network-dns";
        return new ResolverContent(text.ToString(), servers, problem);
    }
}

/// <summary>What instances' <c>resolv.conf</c> says.</summary>
/// <param name="Text">The file.</param>
/// <param name="Servers">The servers in it, as numbers.</param>
/// <param name="Problem">Why there are none; null when there are.</param>
internal sealed record ResolverContent(string Text, IReadOnlyList<uint> Servers, string? Problem);
