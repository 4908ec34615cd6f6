using System.Net;
using System.Net.Sockets;

namespace Stint.EndToEnd.Fixtures;

/// <summary>Ports for daemons: below the range from which the kernel picks those of outgoing connections, so that none is taken between the look and the use.</summary>
internal static class FreePorts
{
    private const int First = 12_000;
    private const int Last = 31_000;

    private static int _next = Random.Shared.Next(First, Last);

    /// <summary>A port that nothing listens on, for either family.</summary>
    public static int Take()
    {
        while (true)
        {
            var port = First + (Interlocked.Increment(ref _next) - First) % (Last - First);
            try
            {
                using var probe = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
                probe.Bind(new IPEndPoint(IPAddress.IPv6Any, port));
                return port;
            }
            catch (SocketException)
            {
                // taken; the next one
            }
        }
    }
}
