using System.Globalization;
using System.Net.Sockets;

namespace Stint.Hosting;

/// <summary>
/// Tells the service manager that started the daemon how it is: ready, stopping, alive (sd_notify(3): datagrams of <c>NAME=value</c> lines to the socket that <c>NOTIFY_SOCKET</c> names).
/// Without a service manager it does nothing. A message that cannot be sent is lost in silence: the manager has its own timeouts for that.
/// </summary>
internal sealed class ServiceNotices : IDisposable
{
    private readonly Socket? _socket;
    private readonly ITimer? _pulse;

    private ServiceNotices(Socket? socket, TimeSpan? pulse, TimeProvider time)
    {
        _socket = socket;
        if (socket is null || pulse is not { } period) return;
        // Twice as often as the manager wants it, as sd_watchdog_enabled(3) advises. What the timer shows is that the thread pool still runs.
        _pulse = time.CreateTimer(_ => Send("WATCHDOG=1"), null, period / 2, period / 2);
    }

    /// <summary>As the environment of this process says.</summary>
    public static ServiceNotices FromEnvironment(TimeProvider time) => From(Environment.GetEnvironmentVariable, time);

    /// <summary>As <paramref name="variable"/> says, which gives an environment variable's value by its name.</summary>
    public static ServiceNotices From(Func<string, string?> variable, TimeProvider time) =>
        new(Connect(variable("NOTIFY_SOCKET")), ReadPulse(variable), time);

    /// <summary>The daemon serves.</summary>
    public void Ready(string status) => Send($"READY=1\nSTATUS={status}");

    /// <summary>The daemon has begun to stop, and may take so long.</summary>
    public void Stopping(TimeSpan limit) =>
        Send(string.Create(CultureInfo.InvariantCulture, $"STOPPING=1\nSTATUS=running calls are finished\nEXTEND_TIMEOUT_USEC={(long)limit.TotalMicroseconds}"));

    /// <inheritdoc/>
    public void Dispose()
    {
        _pulse?.Dispose();
        _socket?.Dispose();
    }

    private static Socket? Connect(string? address)
    {
        // A path, or a name in the abstract namespace, written with an @ for the zero byte; a vsock: address is a machine's, whose daemon has its own manager.
        if (string.IsNullOrEmpty(address) || address[0] is not ('/' or '@')) return null;
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(address[0] == '@' ? '\0' + address[1..] : address));
            return socket;
        }
        catch (Exception failure) when (failure is SocketException or ArgumentException)
        {
            socket.Dispose();
            return null;
        }
    }

    // WATCHDOG_PID is there when the variables were meant for another process, whose environment was inherited.
    private static TimeSpan? ReadPulse(Func<string, string?> variable)
    {
        if (!long.TryParse(variable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) || microseconds is 0 or > 86_400_000_000) return null;
        if (variable("WATCHDOG_PID") is { Length: > 0 } pid && pid != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)) return null;
        return TimeSpan.FromMicroseconds(microseconds);
    }

    private void Send(string message)
    {
        try
        {
            _socket?.Send(System.Text.Encoding.UTF8.GetBytes(message));
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // The manager is gone or its socket is full.
        }
    }
}
