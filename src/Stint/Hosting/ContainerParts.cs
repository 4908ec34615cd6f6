using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Containers;
using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Network;

namespace Stint.Hosting;

/// <summary><c>backend = "docker"</c>: functions run in containers, as in tinyFaaS.</summary>
internal sealed class ContainerParts : RuntimeParts
{
    private readonly EngineHost _host;

    /// <summary>Puts them together.</summary>
    /// <exception cref="IOException">A folder cannot be used, or the engine's address is none.</exception>
    public ContainerParts(DaemonOptions options, ProcessBackendOptions processes, HostNetwork network, TimeProvider time, ILoggerFactory loggers)
    {
        EngineClient engine;
        try
        {
            engine = new EngineClient(EngineAddress.Find(options.DockerHost, Environment.GetEnvironmentVariable), time);
        }
        catch (Exception wrong) when (wrong is FormatException or EngineException)
        {
            throw new IOException(wrong.Message, wrong);
        }
        var settings = new RuntimeImageSettings
        {
            Bases = options.DockerBase, RuntimesFolder = processes.Runtimes, Daemon = processes.GroupName, Python3 = options.Python3, NodeJs = options.NodeJs,
        };
        var images = new RuntimeImages(engine, settings, time, loggers.CreateLogger<RuntimeImages>());
        _host = new EngineHost(engine, processes, images, time, loggers.CreateLogger<EngineHost>());
        // Users, folders and control groups of its own, because the engine's host counts on having its alone.
        var run = Path.Combine(processes.RunFolder, "vms");
        RunFolder.Make(run);
        Host = new ProcessHost(processes with { RunFolder = run, GroupName = processes.GroupName + "-vms", NetworkDefault = NetworkAccess.None }, network, time, loggers.CreateLogger<ProcessHost>());
        Launcher = new ContainerLauncher(_host);
        Builds = new ContainerBuild(_host);
        Toolchain = new ContainerToolchain(images);
    }

    /// <inheritdoc/>
    public override ProcessHost Host { get; }

    /// <inheritdoc/>
    public override IRuntimeLauncher Launcher { get; }

    /// <inheritdoc/>
    public override IBuildSandbox Builds { get; }

    /// <inheritdoc/>
    public override IToolchain Toolchain { get; }

    /// <inheritdoc/>
    public override string? Problem => _host.Problem is { } problem ? $"no function can run: {problem}" : null;

    /// <inheritdoc/>
    public override string? LimitsProblem => _host.LimitsProblem;

    /// <inheritdoc/>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await Host.ProbeAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _host.ReadyAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException)
        {
            // Problem says it; each start of an instance looks again.
        }
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await Host.Networks.DisposeAsync().ConfigureAwait(false);
        Host.Dispose();
        await _host.DisposeAsync().ConfigureAwait(false);
    }
}
