using System.Net;
using Stint.Backends.Containers.Engine;

namespace Stint.Backends.Containers.Networks;

/// <summary>
/// A bridge of one function's own, in which its instances cannot reach each other. It goes when it is retired and its last container has gone.
/// </summary>
/// <param name="id">The engine's.</param>
/// <param name="name">Its name at the engine.</param>
/// <param name="block">Its addresses.</param>
/// <param name="gateway">The host's address in it.</param>
/// <param name="isInternal">It has no way out.</param>
/// <param name="listen">Begins to take callbacks at an address.</param>
internal sealed class FunctionNetwork(string id, string name, IPNetwork block, IPAddress gateway, bool isInternal, Func<IPAddress, Task<IAsyncDisposable>> listen)
{
    private readonly Lock _lock = new();
    private Task<IAsyncDisposable>? _callbacks;

    /// <summary>The engine's id.</summary>
    public string Id { get; } = id;

    /// <summary>Its name at the engine.</summary>
    public string Name { get; } = name;

    /// <summary>Its addresses.</summary>
    public IPNetwork Block { get; } = block;

    /// <summary>The host's address in it, as the engine has it.</summary>
    public IPAddress Gateway { get; } = gateway;

    /// <summary>The instances' addresses.</summary>
    public AddressPool Addresses { get; } = new(block);

    /// <summary>Containers in it and starts that are about to put one there; owned by <see cref="FunctionNetworks"/>.</summary>
    public int Users { get; set; }

    /// <summary>Nobody new comes into it; owned by <see cref="FunctionNetworks"/>.</summary>
    public bool IsRetired { get; set; }

    /// <summary>Whether a function's instances fit: the way out is as wanted, and there are addresses enough.</summary>
    public bool Fits(bool wantsInternal, int instances) => isInternal == wantsInternal && AddressPool.Room(Block) >= instances;

    /// <summary>Takes callbacks at the gateway from now on.</summary>
    /// <exception cref="InstanceStartException">The address cannot be bound.</exception>
    public async Task ListenAsync(CancellationToken cancellationToken)
    {
        Task<IAsyncDisposable> callbacks;
        // One that failed is tried again: the port may have become free.
        lock (_lock) callbacks = _callbacks is null or { IsFaulted: true } ? _callbacks = listen(Gateway) : _callbacks;
        await callbacks.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the callbacks and removes the network.</summary>
    /// <exception cref="EngineException">The engine did not remove it.</exception>
    public async Task RemoveAsync(EngineClient engine, CancellationToken cancellationToken)
    {
        Task<IAsyncDisposable>? callbacks;
        lock (_lock) callbacks = _callbacks;
        if (callbacks is not null)
        {
            await ((Task)callbacks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (callbacks.IsCompletedSuccessfully) await (await callbacks.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        await engine.Networks.RemoveAsync(Id, cancellationToken).ConfigureAwait(false);
    }
}
