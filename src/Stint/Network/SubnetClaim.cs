// Two daemons must not give out the same addresses. There is no moment at which the kernel would say so: before its first instance a daemon has no route, and an address may well be on two links. So a
// daemon says what it has taken by binding an abstract Unix socket with a telling name (unix(7)): such names exist once in a network namespace, everybody can list them in /proc/net/unix, and they are
// gone with the daemon, however it ends.
//
//   @stint-network/10.100.0.0/16/5f0c…      taken by the daemon 5f0c…
//   @stint-network-lock                     held while somebody looks and takes
using System.Net.Sockets;

namespace Stint.Network;

/// <summary>A subnet that this daemon has taken for itself among the daemons of a host.</summary>
internal sealed class SubnetClaim : IDisposable
{
    private const string Prefix = "stint-network/";
    private const string LockName = "stint-network-lock";
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Socket _socket;

    private SubnetClaim(Socket socket) => _socket = socket;

    /// <summary>Takes a subnet.</summary>
    /// <exception cref="NetworkUnavailableException">Another daemon has it, or a part of it.</exception>
    public static async Task<SubnetClaim> TakeAsync(Ipv4Subnet subnet, string daemon, TimeProvider time, CancellationToken cancellationToken)
    {
        using var turn = await LockAsync(time, cancellationToken).ConfigureAwait(false);
        foreach (var (taken, owner) in Read(File.ReadLines("/proc/thread-self/net/unix")))
        {
            if (taken.Overlaps(subnet))
                throw new NetworkUnavailableException($"the subnet {subnet} collides with {taken}, which another Stint daemon on this host uses ({owner}); give this one another with --network-subnet");
        }
        return new SubnetClaim(TryBind($"{Prefix}{subnet}/{daemon}") ?? throw new NetworkUnavailableException($"the subnet {subnet} is in use by this daemon already"));
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    /// <summary>The subnets in a list of the host's Unix sockets.</summary>
    internal static IEnumerable<(Ipv4Subnet Subnet, string Owner)> Read(IEnumerable<string> sockets)
    {
        foreach (var line in sockets)
        {
            // Num RefCount Protocol Flags Type St Inode Path; an abstract name begins with @ there.
            var at = line.IndexOf(" @" + Prefix, StringComparison.Ordinal);
            if (at < 0) continue;
            var name = line[(at + 2 + Prefix.Length)..];
            var slash = name.LastIndexOf('/');
            if (slash > 0 && Ipv4Subnet.TryParse(name[..slash], out var subnet)) yield return (subnet, name[(slash + 1)..]);
        }
    }

    private static async Task<Socket> LockAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        while (true)
        {
            if (TryBind(LockName) is { } held) return held;
            if (time.GetElapsedTime(since) > Patience) throw new NetworkUnavailableException($"another program holds the Unix socket @{LockName}; if it is no Stint daemon, end it");
            await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(false);
        }
    }

    private static Socket? TryBind(string name)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint("\0" + name));
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }
}
