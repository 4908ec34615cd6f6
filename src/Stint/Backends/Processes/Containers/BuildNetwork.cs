using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Processes.Containers;

/// <summary>The network of builds: a bridge with a way out, on which no container reaches another. Made at the first build; the engine's own bridge is shared with strangers, and may not be there.</summary>
/// <param name="engine">Where.</param>
/// <param name="daemon">Whose.</param>
/// <param name="time">For the last removal's limit.</param>
internal sealed class BuildNetwork(EngineClient engine, string daemon, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(5);

    private readonly string _name = $"stint-{daemon}-builds";
    private bool _isMade;

    /// <summary>Its name; made if it is not there.</summary>
    /// <exception cref="EngineException">It cannot be made.</exception>
    public async Task<string> GetAsync(CancellationToken cancellationToken)
    {
        _isMade = true;
        try
        {
            await engine.Networks.CreateAsync(new NetworkSettings
            {
                Name = _name, Labels = ContainerLabels.Of(daemon, ContainerLabels.BuildRole), Options = new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "false" },
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException there) when (there.Fault is EngineFault.Conflict)
        {
            // an earlier build's
        }
        return _name;
    }

    /// <summary>Removes what an earlier daemon left.</summary>
    /// <exception cref="EngineException">The engine does not do it.</exception>
    public async Task RemoveLeftAsync(CancellationToken cancellationToken)
    {
        foreach (var left in await engine.Networks.ListAsync(EngineFilters.Label(ContainerLabels.Daemon, daemon).AndLabel(ContainerLabels.Role, ContainerLabels.BuildRole), cancellationToken).ConfigureAwait(false))
            await engine.Networks.RemoveAsync(left.Id, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_isMade) return;
        using var limit = new CancellationTokenSource(RemovalLimit, time);
        try
        {
            await RemoveLeftAsync(limit.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is EngineException or OperationCanceledException)
        {
            // The next start finds it by its labels.
        }
    }
}
