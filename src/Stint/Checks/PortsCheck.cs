using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Stint.Checks;

/// <summary>Whether the daemon's ports are free: opens each for a moment, unless a daemon runs already.</summary>
internal sealed class PortsCheck : ICheck
{
    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken)
    {
        var ports = scope.Ports.Where(port => port.Port > 0).ToList();
        var list = string.Join(", ", ports.Select(port => port.Port.ToString(CultureInfo.InvariantCulture)));
        if (scope.DaemonPid is { } pid) return Answer(CheckStatus.Fine, string.Create(CultureInfo.InvariantCulture, $"a daemon runs already (process {pid})."), null);
        var taken = ports.Where(port => !IsFree(port)).ToList();
        return taken.Count == 0
            ? Answer(CheckStatus.Fine, $"{list} are free.", null)
            : Answer(CheckStatus.Degraded, string.Join(", ", taken.Select(port => string.Create(CultureInfo.InvariantCulture, $"{port.Port}/{(port.Transport is Transport.Udp ? "udp" : "tcp")} is in use ({port.Setting})"))) + ".",
                "stint up " + string.Join(' ', taken.Select(port => string.Create(CultureInfo.InvariantCulture, $"--{port.Setting} {port.Port + 10000}"))));

        // Another port is a flag away, so a port that is taken stops nothing.
        static Task<CheckResult> Answer(CheckStatus status, string found, string? cure) => Task.FromResult(new CheckResult("ports", status, found, cure, Concern.Comfort));
    }

    private static bool IsFree(DaemonPort port)
    {
        try
        {
            var family = Socket.OSSupportsIPv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
            using var socket = port.Transport is Transport.Udp ? new Socket(family, SocketType.Dgram, ProtocolType.Udp) : new Socket(family, SocketType.Stream, ProtocolType.Tcp);
            if (family is AddressFamily.InterNetworkV6) socket.DualMode = true;
            socket.Bind(new IPEndPoint(family is AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, port.Port));
            if (port.Transport is Transport.Tcp) socket.Listen(1);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
