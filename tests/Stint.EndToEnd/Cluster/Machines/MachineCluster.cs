using Stint.Cluster.Store;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>What one test has on the network: a database, the key, and folders.</summary>
internal sealed class MachineCluster(MachineNetwork network) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-machines-").FullName;
    private string? _local;

    /// <summary>The store's address as the test itself reaches it, whatever is cut.</summary>
    public string Local => _local ?? throw new InvalidOperationException("not prepared");

    /// <summary>The store's address as machines reach it.</summary>
    public string Address => network.Postgres.OverTcp(Local, network.Database.Address);

    /// <summary>The file with the store's key.</summary>
    public string Key => Path.Combine(_folder, "store.key");

    /// <summary>Makes the database.</summary>
    public async Task PrepareAsync()
    {
        // Sandboxes' users must be able to pass.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        _local = await network.Postgres.CreateDatabaseAsync();
    }

    /// <summary>A folder of the test's, which goes with it.</summary>
    public string Folder(string name) => Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;

    /// <summary>Starts a gateway.</summary>
    public Task<StintDaemon> StartAsync(Machine machine, string name, DaemonSetup? setup = null) => machine.StartGatewayAsync(Address, Key, name, setup);

    /// <summary>Lets any number of workers in, once a gateway has started.</summary>
    public async Task<string> TokenAsync() =>
        (await Programs.RunAsync([.. Programs.Stint, "cluster", "token", "--uses", "0", "--store", Local, "--store-key", Key], "/")).Good().Trim();

    /// <summary>The machines of the cluster, as PostgreSQL has them: "one alive, two dead".</summary>
    public async Task<string> NodesAsync()
    {
        await using var store = new ClusterStore(StoreAddress.Parse(Local));
        return string.Join(", ", (await store.Nodes.ListAsync(default)).Select(static node => $"{node.Node.Name} {(node.IsAlive ? "alive" : "dead")}"));
    }

    /// <summary>The server's clock, in seconds.</summary>
    public async Task<double> ServerSecondsAsync()
    {
        await using var store = new ClusterStore(StoreAddress.Parse(Local));
        return await store.UseAsync(static connection => connection.ValueAsync<double>("select extract(epoch from clock_timestamp())::float8", [], default), default);
    }

    /// <summary>Deploys, and says it again while the store keeps it waiting.</summary>
    public static async Task DeployUntilDoneAsync(StintDaemon gateway, string name, string code) => await Retry.UntilAsync($"{name} is deployed", async () =>
    {
        try
        {
            await gateway.DeployPythonAsync(name, code);
            return true;
        }
        catch (InvalidOperationException refused) when (refused.Message.Contains("the store", StringComparison.Ordinal))
        {
            return false;
        }
    }, TimeSpan.FromMinutes(3));

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
