using System.Globalization;
using System.Net;

namespace Stint.Backends.Containers.Networks;

/// <summary>The networks that this host reaches by a route of their own: a bridge with the same addresses would cut it off from them, and the engine does not look.</summary>
internal static class HostRoutes
{
    /// <summary>All but the default routes; empty where the kernel does not tell.</summary>
    public static IReadOnlyList<IPNetwork> Read()
    {
        try
        {
            return Parse(File.ReadLines("/proc/net/route"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Reads the table's lines: <c>Iface Destination Gateway Flags RefCnt Use Metric Mask …</c>, addresses as hexadecimal numbers in the host's byte order (net/ipv4/fib_trie.c).</summary>
    public static IReadOnlyList<IPNetwork> Parse(IEnumerable<string> lines)
    {
        var networks = new HashSet<IPNetwork>();
        foreach (var line in lines)
        {
            var fields = line.Split((char[])['\t', ' '], StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 8 || !TryRead(fields[1], out var destination) || !TryRead(fields[7], out var mask) || mask == 0) continue;
            var length = int.PopCount((int)mask);
            // A mask with gaps is no network.
            if (IPAddress.NetworkToHostOrder((int)mask) == unchecked((int)(uint.MaxValue << (32 - length)))) networks.Add(new IPNetwork(new IPAddress(destination & mask), length));
        }
        return [.. networks];
    }

    private static bool TryRead(string text, out uint number) => uint.TryParse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out number);
}
