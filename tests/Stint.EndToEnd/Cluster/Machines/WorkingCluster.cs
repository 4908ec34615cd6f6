using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>A gateway that runs no functions itself, and its workers, each on a machine of its own.</summary>
internal sealed class WorkingCluster : IAsyncDisposable
{
    private readonly MachineNetwork _network;
    private readonly MachineCluster _cluster;
    private readonly string _token;
    private readonly Dictionary<string, (Machine Machine, StintDaemon Daemon, DaemonSetup Setup, Machine[] Gateways)> _daemons = [];

    private WorkingCluster(MachineNetwork network, MachineCluster cluster, string token) => (_network, _cluster, _token) = (network, cluster, token);

    /// <summary>The gateway.</summary>
    public StintDaemon Gateway => this["gateway"];

    /// <summary>A daemon by name.</summary>
    public StintDaemon this[string name] => _daemons[name].Daemon;

    /// <summary>Starts the gateway.</summary>
    public static async Task<WorkingCluster> StartAsync(MachineNetwork network, MachineCluster cluster)
    {
        var machine = await network.AddAsync();
        var setup = new DaemonSetup { Flags = ["--worker=false"] };
        var gateway = await cluster.StartAsync(machine, "gateway", setup);
        var working = new WorkingCluster(network, cluster, await cluster.TokenAsync());
        working._daemons["gateway"] = (machine, gateway, setup, []);
        return working;
    }

    /// <summary>The machine of a daemon.</summary>
    public Machine Machine(string name) => _daemons[name].Machine;

    /// <summary>Starts a worker of the gateway.</summary>
    public Task StartWorkerAsync(string name, DaemonSetup? setup = null) => StartWorkerAsync(name, setup, Machine("gateway"));

    /// <summary>Starts a worker of these gateways, which asks the first of them first.</summary>
    public Task StartWorkerAsync(string name, params Machine[] gateways) => StartWorkerAsync(name, null, gateways);

    /// <summary>Restarts a worker as an upgrade does: SIGTERM, and the new program with the folders of the old.</summary>
    public async Task RestartAsync(string name)
    {
        var (machine, daemon, setup, gateways) = _daemons[name];
        daemon.Signal(15);
        if (await daemon.ExitAsync() is not 0 and var code) throw new InvalidOperationException($"{name} ended with {code}:\n{daemon.Log}");
        await daemon.DisposeAsync();
        _daemons[name] = (machine, await machine.StartWorkerAsync(gateways, _token, name, setup), setup, gateways);
    }

    /// <summary>Sends calls through the gateway.</summary>
    public void Send(params BalancedCalls[] calls)
    {
        foreach (var each in calls) each.Add(Machine("gateway"), Gateway);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // Workers first: gateways are there until they have left.
        foreach (var (_, daemon, _, _) in _daemons.Values.Reverse()) await daemon.DisposeAsync();
    }

    private async Task StartWorkerAsync(string name, DaemonSetup? setup, params Machine[] gateways)
    {
        var machine = await _network.AddAsync();
        setup = (setup ?? new DaemonSetup()) with { Root = _cluster.Folder($"root-{name}") };
        _daemons[name] = (machine, await machine.StartWorkerAsync(gateways, _token, name, setup), setup, gateways);
    }
}
