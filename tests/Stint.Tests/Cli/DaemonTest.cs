using Stint.Management;

namespace Stint.Tests.Cli;

/// <summary>A test of a command that speaks to a daemon: a <see cref="PlayedDaemon"/>, and a <see cref="PlayedCli"/> that knows where it is.</summary>
public abstract class DaemonTest : IAsyncLifetime
{
    internal PlayedCli Cli { get; } = new();

    internal PlayedDaemon Daemon { get; private set; } = null!;

    /// <summary>Two functions, one that serves and one that is broken.</summary>
    internal static FunctionDetailView[] Examples { get; } =
    [
        new()
        {
            Name = "hello", Runtime = "python3", State = "ready", Version = "a1b2c3d4", DeployedAt = Moment(0), Instances = new(0, 1, 2, 0), Queue = 3, Requests = 1204, Errors = 2, ColdStarts = 4,
            P50Seconds = 0.00087, P99Seconds = 0.0123, MemoryBytes = 25 << 20, ConcurrentRequests = 1, MaxInstances = 4, Folder = "/var/lib/stint/functions/_/hello",
            KeepaliveSeconds = 300, TimeoutSeconds = 60, MemoryMiB = 256, Pids = 64, Network = "none", Env = ["GREETING"], Labels = new Dictionary<string, string> { ["made-by"] = "test" },
            InstanceList =
            [
                new() { Id = "hello-1", State = "idle", StartedAt = Moment(1), LastUsedAt = Moment(60), Version = "a1b2c3d4", MemoryBytes = 9 << 20 },
                new() { Id = "hello-2", State = "busy", InFlight = 1, StartedAt = Moment(2), Version = "a1b2c3d4", MemoryBytes = 8 << 20 },
            ],
        },
        new()
        {
            Name = "thumbs", Module = "images", Runtime = "nodejs", State = "broken", Problems = ["function.toml, line 3: unknown key 'memroy', did you mean 'memory'?"],
            Why = "its function.toml has an error", ConcurrentRequests = 4, MinInstances = 1, MaxInstances = 8, KeepaliveSeconds = -1, TimeoutSeconds = 1.5, MemoryMiB = 128, Cpus = 0.5, Pids = 64, Network = "host",
        },
    ];

    /// <summary>One that backs off while a new version boots.</summary>
    internal static FunctionDetailView Failing { get; } = new()
    {
        Name = "flaky", Runtime = "python3", State = "ready", Version = "0f1e2d3c", DeployedAt = Moment(0), Requests = 12, Errors = 4, ConcurrentRequests = 1, MaxInstances = 4,
        KeepaliveSeconds = 300, TimeoutSeconds = 60, MemoryMiB = 256, Pids = 64, Network = "none", Folder = "/var/lib/stint/functions/flaky",
        Why = "an instance did not start: fn.py has an error:\nNameError: name 'x' is not defined", NextRetryAt = Moment(8), NextVersion = "99aabbcc", StartFailures = 3, Deaths = 1,
    };

    internal static DateTimeOffset Moment(int second) => new DateTimeOffset(2026, 8, 1, 12, 0, 0, TimeSpan.Zero).AddSeconds(second);

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        Daemon = await PlayedDaemon.StartAsync();
        Cli.Variables["STINT_MANAGEMENT"] = Daemon.Url;
        Cli.Variables["STINT_TOKEN"] = "secret";
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await Daemon.DisposeAsync();
        Cli.Dispose();
    }
}
