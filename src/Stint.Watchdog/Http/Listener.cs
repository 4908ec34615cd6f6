using System.Buffers.Binary;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Http;

/// <summary>Takes connections on a port of all addresses and hands them to the loops in turn, so that no loop has all of them.</summary>
internal sealed class Listener : IDisposable
{
    private const int Backlog = 4096; // the kernel cuts it to net.core.somaxconn

    private readonly IReadOnlyList<Crew> _crews;
    private readonly IAnswerer _answerer;
    private readonly WatchdogSettings _settings;
    private readonly Descriptor _socket;
    private readonly LoopTimer _pause;
    private int _next;

    /// <summary>Binds the port; on the first crew's loop.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be had; the message says why.</exception>
    public Listener(IReadOnlyList<Crew> crews, ushort port, IAnswerer answerer, WatchdogSettings settings)
    {
        (_crews, _answerer, _settings) = (crews, answerer, settings);
        var socket = Bind(port);
        Port = PortOf(socket);
        _socket = new(crews[0].Loop, socket);
        _pause = new(crews[0].Loop, _socket.Readable.Set);
    }

    /// <summary>The port; the one that was found when 0 was asked for.</summary>
    public ushort Port { get; }

    /// <summary>Takes connections until it is disposed of.</summary>
    public async Task RunAsync()
    {
        while (!_socket.IsInterrupted)
        {
            var client = Accept(_socket.Number);
            if (client >= 0)
            {
                var crew = _crews[_next++ % _crews.Count];
                crew.Take(client, _answerer, _settings);
                continue;
            }
            switch (Libc.Error)
            {
                case Libc.ErrorAgain:
                    break;
                case Libc.ErrorManyFiles or Libc.ErrorFileTable or Libc.ErrorNoMemory:
                    // Clients wait in the backlog until others are done.
                    WatchdogLog.Write("no more connections can be taken for the moment: there are no descriptors or no memory left (ulimit -n)");
                    _pause.Arm(TimeSpan.FromMilliseconds(100));
                    break;
                default:
                    continue; // the client is gone already
            }
            await _socket.Readable;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pause.Cancel();
        _socket.Dispose();
    }

    private static unsafe int Accept(int socket) => Libc.accept4(socket, null, null, Libc.NonBlocking | Libc.CloseOnExec);

    private static unsafe int Bind(ushort port)
    {
        var socket = Libc.socket(Libc.Inet6, Libc.Stream | Libc.NonBlocking | Libc.CloseOnExec, 0);
        var family = Libc.Inet6;
        if (socket < 0)
        {
            // A kernel without IPv6.
            socket = Libc.Check(Libc.socket(Libc.Inet, Libc.Stream | Libc.NonBlocking | Libc.CloseOnExec, 0), "socket");
            family = Libc.Inet;
        }
        Libc.SetOption(socket, Libc.SocketLevel, Libc.ReuseAddress, 1);
        if (family == Libc.Inet6) Libc.SetOption(socket, Libc.Ipv6Level, Libc.Ipv6Only, 0);
        // sockaddr_in6 with the address [::], sockaddr_in with 0.0.0.0: family, port, zeros.
        var address = stackalloc byte[28];
        new Span<byte>(address, 28).Clear();
        *(ushort*)address = (ushort)family;
        BinaryPrimitives.WriteUInt16BigEndian(new Span<byte>(address + 2, 2), port);
        if (Libc.bind(socket, address, family == Libc.Inet6 ? 28u : 16u) < 0 || Libc.listen(socket, Backlog) < 0)
        {
            var failure = Libc.Failure($"port {port} cannot be listened on", Libc.Error);
            _ = Libc.close(socket);
            throw failure;
        }
        return socket;
    }

    private static unsafe ushort PortOf(int socket)
    {
        var address = stackalloc byte[28];
        var length = 28u;
        Libc.Check(Libc.getsockname(socket, address, &length), "getsockname");
        return BinaryPrimitives.ReadUInt16BigEndian(new Span<byte>(address + 2, 2));
    }
}
