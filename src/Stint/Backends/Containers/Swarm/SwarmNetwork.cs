// How calls reach a task. Its overlay address is good wherever the overlay is, and that is in containers:
//
//   the daemon in a container of the network    task's overlay address : port                  nothing is published
//   the daemon on a host                        task's node : port that the node publishes     mode=host; everybody who reaches the node reaches the function
//
// Neither uses Swarm's own balancing (virtual addresses, the ingress mesh): calls are given to instances by the pool, one to each slot, and kernels without IPVS have none.
using System.Net;
using System.Net.NetworkInformation;
using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Containers.Swarm;

/// <summary>The overlay network of functions, and the way to a task in it.</summary>
internal sealed class SwarmNetwork(EngineClient engine, SwarmOptions options) : IDisposable
{
    private const int DriverTries = 40;
    private static readonly TimeSpan DriverPause = TimeSpan.FromMilliseconds(250);

    private readonly SemaphoreSlim _turn = new(1);
    private Way? _way;

    /// <summary>How tasks are reached; null before anybody asked.</summary>
    public Way? Known => _way;

    /// <summary>Finds the network, makes it when it is absent, and finds out whether this daemon is in it.</summary>
    /// <exception cref="EngineException">The engine failed.</exception>
    /// <exception cref="InstanceStartException">There is a network of that name that will not do.</exception>
    public async Task<Way> FindWayAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var network = await FindOrMakeAsync(cancellationToken).ConfigureAwait(false);
            for (var tries = 0; network.Driver is "" && tries < DriverTries; tries++)
            {
                // One that is being removed is listed without a driver until it is off this node; so is a new one until Swarm has allocated it.
                await Task.Delay(DriverPause, TimeProvider.System, cancellationToken).ConfigureAwait(false);
                network = await FindOrMakeAsync(cancellationToken).ConfigureAwait(false);
            }
            if (network.Driver != "overlay")
                throw new InstanceStartException($"the network {options.Network} is no overlay but {network.Driver}; name another one with swarm-network, or remove it (docker network rm {options.Network})") { IsHostsFault = true };
            var own = Own();
            var isInside = network.Containers.Values.Any(member => member.IPv4Address is { } address && IPAddress.TryParse(address.Split('/')[0], out var ip) && own.Contains(ip));
            return _way = new Way(network.Id, IsPublished: !isInside);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Where a task serves; null = Swarm has not said yet.</summary>
    public IPEndPoint? Locate(TaskDetails task, int port, IReadOnlyDictionary<string, NodeDetails> nodes)
    {
        if (_way is not { } way) return null;
        if (!way.IsPublished)
        {
            return task.NetworksAttachments.FirstOrDefault(attachment => attachment.Network?.ID == way.NetworkId)?.Addresses is [var inside, ..] && IPAddress.TryParse(inside.Split('/')[0], out var address) ? new IPEndPoint(address, port) : null;
        }
        if (task.Status.PortStatus?.Ports.FirstOrDefault(candidate => candidate.TargetPort == port) is not { NodePort: > 0 } published) return null;
        return AddressOf(nodes.GetValueOrDefault(task.NodeID ?? "")) is { } node ? new IPEndPoint(node, published.NodePort) : null;
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    // A swarm of one node may have no address but the loopback, or none at all.
    private static IPAddress? AddressOf(NodeDetails? node)
    {
        if (node is null) return null;
        return IPAddress.TryParse(node.Status.Addr, out var address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any) ? address : IPAddress.Loopback;
    }

    private async Task<NetworkDetails> FindOrMakeAsync(CancellationToken cancellationToken) =>
        await FindAsync(cancellationToken).ConfigureAwait(false) ?? await MakeAsync(cancellationToken).ConfigureAwait(false);

    private async Task<NetworkDetails?> FindAsync(CancellationToken cancellationToken)
    {
        // The filter takes parts of names as well.
        var found = (await engine.Networks.ListAsync(new EngineFilters().And("name", options.Network), cancellationToken).ConfigureAwait(false)).FirstOrDefault(network => network.Name == options.Network);
        try
        {
            return found is null ? null : await engine.Networks.InspectAsync(found.Id, cancellationToken).ConfigureAwait(false);
        }
        catch (EngineException gone) when (gone.Fault is EngineFault.NoNetwork)
        {
            return null;
        }
    }

    private async Task<NetworkDetails> MakeAsync(CancellationToken cancellationToken)
    {
        var settings = new NetworkSettings { Name = options.Network, Driver = "overlay", Attachable = true, Labels = ContainerLabels.Of(options.Daemon, SwarmLabels.ServiceRole) };
        var id = await engine.Networks.CreateAsync(settings, cancellationToken).ConfigureAwait(false);
        return await engine.Networks.InspectAsync(id, cancellationToken).ConfigureAwait(false);
    }

    private static HashSet<IPAddress> Own() =>
        [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(static one => one.GetIPProperties().UnicastAddresses).Select(static one => one.Address)];

    /// <summary>How tasks are reached.</summary>
    /// <param name="NetworkId">The overlay's id.</param>
    /// <param name="IsPublished">Over ports that nodes publish; else over the overlay itself.</param>
    public sealed record Way(string NetworkId, bool IsPublished);
}
