using System.Net.Sockets;
using System.Text;

namespace Stint.EndToEnd.Fixtures;

/// <summary>A client that sends exactly the bytes it is told, for what a well-behaved one would never send.</summary>
internal sealed class RawHttp : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly Socket _socket;
    private readonly List<byte> _received = [];

    private RawHttp(Socket socket) => _socket = socket;

    /// <summary>Everything received so far.</summary>
    public string Received => Encoding.UTF8.GetString(_received.ToArray());

    /// <summary>Connects.</summary>
    public static async Task<RawHttp> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", port);
        return new RawHttp(socket);
    }

    /// <summary>Sends a text.</summary>
    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Sends bytes.</summary>
    public async Task SendAsync(byte[] bytes)
    {
        using var limit = new CancellationTokenSource(Limit);
        await _socket.SendAsync(bytes, limit.Token);
    }

    /// <summary>Reads until the text has come.</summary>
    public async Task<string> ReadUntilAsync(string text)
    {
        while (!Received.Contains(text, StringComparison.Ordinal))
            if (!await ReadAsync()) throw new IOException($"the connection ended before '{text}' came; until then:\n{Received}");
        return Received;
    }

    /// <summary>Reads until the other side closes, in whatever way.</summary>
    public async Task<string> ReadToEndAsync()
    {
        try
        {
            while (await ReadAsync()) { }
        }
        catch (SocketException)
        {
            // a reset is an end as well
        }
        return Received;
    }

    /// <summary>No more will be sent.</summary>
    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<bool> ReadAsync()
    {
        var buffer = new byte[64 * 1024];
        using var limit = new CancellationTokenSource(Limit);
        var count = await _socket.ReceiveAsync(buffer, limit.Token);
        _received.AddRange(buffer.AsSpan(0, count));
        return count > 0;
    }
}
