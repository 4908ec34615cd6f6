using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Stint.EndToEnd.Scheduling;

/// <summary>A server that answers everything with the same text.</summary>
internal sealed class OnePage : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Task _loop;

    public OnePage(string text)
    {
        Text = text;
        _listener.Start();
        _loop = RunAsync();
    }

    /// <summary>What it answers; can be changed.</summary>
    public string Text { get; set; }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _loop;
        _listener.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync();
                try
                {
                    // The whole head, or the connection would be reset with the request unread.
                    using var reader = new StreamReader(client.GetStream(), Encoding.ASCII, false, 1024, leaveOpen: true);
                    while (await reader.ReadLineAsync() is { Length: > 0 }) { }
                    var text = Text;
                    await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {Encoding.UTF8.GetByteCount(text)}\r\nConnection: close\r\n\r\n{text}"));
                }
                catch (IOException)
                {
                    // whoever asked has gone
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // stopped
        }
    }
}
