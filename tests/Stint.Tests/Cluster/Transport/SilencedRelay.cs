using System.Net;
using System.Net.Sockets;

namespace Stint.Tests.Cluster.Transport;

/// <summary>A way to a port of this machine that can fall silent: connections stay, and nothing passes any more, as when a wire is cut.</summary>
internal sealed class SilencedRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private int _target;
    private bool _isCut;
    private volatile bool _isSilent;

    public SilencedRelay()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Where it leads; the port at which it listens.</summary>
    public int To(int port)
    {
        _target = port;
        return ((IPEndPoint)_listener.LocalEndpoint).Port;
    }

    /// <summary>From now on nothing passes.</summary>
    public void Silence() => _isSilent = true;

    /// <summary>Ends all connections. May be done before the test's end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isCut) return;
        _isCut = true;
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var relayed = new List<Task>();
        try
        {
            while (true) relayed.Add(RelayAsync(await _listener.AcceptSocketAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(relayed);
        }
    }

    private async Task RelayAsync(Socket client)
    {
        using (client)
        {
            using var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await server.ConnectAsync(new IPEndPoint(IPAddress.Loopback, _target), _stop.Token);
                await Task.WhenAny(PassAsync(client, server), PassAsync(server, client));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // Ended.
            }
        }
    }

    private async Task PassAsync(Socket from, Socket to)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _stop.Token) is var count and > 0)
            {
                if (_isSilent) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _stop.Token);
                for (var sent = 0; sent < count;) sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), _stop.Token);
            }
            // What one side ends is ended.
            if (_isSilent) await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _stop.Token);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Ended.
        }
    }
}
