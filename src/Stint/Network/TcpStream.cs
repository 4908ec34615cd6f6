using System.Net;
using System.Net.Sockets;

namespace Stint.Network;

/// <summary>Connects where it has been checked that one may: to addresses, never to a name, which could mean something else a moment later.</summary>
internal static class TcpStream
{
    /// <summary>Connects to the first that answers.</summary>
    /// <param name="allowed">Addresses of one host that have been checked; one at least.</param>
    /// <param name="port">The port.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="SocketException">None can be connected to.</exception>
    public static async ValueTask<Stream> OpenAsync(IPAddress[] allowed, int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, port, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
