using System.Security.Cryptography;
using System.Text;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary>A daemon whose container functions run at the test engine. At its end nothing of it is left there.</summary>
public sealed class ContainerDaemon : IAsyncLifetime, IAsyncDisposable
{
    private readonly TestEngine _engine;
    private readonly DaemonSetup _setup;
    private StintDaemon? _daemon;

    /// <summary>For classes whose tests share one.</summary>
    public ContainerDaemon(TestEngine engine) : this(engine, new DaemonSetup()) { }

    private ContainerDaemon(TestEngine engine, DaemonSetup setup) => (_engine, _setup) = (engine, setup);

    /// <summary>The daemon.</summary>
    internal StintDaemon Daemon => _daemon!;

    /// <summary>The daemon in its labels: one for each state folder.</summary>
    internal string Id => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Daemon.State)))[..12];

    /// <summary>The engine.</summary>
    internal EngineClient Engine => _engine.Client;

    /// <summary>Starts one.</summary>
    internal static async Task<ContainerDaemon> StartAsync(TestEngine engine, DaemonSetup? setup = null)
    {
        var daemon = new ContainerDaemon(engine, setup ?? new DaemonSetup());
        await daemon.InitializeAsync();
        return daemon;
    }

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        await Guests.MakeAsync(_engine);
        _daemon = await StintDaemon.StartAsync(_setup with
        {
            Flags = ["--docker-host", _engine.Address, "--container-subnets", _engine.Addresses.ToString(), "--max-body", "512", "-l", "debug", .. _setup.Flags],
        });
    }

    /// <summary>Deploys a function of an image; <paramref name="container"/> are further lines of <c>[container]</c>.</summary>
    internal Task DeployAsync(string name, string image, string container = "port = 8080", string top = "") => Daemon.DeployAsync(name, $"{top}\n[container]\nimage = \"{image}\"\n{container}\n");

    /// <summary>Runs a script in an instance of a function whose image is <see cref="Guests.Web"/> or one like it.</summary>
    internal async Task<string> ShellAsync(string function, string script)
    {
        var (status, output) = await Daemon.CallAsync($"{function}/cgi-bin/sh", script);
        Assert.True(status == 200, $"status {status}: {output}\n{Daemon.Log}");
        return output;
    }

    /// <summary>The containers of a function that the engine has; those that were created ahead too.</summary>
    internal Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string function) => Engine.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Function, function), default);

    /// <summary>The only container of a function that runs.</summary>
    internal async Task<ContainerDetails> RunningAsync(string function) =>
        await Engine.Containers.InspectAsync(Assert.Single(await ContainersAsync(function), static container => container.IsRunning).Id, default);

    /// <summary>Waits until as many containers of a function run.</summary>
    internal Task WaitForRunningAsync(string function, int count) =>
        Retry.UntilAsync($"{count} containers of {function} run", async () => (await ContainersAsync(function)).Count(static container => container.IsRunning) == count);

    /// <summary>Waits until a function that was put into the registry's folder has been taken up.</summary>
    internal static Task WaitForReadyAsync(StintDaemon daemon, string function) =>
        Retry.UntilAsync($"{function} is ready", async () => (await daemon.DescribeAsync(function)).GetProperty("state").GetString() == "ready");

    /// <summary>Waits until nothing with our labels is at the engine.</summary>
    internal static Task WaitForNothingLeftAsync(TestEngine engine) =>
        Retry.UntilAsync("nothing of ours is left at the engine", async () => (await engine.FindLabelledAsync(ContainerLabels.Daemon)).Count == 0);

    /// <inheritdoc/>
    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Daemon.DisposeAsync();
        var left = await _engine.FindLabelledAsync(ContainerLabels.Daemon, Id);
        Assert.True(left.Count == 0, $"left at the engine: {string.Join(", ", left)}\n{Daemon.Log}");
    }
}
