// Other programs' firewalls may drop forwarded packets before or after our table has looked at them; a drop anywhere is final. Docker and ufw do so by giving iptables' chain FORWARD the policy DROP. There
// we add two rules, marked as ours, which let instances' packets pass that chain (our own table still decides about them). A chain of somebody's own nftables rules is not ours to change: it is reported.
using System.Text.Json;

namespace Stint.Network;

/// <summary>Looks at the host's own filters of forwarded packets.</summary>
/// <param name="subnet">Instances' addresses.</param>
/// <param name="daemon">The daemon's id.</param>
/// <param name="marker">Where to remember which iptables has been changed.</param>
/// <param name="time">For limits.</param>
internal sealed class ForwardPolicy(Ipv4Subnet subnet, string daemon, string marker, TimeProvider time)
{
    private const string LegacyTables = "/proc/thread-self/net/ip_tables_names";

    private string Comment => $"stint:{daemon}";

    /// <summary>Lets instances' packets pass where that is iptables' policy's doing.</summary>
    /// <returns>What else drops them, in words; null when nothing is known to.</returns>
    public async Task<string?> PassAsync(string nft)
    {
        string? problem = null;
        foreach (var chain in Dropping((await HostTool.RunAsync(nft, ["-j", "list", "chains"], "", time).ConfigureAwait(false)).Output))
        {
            if (chain is { Family: "ip", Table: "filter", Name: "FORWARD" } && HostTool.Find("iptables-nft") is { } iptables) await InsertAsync(iptables).ConfigureAwait(false);
            else problem ??= $"the host's firewall drops forwarded packets (nftables chain {chain.Family} {chain.Table} {chain.Name}, policy drop), so functions may not reach the network; allow the links faas* there: nft insert rule {chain.Family} {chain.Table} {chain.Name} iifname \"faas*\" accept; nft insert rule {chain.Family} {chain.Table} {chain.Name} oifname \"faas*\" accept";
        }
        if (File.Exists(LegacyTables) && (await File.ReadAllLinesAsync(LegacyTables).ConfigureAwait(false)).Contains("filter") && HostTool.Find("iptables-legacy") is { } legacy)
        {
            if ((await RunAsync(legacy, "-S", "FORWARD").ConfigureAwait(false)).Output.StartsWith("-P FORWARD DROP", StringComparison.Ordinal)) await InsertAsync(legacy).ConfigureAwait(false);
        }
        return problem;
    }

    /// <summary>Takes our rules out again, also those of a run that was killed, whatever its subnet was.</summary>
    public async Task RemoveAsync()
    {
        if (!File.Exists(marker)) return;
        foreach (var tool in (await File.ReadAllLinesAsync(marker).ConfigureAwait(false)).Distinct())
        {
            // Only what could be a tool of the system's; the file lies in the daemon's own folder.
            if (Path.GetFileName(tool) is not ("iptables-nft" or "iptables-legacy") || !File.Exists(tool)) continue;
            foreach (var rule in Ours((await RunAsync(tool, "-S", "FORWARD").ConfigureAwait(false)).Output)) await RunAsync(tool, ["-D", .. rule]).ConfigureAwait(false);
        }
        File.Delete(marker);
    }

    /// <summary>The chains that drop forwarded IPv4 packets unless a rule accepts them, in nft's JSON (libnftables-json(5)).</summary>
    internal static IReadOnlyList<(string Family, string Table, string Name)> Dropping(string json)
    {
        List<(string, string, string)> found = [];
        try
        {
            using var document = JsonDocument.Parse(json);
            foreach (var item in document.RootElement.GetProperty("nftables").EnumerateArray())
            {
                if (!item.TryGetProperty("chain", out var chain) || Text(chain, "hook") != "forward" || Text(chain, "policy") != "drop") continue;
                if (Text(chain, "family") is "ip" or "inet") found.Add((Text(chain, "family"), Text(chain, "table"), Text(chain, "name")));
            }
        }
        catch (Exception other) when (other is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // An nft that speaks otherwise: then nothing is known, and nothing is claimed.
        }
        return found;

        static string Text(JsonElement chain, string name) => chain.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
    }

    /// <summary>Our rules in what <c>iptables -S FORWARD</c> printed, as arguments for <c>-D</c>.</summary>
    internal IEnumerable<string[]> Ours(string listing)
    {
        foreach (var line in listing.Split('\n'))
        {
            // A comment without blanks is printed bare by one iptables and quoted by the other.
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(static word => word.Trim('"')).ToArray();
            if (words is ["-A", ..] && words.Contains(Comment)) yield return words[1..];
        }
    }

    private async Task InsertAsync(string tool)
    {
        string[][] rules =
        [
            ["FORWARD", "-s", subnet.ToString(), "-m", "comment", "--comment", Comment, "-j", "ACCEPT"],
            ["FORWARD", "-d", subnet.ToString(), "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-m", "comment", "--comment", Comment, "-j", "ACCEPT"],
        ];
        foreach (var rule in rules)
        {
            if ((await RunAsync(tool, ["-C", .. rule]).ConfigureAwait(false)).ExitCode == 0) continue;
            if (!File.Exists(marker) || !(await File.ReadAllLinesAsync(marker).ConfigureAwait(false)).Contains(tool)) await File.AppendAllTextAsync(marker, tool + "\n").ConfigureAwait(false);
            var inserted = await RunAsync(tool, ["-I", .. rule]).ConfigureAwait(false);
            if (inserted.ExitCode != 0) throw new NetworkUnavailableException($"{tool} -I {string.Join(' ', rule)} failed: {inserted.Error}");
        }
    }

    private Task<HostToolResult> RunAsync(string tool, params string[] arguments) => HostTool.RunAsync(tool, ["-w", "10", .. arguments], "", time);
}
