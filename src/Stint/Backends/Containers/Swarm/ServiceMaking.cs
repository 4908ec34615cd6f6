using Stint.Backends.Containers.Engine;
using Stint.Functions;

namespace Stint.Backends.Containers.Swarm;

/// <summary>Makes the service of a version: its image as nodes find it, its secrets, the network, the service. What fails leaves nothing.</summary>
internal sealed class ServiceMaking(SwarmHost host, FunctionVersion version, ServiceKey key)
{
    /// <summary>Makes it.</summary>
    /// <returns>Swarm's id.</returns>
    /// <exception cref="InstanceStartException">The function cannot be a service.</exception>
    /// <exception cref="EngineException">The engine refused.</exception>
    public async Task<string> RunAsync(int replicas, CancellationToken cancellationToken)
    {
        var way = await host.Network.FindWayAsync(cancellationToken).ConfigureAwait(false);
        if (way.IsPublished && !host.Options.Publish)
            throw new InstanceStartException($"this daemon is not in the network {host.Options.Network}, and nodes may not publish functions' ports for it (swarm-reach = \"overlay\"). Run it in a container of that network, or allow it") { IsHostsFault = true };
        var (image, details) = await FindImageAsync(cancellationToken).ConfigureAwait(false);
        var spoken = await host.Engine.NegotiateAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // What an interrupted making of the same service left.
            await host.Secrets.RemoveAsync(key.ServiceName, cancellationToken).ConfigureAwait(false);
            var secrets = await host.Secrets.MakeAsync(version, key.ServiceName, cancellationToken).ConfigureAwait(false);
            var settings = ServicePlan.Of(host.Options.Daemon, version, key, image, way.NetworkId, way.IsPublished, secrets, details?.Config?.Volumes.Keys ?? [], replicas, spoken.Version);
            return await host.Engine.Services.CreateAsync(settings, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            if (version.Spec.Secrets.Count > 0) await host.Secrets.RemoveAsync(key.ServiceName, CancellationToken.None).ConfigureAwait(false);
            if (failure is EngineException { Fault: EngineFault.Conflict })
                throw new InstanceStartException($"the swarm has a service {key.ServiceName} that is not this daemon's; remove or rename it (docker service rm {key.ServiceName})", failure);
            throw;
        }
    }

    private async Task<(string Image, ImageDetails? Details)> FindImageAsync(CancellationToken cancellationToken)
    {
        var name = version.Spec.Container!.Image;
        ImageDetails? details = null;
        try
        {
            details = await host.Engine.Images.InspectAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException missing) when (missing.Fault is EngineFault.NoImage && ServicePlan.Image(name, null) is not null)
        {
            // Nodes ask the registry that its name has.
        }
        return (ServicePlan.Image(name, details)!, details);
    }
}
