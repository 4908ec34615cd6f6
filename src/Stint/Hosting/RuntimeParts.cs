using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;
using Stint.Functions.Builds;
using Stint.Network;

namespace Stint.Hosting;

/// <summary>What runs functions that have code, and builds their dependencies: of the backend that the operator chose.</summary>
internal abstract class RuntimeParts : IAsyncDisposable
{
    /// <summary>The host's sandbox and limits; hypervisors run there, whatever runs functions that have code.</summary>
    public abstract ProcessHost Host { get; }

    /// <summary>Starts runtimes.</summary>
    public abstract IRuntimeLauncher Launcher { get; }

    /// <summary>Where package tools run.</summary>
    public abstract IBuildSandbox Builds { get; }

    /// <summary>The interpreters and package tools of builds.</summary>
    public abstract IToolchain Toolchain { get; }

    /// <summary>Why functions are not isolated, or cannot be run at all; null when all is well.</summary>
    public abstract string? Problem { get; }

    /// <summary>Why limits of memory, processes and cpu are not enforced; null when they are.</summary>
    public abstract string? LimitsProblem { get; }

    /// <summary>The ways to the world of sandboxes; null where they are no business of ours.</summary>
    public virtual ISandboxNetworks? Networks => null;

    /// <summary>What an operator should know of functions' networks; null when there is nothing.</summary>
    public virtual string? NetworkWarning => null;

    /// <summary>Looks whether functions will run, and does ahead what can be done.</summary>
    public abstract Task StartAsync(CancellationToken cancellationToken);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>The parts for these settings.</summary>
    /// <exception cref="IOException">A folder cannot be used, or the engine's address is none.</exception>
    public static RuntimeParts Of(DaemonOptions options, ProcessBackendOptions processes, HostNetwork network, TimeProvider time, ILoggerFactory loggers) => options.Backend switch
    {
        RuntimeBackend.Docker => new ContainerParts(options, processes, network, time, loggers),
        RuntimeBackend.Process or RuntimeBackend.Swarm => new ProcessParts(options, processes, network, time, loggers),
        _ => throw new ArgumentOutOfRangeException(nameof(options)),
    };
}
