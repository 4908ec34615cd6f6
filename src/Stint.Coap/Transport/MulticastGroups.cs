using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Stint.Coap.Transport;

/// <summary>
/// The "All CoAP Nodes" groups (RFC 7252 §12.8). A socket is bound to the group's own address, so that whatever it reads was sent to the group; the answers
/// leave through an ordinary socket.
/// </summary>
internal static class MulticastGroups
{
    private static readonly IPAddress[] Groups = [IPAddress.Parse("224.0.1.187"), IPAddress.Parse("ff02::fd"), IPAddress.Parse("ff05::fd")];

    /// <summary>Joins each group on every interface that can; what cannot be joined is reported and left out.</summary>
    /// <param name="port">The server's port.</param>
    /// <param name="answersFor">Which socket answers peers of a family.</param>
    /// <param name="onFault">Told of what could not be joined.</param>
    public static List<(Socket Socket, ushort AnswerBy)> Join(int port, Func<AddressFamily, ushort?> answersFor, Action<string, Exception>? onFault)
    {
        var joined = new List<(Socket, ushort)>();
        foreach (var group in Groups)
        {
            if (answersFor(group.AddressFamily) is not { } answerBy) continue;

            // A link-local group needs its interface in the address, and so a socket per interface.
            foreach (var network in NetworkInterface.GetAllNetworkInterfaces().Where(CanJoin))
            {
                try
                {
                    joined.Add((Open(group, network, port), answerBy));
                }
                catch (Exception fault) when (fault is SocketException or NetworkInformationException)
                {
                    onFault?.Invoke($"joining {group} on {network.Name}", fault);
                }
            }
        }

        return joined;

        static bool CanJoin(NetworkInterface network) => network.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown && network.SupportsMulticast;
    }

    private static Socket Open(IPAddress group, NetworkInterface network, int port)
    {
        var socket = new Socket(group.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            var properties = network.GetIPProperties();
            if (group.AddressFamily == AddressFamily.InterNetwork)
            {
                socket.Bind(new IPEndPoint(group, port));
                socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(group, properties.GetIPv4Properties().Index));
            }
            else
            {
                var index = properties.GetIPv6Properties().Index;
                socket.Bind(new IPEndPoint(new IPAddress(group.GetAddressBytes(), index), port));
                socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.AddMembership, new IPv6MulticastOption(group, index));
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
