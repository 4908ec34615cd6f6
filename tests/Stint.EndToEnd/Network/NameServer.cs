using System.Net;
using System.Net.Sockets;
using Stint.Network;

namespace Stint.EndToEnd.Network;

/// <summary>A name server (RFC 1035) that knows one address, for every name that it is asked for; no IPv6.</summary>
internal sealed class NameServer : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly byte[] _answer;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;

    private NameServer(Socket socket, IPAddress answer)
    {
        (_socket, _answer) = (socket, answer.GetAddressBytes());
        _work = AnswerAsync();
    }

    /// <summary>Starts one at port 53 of an address.</summary>
    public static async Task<NameServer> StartAsync(NetworkNamespace space, string address, string answer)
    {
        var socket = await space.RunAsync(static () => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        socket.Bind(new IPEndPoint(IPAddress.Parse(address), 53));
        return new NameServer(socket, IPAddress.Parse(answer));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _socket.Dispose();
        try
        {
            await _work;
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // stopped
        }
        _stop.Dispose();
    }

    private async Task AnswerAsync()
    {
        var question = new byte[512];
        while (true)
        {
            var got = await _socket.ReceiveFromAsync(question, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
            // Header of 12 bytes, the name as labels up to an empty one, type and class. What follows (EDNS) is left out of the answer.
            var end = 12;
            while (end < got.ReceivedBytes && question[end] != 0) end += question[end] + 1;
            end += 5;
            if (end > got.ReceivedBytes) continue;
            var wantsIpv4 = question[end - 3] == 1;
            byte[] record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, .. _answer]; // the question's name, A, IN, 60 s
            byte[] reply = [question[0], question[1], 0x81, 0x80, 0, 1, 0, (byte)(wantsIpv4 ? 1 : 0), 0, 0, 0, 0, .. question[12..end], .. wantsIpv4 ? record : []];
            await _socket.SendToAsync(reply, SocketFlags.None, got.RemoteEndPoint, _stop.Token);
        }
    }
}
