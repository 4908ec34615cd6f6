using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions.Builds;
using Stint.Network;

namespace Stint.Hosting;

/// <summary><c>backend = "process"</c>: functions run in the sandbox of this host.</summary>
internal sealed class ProcessParts : RuntimeParts
{
    private readonly ProcessHost _host;

    /// <summary>Puts them together.</summary>
    /// <exception cref="IOException">A folder cannot be used.</exception>
    public ProcessParts(DaemonOptions options, ProcessBackendOptions processes, HostNetwork network, TimeProvider time, ILoggerFactory loggers)
    {
        _host = new ProcessHost(processes, network, time, loggers.CreateLogger<ProcessHost>());
        Launcher = new SandboxLauncher(_host, processes, time);
        Builds = options.Isolation == Isolation.None ? new UnsandboxedBuild(time) : new SandboxedBuild(_host, time);
        Toolchain = new Toolchain(processes.Python3, processes.NodeJs);
    }

    /// <inheritdoc/>
    public override IRuntimeLauncher Launcher { get; }

    /// <inheritdoc/>
    public override IBuildSandbox Builds { get; }

    /// <inheritdoc/>
    public override IToolchain Toolchain { get; }

    /// <inheritdoc/>
    public override string? Problem => _host.SandboxProblem;

    /// <inheritdoc/>
    public override string? LimitsProblem => _host.LimitsProblem;

    /// <inheritdoc/>
    public override ISandboxNetworks? Networks => _host.Networks;

    /// <inheritdoc/>
    public override string? NetworkWarning => _host.NetworkPolicy.Warning;

    /// <inheritdoc/>
    public override Task StartAsync(CancellationToken cancellationToken) => Task.WhenAll(_host.ProbeAsync(cancellationToken), _host.WarmUpAsync(cancellationToken));

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _host.Networks.DisposeAsync().ConfigureAwait(false);
        _host.Dispose();
    }
}
