using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Stint.Tests.Backends.Upstream;

/// <summary>A server that does to each connection exactly what the test says: for what a well-behaved one would never do.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentBag<Task> _served = [];
    private readonly ConcurrentBag<RawPeer> _peers = [];
    private readonly Func<RawPeer, Task> _serve;
    private readonly Task _accepting;
    private int _accepted;

    public RawServer(Func<RawPeer, Task> serve, int port = 0)
    {
        _serve = serve;
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        _listener.Listen();
        EndPoint = (IPEndPoint)_listener.LocalEndPoint!;
        _accepting = AcceptAsync();
    }

    public IPEndPoint EndPoint { get; }

    /// <summary>Connections so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>What the script threw, other than for a connection that ended.</summary>
    public ConcurrentQueue<Exception> Faults { get; } = [];

    /// <summary>Each request's head, in the order of their coming.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Accepts nothing more; connections go on.</summary>
    public void StopListening() => _listener.Dispose();

    /// <summary>Nobody listens and all connections are reset, as when the process is killed.</summary>
    public void Kill()
    {
        _listener.Dispose();
        foreach (var peer in _peers) peer.Reset();
    }

    public async ValueTask DisposeAsync()
    {
        Kill();
        await _accepting;
        await Task.WhenAll(_served).WaitAsync(RawPeer.Limit, TimeProvider.System);
        Assert.Empty(Faults);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync();
                socket.NoDelay = true;
                var peer = new RawPeer(socket, this);
                Interlocked.Increment(ref _accepted);
                _peers.Add(peer);
                _served.Add(ServeAsync(peer));
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // stopped
        }
    }

    private async Task ServeAsync(RawPeer peer)
    {
        await Task.Yield();
        try
        {
            await _serve(peer);
        }
        catch (Exception ended) when (ended is IOException or SocketException or ObjectDisposedException)
        {
            // the connection ended
        }
        catch (Exception fault)
        {
            Faults.Enqueue(fault);
        }
        peer.Close();
    }
}

/// <summary>One connection to a <see cref="RawServer"/>.</summary>
internal sealed class RawPeer(Socket socket, RawServer server)
{
    /// <summary>Ends a test that would hang.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly List<byte> _received = [];

    /// <summary>The next request's head with its empty line; what follows stays to be read.</summary>
    public async Task<string> ReadHeadAsync()
    {
        var head = await ReadThroughAsync("\r\n\r\n");
        server.Requests.Enqueue(head);
        return head;
    }

    /// <summary>A request with its body, if it has a Content-Length.</summary>
    public async Task<(string Head, byte[] Body)> ReadRequestAsync()
    {
        var head = await ReadHeadAsync();
        const string name = "Content-Length: ";
        var at = head.IndexOf(name, StringComparison.Ordinal);
        var length = at < 0 ? 0 : int.Parse(head.AsSpan()[(at + name.Length)..head.IndexOf('\r', at)], System.Globalization.CultureInfo.InvariantCulture);
        return (head, await ReadAsync(length));
    }

    public async Task<string> ReadThroughAsync(string end)
    {
        var wanted = Encoding.ASCII.GetBytes(end);
        while (true)
        {
            var at = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_received).IndexOf(wanted);
            if (at >= 0) return Encoding.UTF8.GetString(Take(at + wanted.Length));
            await FillAsync();
        }
    }

    public async Task<byte[]> ReadAsync(int count)
    {
        while (_received.Count < count) await FillAsync();
        return Take(count);
    }

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using var limit = new CancellationTokenSource(Limit);
        while (bytes.Length > 0) bytes = bytes[await socket.SendAsync(bytes, limit.Token)..];
    }

    /// <summary>Reads until the client has ended its side, by whatever means.</summary>
    public async Task WaitForEndAsync()
    {
        try
        {
            while (true) await FillAsync();
        }
        catch (Exception ended) when (ended is IOException or SocketException)
        {
            // as expected
        }
    }

    /// <summary>No more will be sent.</summary>
    public void HalfClose() => socket.Shutdown(SocketShutdown.Send);

    /// <summary>Ends in good order.</summary>
    public void Close() => socket.Dispose();

    /// <summary>Ends with a reset.</summary>
    public void Reset()
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // ended already
        }
        socket.Dispose();
    }

    private byte[] Take(int count)
    {
        var taken = _received[..count].ToArray();
        _received.RemoveRange(0, count);
        return taken;
    }

    private async Task FillAsync()
    {
        var buffer = new byte[64 * 1024];
        using var limit = new CancellationTokenSource(Limit);
        var count = await socket.ReceiveAsync(buffer, limit.Token);
        if (count == 0) throw new IOException("the client ended the connection");
        _received.AddRange(buffer.AsSpan(0, count));
    }
}
