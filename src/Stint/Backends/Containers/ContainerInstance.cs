using Stint.Backends.Upstream;
using Stint.Invocations;

namespace Stint.Backends.Containers;

/// <summary>One instance of a function: a container that serves HTTP, and the connections to it.</summary>
internal sealed class ContainerInstance(FunctionContainer container, HttpUpstream upstream, ContainerHost host) : IInstance
{
    /// <inheritdoc/>
    public string Id => container.Instance;

    /// <inheritdoc/>
    public Task<string> Ended => container.Ended;

    /// <inheritdoc/>
    public ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken) => upstream.InvokeAsync(invocation, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> ProbeAsync(CancellationToken cancellationToken) => new HttpReadiness(upstream, container.Version.Spec.Container!.HealthPath, host.Time).HoldsAsync(cancellationToken);

    /// <inheritdoc/>
    public InstanceUsage ReadUsage() => host.Usage.Read(container.Id!);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        upstream.Dispose();
        await container.DisposeAsync().ConfigureAwait(false);
    }
}
