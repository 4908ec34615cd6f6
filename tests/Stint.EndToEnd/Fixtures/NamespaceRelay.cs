using System.Net;
using System.Net.Sockets;
using Stint.Network;

namespace Stint.EndToEnd.Fixtures;

/// <summary>A port of a network namespace's loopback, at the same number of the test's own: so that every client reaches a daemon that runs in there.</summary>
internal sealed class NamespaceRelay : IAsyncDisposable
{
    private readonly NetworkNamespace _namespace;
    private readonly TcpListener _listener;
    private readonly int _port;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;

    /// <summary>Begins to listen.</summary>
    public NamespaceRelay(NetworkNamespace ns, int port)
    {
        (_namespace, _port) = (ns, port);
        _listener = TcpListener.Create(port);
        _listener.Start(512);
        _accepting = AcceptAsync();
    }

    /// <summary>What stands before a command so that it runs inside.</summary>
    public static IReadOnlyList<string> Enter(NetworkNamespace ns) => ["nsenter", $"--net=/proc/{Environment.ProcessId}/fd/{ns.File.DangerousGetHandle()}", "--"];

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true) connections.Add(RelayAsync(await _listener.AcceptSocketAsync(_stop.Token)));
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // disposed of
        }
        await Task.WhenAll(connections);
    }

    private async Task RelayAsync(Socket outside)
    {
        using (outside)
        {
            try
            {
                using var inside = await _namespace.RunAsync(static () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
                await inside.ConnectAsync(IPAddress.Loopback, _port, _stop.Token);
                await Task.WhenAll(CopyAsync(outside, inside), CopyAsync(inside, outside));
            }
            catch (Exception end) when (end is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Whatever ended one side ends the other.
            }
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        var buffer = new byte[64 * 1024];
        while (await from.ReceiveAsync(buffer, SocketFlags.None, _stop.Token) is > 0 and var count)
            for (var sent = 0; sent < count;) sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), SocketFlags.None, _stop.Token);
        to.Shutdown(SocketShutdown.Send);
    }
}
