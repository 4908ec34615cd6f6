using Stint.Backends.Callbacks;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Networks;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Containers;

/// <summary>What all containers of a daemon share.</summary>
internal sealed class ContainerHost : IAsyncDisposable
{
    /// <summary>Puts it together; the engine is not asked for anything yet.</summary>
    public ContainerHost(ContainerBackendOptions options, EngineClient engine, CallbackServer callbacks, FunctionSecrets secrets, FunctionLogs logs, TimeProvider time, ILoggerFactory loggers)
    {
        (Options, Engine, Callbacks, Secrets, Logs, Time) = (options, engine, callbacks, secrets, logs, time);
        Networks = new FunctionNetworks(engine, options, callbacks, loggers.CreateLogger<FunctionNetworks>());
        Watch = new ContainerWatch(engine, options.Daemon, Networks, time, loggers.CreateLogger<ContainerWatch>());
        Usage = new UsageSampler(engine, time);
        Outputs = new ContainerLogs(engine, time);
        Logger = loggers.CreateLogger<ContainerBackend>();
        Turns = new SemaphoreSlim(options.ParallelStarts);
    }

    /// <summary>The settings.</summary>
    public ContainerBackendOptions Options { get; }

    /// <summary>The engine.</summary>
    public EngineClient Engine { get; }

    /// <summary>Where instances say that they are ready.</summary>
    public CallbackServer Callbacks { get; }

    /// <summary>Where functions' secrets come from.</summary>
    public FunctionSecrets Secrets { get; }

    /// <summary>The functions' logs.</summary>
    public FunctionLogs Logs { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>The functions' networks.</summary>
    public FunctionNetworks Networks { get; }

    /// <summary>Whether the engine is there, and what happens to our containers.</summary>
    public ContainerWatch Watch { get; }

    /// <summary>What containers use.</summary>
    public UsageSampler Usage { get; }

    /// <summary>What containers print.</summary>
    public ContainerLogs Outputs { get; }

    /// <summary>For what an operator should know.</summary>
    public ILogger Logger { get; }

    /// <summary>Creates and starts that go on at a time: more of them only take turns on the host's processors and disk, and the first one is ready later (docs/benchmarks.md).</summary>
    public SemaphoreSlim Turns { get; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Watch.DisposeAsync().ConfigureAwait(false);
        await Usage.DisposeAsync().ConfigureAwait(false);
        Engine.Dispose();
        Turns.Dispose();
    }
}
