using System.Net.Sockets;
using System.Text;

namespace Stint.Watchdog.Tests.Running;

/// <summary>Sends bytes as they are and reads what comes.</summary>
internal sealed class RawClient(Socket socket) : IDisposable
{
    private readonly StringBuilder _seen = new();

    public Socket Socket => socket;

    public async Task SendAsync(string text)
    {
        for (var left = Encoding.Latin1.GetBytes(text).AsMemory(); !left.IsEmpty;) left = left[await socket.SendAsync(left)..];
    }

    /// <summary>Reads until a text has come, and returns all up to and with it.</summary>
    public async Task<string> UntilAsync(string text)
    {
        while (true)
        {
            var seen = _seen.ToString();
            var at = seen.IndexOf(text, StringComparison.Ordinal);
            if (at >= 0)
            {
                _seen.Remove(0, at + text.Length);
                return seen[..(at + text.Length)];
            }
            Assert.True(await ReadAsync(), $"the connection ended before \"{text}\": {seen}");
        }
    }

    /// <summary>Reads until the connection ends.</summary>
    public async Task<string> ToEndAsync()
    {
        while (await ReadAsync())
        {
        }
        return _seen.ToString();
    }

    public void Dispose() => socket.Dispose();

    private async Task<bool> ReadAsync()
    {
        var buffer = new byte[65536];
        using var patience = new CancellationTokenSource(RunningWatchdog.Patience, TimeProvider.System);
        try
        {
            var count = await socket.ReceiveAsync(buffer, patience.Token);
            _seen.Append(Encoding.Latin1.GetString(buffer, 0, count));
            return count > 0;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
