using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Containers;
using Stint.Functions.Builds;

namespace Stint.Hosting;

/// <summary><c>backend = "docker"</c>: functions run in containers, as in tinyFaaS.</summary>
internal sealed class ContainerParts : RuntimeParts
{
    private readonly EngineHost _host;

    /// <summary>Puts them together.</summary>
    /// <exception cref="IOException">A folder cannot be used, or the engine's address is none.</exception>
    public ContainerParts(DaemonOptions options, ProcessBackendOptions processes, TimeProvider time, ILoggerFactory loggers)
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
        Launcher = new ContainerLauncher(_host);
        Builds = new ContainerBuild(_host);
        Toolchain = new ContainerToolchain(images);
    }

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
    public override ValueTask DisposeAsync() => _host.DisposeAsync();
}
