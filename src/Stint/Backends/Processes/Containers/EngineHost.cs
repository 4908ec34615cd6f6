using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Images;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.Backends.Processes.Containers;

/// <summary>What containers of process functions and of builds share: the engine, the images, the user numbers. Works without an engine too: it is looked for at each start until it is there.</summary>
internal sealed partial class EngineHost : IAsyncDisposable
{
    // What an engine of two cores starts at a time without each start taking longer (bench/containers). The others wait here, where they can be cancelled.
    private const int ParallelStarts = 4;

    private static readonly string[] OwnRoles = [ContainerLabels.ProcessRole, ContainerLabels.BuildRole];

    private readonly ProcessBackendOptions _options;
    private readonly ILogger<EngineHost> _logger;
    private readonly SemaphoreSlim _looking = new(1);
    private readonly SemaphoreSlim _starts = new(ParallelStarts);
    private EngineInfo? _info;

    /// <summary>Prepares; nothing is sent to the engine yet.</summary>
    /// <exception cref="IOException">A folder cannot be used.</exception>
    public EngineHost(EngineClient engine, ProcessBackendOptions options, RuntimeImages images, TimeProvider time, ILogger<EngineHost> logger)
    {
        (Engine, _options, Images, Time, _logger) = (engine, options, images, time, logger);
        RunFolder.Prepare(options.RunFolder);
        Users = new SandboxUsers(options.GroupName);
        Logs = new ContainerLogs(engine, time);
        Usage = new UsageSampler(engine, time);
        Removals = new ContainerRemovals(engine, time, logger);
        BuildNetwork = new BuildNetwork(engine, options.GroupName, time);
    }

    /// <summary>The engine.</summary>
    public EngineClient Engine { get; }

    /// <summary>The runtimes' images.</summary>
    public RuntimeImages Images { get; }

    /// <summary>Their output.</summary>
    public ContainerLogs Logs { get; }

    /// <summary>What they use.</summary>
    public UsageSampler Usage { get; }

    /// <summary>Removals that have to wait for the engine.</summary>
    public ContainerRemovals Removals { get; }

    /// <summary>The network of builds.</summary>
    public BuildNetwork BuildNetwork { get; }

    /// <summary>The users of containers.</summary>
    public SandboxUsers Users { get; }

    /// <summary>Time.</summary>
    public TimeProvider Time { get; }

    /// <summary>The daemon, for labels.</summary>
    public string Daemon => _options.GroupName;

    /// <summary>Why no container can run; null when all is well, or nobody has looked yet.</summary>
    public string? Problem { get; private set; }

    /// <summary>Why limits are not enforced; null when they are.</summary>
    public string? LimitsProblem => _info is { MemoryLimit: false } or { PidsLimit: false } ? "the container engine says that it cannot limit memory or processes (docker info, warnings)" : null;

    /// <summary>Makes sure that there is an engine, and, the first time, that nothing is left of an earlier daemon.</summary>
    /// <exception cref="EngineException">There is none.</exception>
    public async ValueTask<EngineInfo> ReadyAsync(CancellationToken cancellationToken)
    {
        if (_info is { } known) return known;
        await _looking.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_info is { } meanwhile) return meanwhile;
            var info = await Engine.ReadInfoAsync(cancellationToken).ConfigureAwait(false);
            foreach (var role in OwnRoles)
            {
                foreach (var left in await Engine.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Daemon, Daemon).AndLabel(ContainerLabels.Role, role), cancellationToken).ConfigureAwait(false))
                {
                    await Engine.Containers.RemoveAsync(left.Id, cancellationToken).ConfigureAwait(false);
                    RemovedLeft(_logger, left.Id[..Math.Min(12, left.Id.Length)]);
                }
            }
            await BuildNetwork.RemoveLeftAsync(cancellationToken).ConfigureAwait(false);
            Problem = null;
            return _info = info;
        }
        catch (EngineException failure)
        {
            Problem = failure.Message;
            throw;
        }
        finally
        {
            _looking.Release();
        }
    }

    /// <summary>Waits for a turn to start a container; disposing of the result gives it to the next.</summary>
    public async Task<IDisposable> EnterStartAsync(CancellationToken cancellationToken)
    {
        await _starts.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(_starts);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Removals.DisposeAsync().ConfigureAwait(false);
        await BuildNetwork.DisposeAsync().ConfigureAwait(false);
        await Usage.DisposeAsync().ConfigureAwait(false);
        await Images.DisposeAsync().ConfigureAwait(false);
        Engine.Dispose();
        RunFolder.Remove(_options.RunFolder);
        _looking.Dispose();
        _starts.Dispose();
    }

    [LoggerMessage(235, LogLevel.Information, "removed the container {Container}, which an earlier daemon left")]
    private static partial void RemovedLeft(ILogger logger, string container);

    private sealed class Turn(SemaphoreSlim turns) : IDisposable
    {
        private SemaphoreSlim? _turns = turns;

        public void Dispose() => Interlocked.Exchange(ref _turns, null)?.Release();
    }
}
