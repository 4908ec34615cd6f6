using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;

namespace Stint.Watchdog.Http;

/// <summary>The connections of one loop.</summary>
internal sealed class Crew(EventLoop loop)
{
    private readonly HashSet<Connection> _connections = [];
    private bool _closing;

    /// <summary>Their loop.</summary>
    public EventLoop Loop => loop;

    /// <summary>Takes over a client's socket; from any thread.</summary>
    public void Take(int socket, IAnswerer answerer, WatchdogSettings settings) => loop.Post(() => _ = ServeAsync(socket, answerer, settings));

    /// <summary>Closes idle connections now and the others after their answers; from any thread.</summary>
    public void Close() => loop.Post(() =>
    {
        _closing = true;
        foreach (var connection in _connections.ToArray()) connection.Close();
    });

    /// <summary>Gives up all calls in progress; from any thread.</summary>
    public void GiveUp() => loop.Post(() =>
    {
        foreach (var connection in _connections.ToArray()) connection.Exchange.GiveUp(EndReason.Stopping);
    });

    private async Task ServeAsync(int socket, IAnswerer answerer, WatchdogSettings settings)
    {
        Libc.SetOption(socket, Libc.TcpLevel, Libc.NoDelay, 1);
        Descriptor descriptor;
        try
        {
            descriptor = new Descriptor(loop, socket);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            _ = Libc.close(socket); // no memory for one more: its client tries again
            return;
        }
        var connection = new Connection(loop, descriptor, answerer, settings);
        _connections.Add(connection);
        if (_closing) connection.Close();
        await connection.RunAsync();
        _connections.Remove(connection);
    }
}
