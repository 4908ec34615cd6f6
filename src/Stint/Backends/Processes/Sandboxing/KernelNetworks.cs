using Stint.Network;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Namespaces with a wire to the host, and the host's own packet filter: for a daemon that is root.</summary>
internal sealed class KernelNetworks(HostNetwork host) : ISandboxNetworks
{
    /// <inheritdoc/>
    public bool IsReady => host.IsReady;

    /// <inheritdoc/>
    public int Count => host.Count;

    /// <inheritdoc/>
    public string? Problem => host.Problem;

    /// <inheritdoc/>
    public string? Warning => host.Warning;

    /// <inheritdoc/>
    public ValueTask<string?> EnsureAsync(CancellationToken cancellationToken) => host.EnsureAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<SandboxNetwork> TakeAsync(CancellationToken cancellationToken)
    {
        VethNetwork network;
        try
        {
            network = await host.TakeAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException failure)
        {
            throw new InstanceStartException(failure.Message, failure) { IsHostsFault = true };
        }
        return new SandboxNetwork(() =>
        {
            network.Dispose();
            return ValueTask.CompletedTask;
        })
        {
            Namespace = network.Namespace.File,
            Resolver = host.Resolver,
        };
    }

    /// <summary>The host's network outlives those who use it.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
