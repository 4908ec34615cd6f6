using Stint.Backends.Containers.Engine;
using Stint.Functions;

namespace Stint.Backends.Processes.Containers;

/// <summary>Runs runtimes in containers of an engine on this host.</summary>
internal sealed class ContainerLauncher(EngineHost host) : IRuntimeLauncher
{
    /// <inheritdoc/>
    public string? Refusal => null; // an engine that is away may be back: each start tries

    /// <inheritdoc/>
    public bool HasOwnView => true;

    /// <inheritdoc/>
    public async ValueTask ReadyAsync(Runtime runtime, CancellationToken cancellationToken)
    {
        if (host.Images.Knows(runtime)) return;
        try
        {
            await host.ReadyAsync(cancellationToken).ConfigureAwait(false);
            await host.Images.GetAsync(runtime, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is EngineException or IOException)
        {
            throw new InstanceStartException(failure.Message, failure) { IsHostsFault = true };
        }
    }

    /// <summary>Networks of containers are the engine's, and lead to this host's addresses as well: that is not what <c>outbound</c> promises.</summary>
    public ValueTask<NetworkAccess> ResolveAsync(NetworkAccess? asked, CancellationToken cancellationToken) => asked == NetworkAccess.Outbound
        ? throw new InstanceStartException("network = \"outbound\" cannot be had with backend = \"docker\": containers' networks are the engine's, and lead to this host as well. Use \"none\" or \"host\", or backend = \"process\"") { IsHostsFault = true }
        : new(asked ?? NetworkAccess.None);

    /// <inheritdoc/>
    public (NetworkAccess Access, string? Problem) Describe(NetworkAccess? asked) => (asked ?? NetworkAccess.None, null);

    /// <inheritdoc/>
    public IRuntimeProcess Create(RuntimePlan plan) => new ContainerProcess(host, plan);
}
