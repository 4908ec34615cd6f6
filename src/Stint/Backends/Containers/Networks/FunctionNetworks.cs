// One network for each function (docs/decisions/0013-container-networks.md). The engine's own address pools end after some thirty networks, so addresses are given out here, in blocks that are
// as small as the function's instances allow.
using System.Net;
using System.Security.Cryptography;
using Stint.Backends.Callbacks;
using Stint.Backends.Containers.Engine;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends.Containers.Networks;

/// <summary>Makes functions' networks when their first container needs one, and removes them.</summary>
/// <param name="engine">Where.</param>
/// <param name="options">Labels and addresses.</param>
/// <param name="callbacks">Listens at their gateways.</param>
/// <param name="logger">Told of what could not be removed.</param>
internal sealed partial class FunctionNetworks(EngineClient engine, ContainerBackendOptions options, CallbackServer callbacks, ILogger<FunctionNetworks> logger) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<FunctionName, FunctionNetwork> _networks = [];
    private readonly HashSet<FunctionNetwork> _retired = [];
    private readonly SemaphoreSlim _making = new(1);
    private readonly SubnetPool _subnets = new(options.Subnets);

    /// <summary>The function's network, made if need be; <see cref="LeaveAsync"/> once for each time that it was entered.</summary>
    /// <exception cref="InstanceStartException">There is no block of addresses left.</exception>
    /// <exception cref="EngineException">The engine did not make it.</exception>
    public async Task<FunctionNetwork> EnterAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        var isInternal = version.Spec.Container!.Network == ContainerNetwork.Internal;
        // The instances of an old version leave while those of the new one come; containers that are being removed have their address to the end.
        var instances = 2 * version.Spec.MaxInstances + options.Spares + 4;
        if (TryEnter(version.Name, isInternal, instances) is { } present) return present;
        await _making.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (TryEnter(version.Name, isInternal, instances) is { } meanwhile) return meanwhile;
            var made = await MakeAsync(version.Name, isInternal, instances, cancellationToken).ConfigureAwait(false);
            made.Users = 1;
            FunctionNetwork? old;
            lock (_lock)
            {
                old = Retire_NeedsLock(version.Name);
                _networks[version.Name] = made;
            }
            if (old is not null) await RemoveAsync(old).ConfigureAwait(false);
            return made;
        }
        finally
        {
            _making.Release();
        }
    }

    /// <summary>A container has gone, or a start that had entered the network failed.</summary>
    public async Task LeaveAsync(FunctionNetwork network)
    {
        lock (_lock)
        {
            if (--network.Users > 0 || !network.IsRetired) return;
            _retired.Remove(network);
        }
        await RemoveAsync(network).ConfigureAwait(false);
    }

    /// <summary>The function is gone: its network goes with its last container.</summary>
    public async Task ForgetAsync(FunctionName function)
    {
        FunctionNetwork? idle;
        lock (_lock) idle = Retire_NeedsLock(function);
        if (idle is not null) await RemoveAsync(idle).ConfigureAwait(false);
    }

    /// <summary>Removes all of them that no container is in.</summary>
    public async ValueTask DisposeAsync()
    {
        FunctionName[] all;
        lock (_lock) all = [.. _networks.Keys];
        await Task.WhenAll(all.Select(ForgetAsync)).ConfigureAwait(false);
    }

    /// <summary>The engine has come (back): networks of ours that nobody knows are removed, and those that it has lost are not used any more.</summary>
    /// <exception cref="EngineException">It is away again.</exception>
    public async Task ReconcileAsync(CancellationToken cancellationToken)
    {
        // Not while one is being made, which nobody would know yet.
        await _making.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await ReconcileAsync(await engine.Networks.ListAsync(ContainerLabels.Ours(options.Daemon), cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
        }
        finally
        {
            _making.Release();
        }
    }

    private async Task ReconcileAsync(IReadOnlyList<NetworkDetails> present)
    {
        List<FunctionNetwork> lost = [];
        HashSet<string> known;
        lock (_lock)
        {
            known = [.. _networks.Values.Concat(_retired).Select(static network => network.Id)];
            foreach (var (function, network) in _networks.Where(entry => present.All(one => one.Id != entry.Value.Id)).ToArray())
                if (Retire_NeedsLock(function) is { } idle) lost.Add(idle);
        }
        foreach (var network in lost) await RemoveAsync(network).ConfigureAwait(false);
        foreach (var network in present.Where(one => !known.Contains(one.Id)))
        {
            try
            {
                await engine.Networks.RemoveAsync(network.Id, CancellationToken.None).ConfigureAwait(false);
            }
            catch (EngineException failure)
            {
                NotRemoved(logger, network.Name, failure.Message);
            }
        }
    }

    private FunctionNetwork? TryEnter(FunctionName function, bool isInternal, int instances)
    {
        lock (_lock)
        {
            if (!_networks.TryGetValue(function, out var network) || !network.Fits(isInternal, instances)) return null;
            network.Users++;
            return network;
        }
    }

    /// <summary>Takes a function's network out of use; returns it when it can be removed at once.</summary>
    private FunctionNetwork? Retire_NeedsLock(FunctionName function)
    {
        if (!_networks.Remove(function, out var network)) return null;
        network.IsRetired = true;
        if (network.Users == 0) return network;
        _retired.Add(network);
        return null;
    }

    private async Task<FunctionNetwork> MakeAsync(FunctionName function, bool isInternal, int instances, CancellationToken cancellationToken)
    {
        var others = new List<IPNetwork>(HostRoutes.Read());
        foreach (var network in await engine.Networks.ListAsync(null, cancellationToken).ConfigureAwait(false))
            foreach (var subnet in network.IPAM?.Config ?? [])
                if (IPNetwork.TryParse(subnet.Subnet, out var block) && block.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork) others.Add(block);
        while (true)
        {
            var length = AddressPool.PrefixFor(instances);
            IPNetwork taken;
            lock (_lock)
            {
                taken = _subnets.TryTake(length, others) ?? throw new InstanceStartException(
                    $"no block of {1 << (32 - length)} addresses is free for the network of {function}: container-subnets is {_subnets.Ranges}, and other networks of this host have the rest. Name others with --container-subnets") { IsHostsFault = true };
            }
            try
            {
                return await MakeAsync(function, isInternal, taken, cancellationToken).ConfigureAwait(false);
            }
            catch (EngineException overlap) when (overlap.Fault is EngineFault.Overlap)
            {
                // Somebody else's network came in between, or one that no list shows.
                lock (_lock) _subnets.Return(taken);
                others.Add(taken);
            }
            catch
            {
                lock (_lock) _subnets.Return(taken);
                throw;
            }
        }
    }

    private async Task<FunctionNetwork> MakeAsync(FunctionName function, bool isInternal, IPNetwork block, CancellationToken cancellationToken)
    {
        var planned = SubnetPool.At(block, 1);
        // Random, so that a network that could not be removed is in nobody's way.
        var name = $"stint-{options.Daemon}-{ContainerLabels.Readable(function)}-{RandomNumberGenerator.GetHexString(4, lowercase: true)}";
        var id = await engine.Networks.CreateAsync(
            new NetworkSettings
            {
                Name = name,
                Internal = isInternal,
                IPAM = NetworkAddresses.Of(block.ToString(), planned.ToString()),
                Options = new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "false" },
                Labels = ContainerLabels.Of(options.Daemon, ContainerLabels.ContainerRole, function),
            },
            cancellationToken).ConfigureAwait(false);
        try
        {
            var details = await engine.Networks.InspectAsync(id, cancellationToken).ConfigureAwait(false);
            var gateway = IPAddress.TryParse(details.IPAM?.Config is [{ Gateway: { } text }, ..] ? text : null, out var actual) ? actual : planned;
            return new FunctionNetwork(id, name, block, gateway, isInternal, address => callbacks.ListenAsync(address, CancellationToken.None));
        }
        catch
        {
            await engine.Networks.RemoveAsync(id, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    private async Task RemoveAsync(FunctionNetwork network)
    {
        try
        {
            await network.RemoveAsync(engine, CancellationToken.None).ConfigureAwait(false);
        }
        catch (EngineException failure)
        {
            // The next time that the engine comes back, or the next start of the daemon, finds it by its labels.
            NotRemoved(logger, network.Name, failure.Message);
        }
        lock (_lock) _subnets.Return(network.Block);
    }

    [LoggerMessage(230, LogLevel.Warning, "the network {Network} could not be removed: {Problem}")]
    private static partial void NotRemoved(ILogger logger, string network, string problem);
}
