using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Stint.Watchdog.Upstreams;

/// <summary>Where the function listens, as connect(2) takes it. Names are looked up in <c>/etc/hosts</c> only: a static file has no resolver, and a function is on its own machine.</summary>
internal static class UpstreamAddress
{
    /// <summary>Makes the addresses of a URL's host; none when its name is not known.</summary>
    public static IReadOnlyList<byte[]> Resolve(Uri url, Func<IEnumerable<string>> hosts)
    {
        var host = url.IdnHost.Trim('[', ']');
        if (IPAddress.TryParse(host, out var literal)) return [Make(literal, url.Port)];
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase)) return [Make(IPAddress.Loopback, url.Port), Make(IPAddress.IPv6Loopback, url.Port)];
        return
        [
            .. from line in hosts()
               let words = line.Split('#')[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)
               where words.Skip(1).Contains(host, StringComparer.OrdinalIgnoreCase) && IPAddress.TryParse(words[0], out _)
               select Make(IPAddress.Parse(words[0]), url.Port),
        ];
    }

    // sockaddr_in: family, port, address, 8 zeros. sockaddr_in6: family, port, flow, address, scope.
    private static byte[] Make(IPAddress address, int port)
    {
        var isFour = address.AddressFamily == AddressFamily.InterNetwork;
        var bytes = new byte[isFour ? 16 : 28];
        bytes[0] = isFour ? (byte)Posix.Libc.Inet : (byte)Posix.Libc.Inet6;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), (ushort)port);
        address.GetAddressBytes().CopyTo(bytes, isFour ? 4 : 8);
        return bytes;
    }
}
