using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions.Builds;
using Stint.Network;

namespace Stint.Hosting;

/// <summary><c>backend = "process"</c>: functions run in the sandbox of this host.</summary>
internal sealed class ProcessParts : RuntimeParts
{
    /// <summary>Puts them together.</summary>
    /// <exception cref="IOException">A folder cannot be used.</exception>
    public ProcessParts(DaemonOptions options, ProcessBackendOptions processes, HostNetwork network, TimeProvider time, ILoggerFactory loggers)
    {
        Host = new ProcessHost(processes, network, time, loggers.CreateLogger<ProcessHost>());
        Launcher = new SandboxLauncher(Host, processes, time);
        Builds = options.Isolation == Isolation.None ? new UnsandboxedBuild(time) : new SandboxedBuild(Host, time);
        Toolchain = new Toolchain(processes.Python3, processes.NodeJs);
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
    public override string? Problem => Host.SandboxProblem;

    /// <inheritdoc/>
    public override string? LimitsProblem => Host.LimitsProblem;

    /// <inheritdoc/>
    public override ISandboxNetworks? Networks => Host.Networks;

    /// <inheritdoc/>
    public override string? NetworkWarning => Host.NetworkPolicy.Warning;

    /// <inheritdoc/>
    public override Task StartAsync(CancellationToken cancellationToken) => Task.WhenAll(Host.ProbeAsync(cancellationToken), Host.WarmUpAsync(cancellationToken));

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await Host.Networks.DisposeAsync().ConfigureAwait(false);
        Host.Dispose();
    }
}
