using System.Net;
using System.Net.Sockets;
using System.Text;
using Stint.Network;

namespace Stint.EndToEnd.Network;

/// <summary>Tells whoever connects (TCP, on every address of a namespace) or sends something (UDP, on one) which address it saw.</summary>
internal sealed class EchoServer : IAsyncDisposable
{
    private readonly Socket _tcp;
    private readonly Socket _udp;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _work;

    private EchoServer(Socket tcp, Socket udp)
    {
        (_tcp, _udp) = (tcp, udp);
        _work = Task.WhenAll(AcceptAsync(), AnswerAsync());
    }

    /// <summary>Starts one.</summary>
    /// <param name="space">Where.</param>
    /// <param name="port">At which port.</param>
    /// <param name="datagrams">The address for UDP: an answer must come from the address that was asked.</param>
    public static async Task<EchoServer> StartAsync(NetworkNamespace space, int port, string datagrams)
    {
        var (tcp, udp) = await space.RunAsync(() => (new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp), new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp)));
        tcp.Bind(new IPEndPoint(IPAddress.Any, port));
        tcp.Listen();
        udp.Bind(new IPEndPoint(IPAddress.Parse(datagrams), port));
        return new EchoServer(tcp, udp);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _tcp.Dispose();
        _udp.Dispose();
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

    private async Task AcceptAsync()
    {
        while (true)
        {
            using var caller = await _tcp.AcceptAsync(_stop.Token);
            await caller.SendAsync(Encoding.ASCII.GetBytes(((IPEndPoint)caller.RemoteEndPoint!).Address.ToString()), SocketFlags.None, _stop.Token);
        }
    }

    private async Task AnswerAsync()
    {
        var buffer = new byte[2048];
        while (true)
        {
            var got = await _udp.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
            await _udp.SendToAsync(Encoding.ASCII.GetBytes(((IPEndPoint)got.RemoteEndPoint).Address.ToString()), SocketFlags.None, got.RemoteEndPoint, _stop.Token);
        }
    }
}
