using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster;

/// <summary>Gateways and workers over one database of <see cref="TestPostgres"/>: real processes on the loopback, each with its own ports and folders.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private readonly List<StintDaemon> _daemons = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-cluster-").FullName;

    private TestCluster(string address) => Address = address;

    /// <summary>The database.</summary>
    public string Address { get; }

    /// <summary>The key of what is sealed in it: the first gateway's, which the others are given.</summary>
    public string? KeyFile { get; private set; }

    /// <summary>Makes a database; no daemon runs yet.</summary>
    public static async Task<TestCluster> CreateAsync(TestPostgres postgres) => new(await postgres.CreateDatabaseAsync());

    /// <summary>A folder for a machine that is killed and started again: that is what clears up after it.</summary>
    public DaemonSetup Killable(string name)
    {
        // Sandboxes' users must be able to pass.
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
        return new DaemonSetup { Root = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName };
    }

    /// <summary>Starts a gateway. Its node port is <see cref="NodePortOfAsync"/>.</summary>
    public Task<StintDaemon> StartGatewayAsync(string name, params string[] flags) => StartGatewayAsync(name, new DaemonSetup { Flags = flags });

    /// <summary>Starts a gateway.</summary>
    public async Task<StintDaemon> StartGatewayAsync(string name, DaemonSetup setup)
    {
        var gateway = await StintDaemon.StartAsync(setup with
        {
            Flags = ["--store", Address, "--node-name", name, .. KeyFile is { } key ? (string[])["--store-key", key] : [], .. setup.Flags],
        });
        _daemons.Add(gateway);
        KeyFile ??= Path.Combine(gateway.State, "store.key");
        return gateway;
    }

    /// <summary>A join token.</summary>
    public async Task<string> TokenAsync(params string[] flags) =>
        (await Programs.RunAsync([.. Programs.Stint, "cluster", "token", "--store", Address, "--store-key", KeyFile!, .. flags], "/")).Good().Trim();

    /// <summary>Starts a worker of a gateway and returns when the gateway knows of it.</summary>
    public async Task<StintDaemon> StartWorkerAsync(string name, StintDaemon gateway, params string[] flags) => await StartWorkerAsync(name, gateway, new DaemonSetup { Flags = flags });

    /// <summary>Starts a worker of several gateways and returns when the first one knows of it.</summary>
    public Task<StintDaemon> StartWorkerAsync(string name, StintDaemon[] gateways, params string[] flags) => StartWorkerAsync(name, gateways, new DaemonSetup { Flags = flags });

    /// <summary>Starts a worker of a gateway and returns when the gateway knows of it.</summary>
    public Task<StintDaemon> StartWorkerAsync(string name, StintDaemon gateway, DaemonSetup setup) => StartWorkerAsync(name, [gateway], setup);

    private async Task<StintDaemon> StartWorkerAsync(string name, StintDaemon[] gateways, DaemonSetup setup)
    {
        var token = await TokenAsync();
        var cores = new List<string>();
        foreach (var gateway in gateways) cores.Add($"127.0.0.1:{await NodePortOfAsync(gateway)}");
        var worker = await StintDaemon.StartAsync(setup with { IsWorker = true, Flags = ["--core", string.Join(',', cores), "--token", token, "--name", name, .. setup.Flags] });
        _daemons.Add(worker);
        return worker;
    }

    /// <summary>Runs <c>stint cluster …</c>.</summary>
    public Task<Finished> RunAsync(params string[] arguments) => Programs.RunAsync([.. Programs.Stint, "cluster", .. arguments, "--store", Address], "/");

    /// <summary>Drains a machine. A worker that has just been started is called at once, and in the store a second later.</summary>
    public Task DrainAsync(string node) => Retry.UntilAsync($"{node} is drained", async () => (await RunAsync("drain", node)).Code == 0);

    /// <summary>The machines, as <c>stint cluster ls --json</c> has them.</summary>
    public async Task<List<JsonElement>> NodesAsync() => [.. JsonDocument.Parse((await RunAsync("ls", "--json")).Good()).RootElement.GetProperty("nodes").EnumerateArray()];

    /// <summary>The port at which a daemon is reached by other machines: the log says it.</summary>
    public static async Task<int> NodePortOfAsync(StintDaemon daemon)
    {
        const string before = "node at https://localhost:";
        await daemon.WaitForLogAsync(before);
        var log = daemon.Log;
        var at = log.IndexOf(before, StringComparison.Ordinal) + before.Length;
        return int.Parse(string.Concat(log[at..].TakeWhile(char.IsAsciiDigit)), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>A daemon that the test has ended, or ends itself.</summary>
    public void Forget(StintDaemon daemon) => _daemons.Remove(daemon);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // Workers first: gateways are there until they have left.
        for (var i = _daemons.Count - 1; i >= 0; i--) await _daemons[i].DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
