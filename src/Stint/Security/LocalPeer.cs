using System.Globalization;
using System.Net;

namespace Stint.Security;

/// <summary>
/// Who is at the other end of a TCP connection from this same host: the user number of its socket, out of the kernel's tables. So a function that may use the host's network
/// can still be told from the people who may manage the platform.
/// </summary>
internal static class LocalPeer
{
    /// <summary>The user that owns the connecting socket; null when it is not on this host, or gone already.</summary>
    public static int? UserOf(IPEndPoint remote, IPEndPoint local)
    {
        var wanted = (Encode(remote), Encode(local));
        foreach (var table in new[] { "/proc/net/tcp", "/proc/net/tcp6" })
        {
            if (!File.Exists(table)) continue;
            // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid … (proc(5)); the peer's line has the addresses the other way round.
            foreach (var line in File.ReadLines(table).Skip(1))
            {
                var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (fields.Length < 8 || Normal(fields[1]) != wanted.Item1 || Normal(fields[2]) != wanted.Item2) continue;
                return int.TryParse(fields[7], CultureInfo.InvariantCulture, out var user) ? user : null;
            }
        }
        return null;
    }

    // Addresses stand there as 32-bit words in the host's byte order, in hexadecimal; ports in network order.
    private static string Encode(IPEndPoint end)
    {
        var address = end.Address.IsIPv4MappedToIPv6 ? end.Address.MapToIPv4() : end.Address;
        var bytes = address.GetAddressBytes();
        var text = new System.Text.StringBuilder();
        for (var word = 0; word < bytes.Length; word += 4) text.Append(CultureInfo.InvariantCulture, $"{BitConverter.ToUInt32(bytes, word):X8}");
        return text.Append(CultureInfo.InvariantCulture, $":{end.Port:X4}").ToString();
    }

    // An IPv4 connection on a dual-mode socket is listed as ::ffff:a.b.c.d.
    private static string Normal(string field)
    {
        const string mapped = "0000000000000000FFFF0000";
        return field.Length == 37 && field.StartsWith(mapped, StringComparison.Ordinal) ? field[mapped.Length..] : field;
    }
}
