using System.Net;
using System.Net.Sockets;
using Stint.EndToEnd.Fixtures;
using Stint.Network;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>A machine of the tests: a network namespace with an address. Processes, files and clocks are the host's, unless something says otherwise.</summary>
/// <param name="space">Its network.</param>
/// <param name="address">Its address on the wire.</param>
internal sealed class Machine(NetworkNamespace space, IPAddress address) : IDisposable
{
    /// <summary>Where the machines of a cluster listen for each other: each has its own address.</summary>
    public const int NodePort = 8943;

    /// <summary>Its network.</summary>
    public NetworkNamespace Space => space;

    /// <summary>Its address on the wire.</summary>
    public IPAddress Address => address;

    /// <summary>Whether it has been taken away.</summary>
    public bool IsGone => space.File.IsClosed;

    /// <summary>Starts a gateway and returns when it is ready.</summary>
    /// <param name="store">The store's address, as this machine reaches it.</param>
    /// <param name="key">The file with the store's key, which the gateways of a test share.</param>
    /// <param name="name">Its name in the cluster.</param>
    /// <param name="setup">The rest.</param>
    public Task<StintDaemon> StartGatewayAsync(string store, string key, string name, DaemonSetup? setup = null)
    {
        setup ??= new DaemonSetup();
        return StintDaemon.StartAsync(setup with
        {
            Namespace = space,
            Flags = ["--store-key", key, "--node-name", name, "--listen", $"127.0.0.1,{address}", "--node-port", $"{NodePort}", .. setup.Flags],
            Environment = new Dictionary<string, string>(setup.Environment) { ["STINT_STORE"] = store, ["STINT_NETWORK_DEFAULT"] = "none" },
        });
    }

    /// <summary>Starts a worker and returns when a gateway knows of it.</summary>
    /// <param name="gateways">The machines of its gateways, the first that it asks first.</param>
    /// <param name="token">A join token.</param>
    /// <param name="name">Its name in the cluster.</param>
    /// <param name="setup">The rest.</param>
    public Task<StintDaemon> StartWorkerAsync(IEnumerable<Machine> gateways, string token, string name, DaemonSetup? setup = null)
    {
        setup ??= new DaemonSetup();
        return StintDaemon.StartAsync(setup with
        {
            Namespace = space,
            IsWorker = true,
            Flags = ["--core", string.Join(',', gateways.Select(static gateway => $"{gateway.Address}:{NodePort}")), "--token", token, "--name", name, "--node-port", $"{NodePort}", .. setup.Flags],
            Environment = new Dictionary<string, string>(setup.Environment) { ["STINT_NETWORK_DEFAULT"] = "none" },
        });
    }

    /// <summary>A client that runs on this machine.</summary>
    public HttpClient Client(Uri server) => new(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = 64, ConnectTimeout = TimeSpan.FromSeconds(30), ConnectCallback = ConnectAsync })
    {
        BaseAddress = server, Timeout = TimeSpan.FromSeconds(100),
    };

    /// <inheritdoc/>
    public void Dispose() => space.Dispose();

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = await space.RunAsync(static () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true });
        try
        {
            await socket.ConnectAsync(IPAddress.Parse(context.DnsEndPoint.Host), context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
