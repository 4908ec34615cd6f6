using System.Globalization;

namespace Stint.Network;

/// <summary>What this process may do with the host's network (capabilities(7)).</summary>
internal static class Privileges
{
    private const int NetAdmin = 12;
    private const int SysAdmin = 21;

    /// <summary>Whether it may change links, addresses and routes of its own network namespace.</summary>
    public static bool MayChangeNetwork => Has(NetAdmin);

    /// <summary>What it lacks to give instances a network, with what to do; null when nothing.</summary>
    public static string? Lacking
    {
        get
        {
            List<string> missing = [];
            if (!Has(NetAdmin)) missing.Add("CAP_NET_ADMIN");
            if (!Has(SysAdmin)) missing.Add("CAP_SYS_ADMIN");
            return missing.Count == 0 ? null
                : $"the daemon lacks {string.Join(" and ", missing)}; run it as root{(Environment.IsPrivilegedProcess ? ", in a container with " + string.Join(' ', missing.Select(static name => "--cap-add " + name["CAP_".Length..])) : "")}";
        }
    }

    private static bool Has(int capability)
    {
        const string line = "CapEff:";
        var effective = File.ReadLines("/proc/self/status").FirstOrDefault(static text => text.StartsWith(line, StringComparison.Ordinal));
        return effective is not null && ulong.TryParse(effective.AsSpan(line.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var bits) && (bits >> capability & 1) != 0;
    }
}
