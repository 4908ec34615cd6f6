using System.Net;
using System.Net.Sockets;
using System.Text;
using Stint.EndToEnd.Fixtures;
using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.EndToEnd.Vms;

/// <summary>The network of a daemon's host, without which taps of one test run would collide with another's.</summary>
internal sealed class VmHostNetwork : IDisposable
{
    private VmHostNetwork(NetworkNamespace ns) => Namespace = ns;

    /// <summary>Where the daemon runs.</summary>
    public NetworkNamespace Namespace { get; }

    /// <summary>Makes one with a loopback.</summary>
    public static async Task<VmHostNetwork> MakeAsync()
    {
        var ns = await NetworkNamespace.MakeAsync();
        using var host = await ns.RunAsync(static () => new RouteSocket());
        host.SetUp(host.Find("lo")!.Index);
        return new VmHostNetwork(ns);
    }

    /// <summary>Names of links but the loopback, and of taps inside machines' namespaces that outlive them there would be none.</summary>
    public async Task<IReadOnlyList<string>> LinksAsync()
    {
        using var host = await Namespace.RunAsync(static () => new RouteSocket());
        return [.. host.List().Select(static link => link.Name).Where(static name => name != "lo")];
    }

    /// <summary>GET of a URL with a number for its host, from the daemon's host; the status line.</summary>
    public async Task<string> GetAsync(Uri url)
    {
        using var socket = await Namespace.RunAsync(static () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        await socket.ConnectAsync(IPAddress.Parse(url.Host), url.Port).WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"GET {url.AbsolutePath} HTTP/1.1\r\nHost: {url.Host}\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(new NetworkStream(socket));
        return await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System) ?? "";
    }

    /// <inheritdoc/>
    public void Dispose() => Namespace.Dispose();
}

/// <summary>A process of the host that runs a daemon's machine.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Command">Its command line.</param>
internal sealed record HypervisorProcess(int Id, string Command)
{
    /// <summary>Those of a daemon.</summary>
    public static IReadOnlyList<HypervisorProcess> Of(StintDaemon daemon)
    {
        var found = new List<HypervisorProcess>();
        foreach (var process in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), out var id)) continue;
            try
            {
                var command = File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ');
                // Not the sandbox around it, which has it among its arguments.
                if (command.Split(' ')[0].EndsWith("qemu-system-x86_64", StringComparison.Ordinal) && command.Contains(daemon.Root + "/", StringComparison.Ordinal)) found.Add(new HypervisorProcess(id, command));
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile.
            }
        }
        return found;
    }
}
