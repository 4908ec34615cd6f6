using System.Net;
using System.Runtime.InteropServices;
using Stint.Backends.Callbacks;
using Stint.Network;

namespace Stint.Backends.Vms;

/// <summary>The network of one virtual machine: a tap of the host with four addresses of its own, and the callback server's ear at the host's end.</summary>
internal sealed class VmNetwork : IAsyncDisposable
{
    private readonly TapLease _lease;
    private readonly IAsyncDisposable? _listening;

    private VmNetwork(TapLease lease, IAsyncDisposable? listening) => (_lease, _listening) = (lease, listening);

    /// <summary>The tap's name.</summary>
    public string Tap => _lease.Name;

    /// <summary>The guest's address, as the guest knows it.</summary>
    public IPAddress Guest => _lease.Guest;

    /// <summary>The guest's gateway.</summary>
    public IPAddress Gateway => _lease.Gateway;

    /// <summary>The network mask.</summary>
    public IPAddress Netmask => _lease.Netmask;

    /// <summary>Where the daemon reaches the guest.</summary>
    public IPAddress Reach => _lease.Guest;

    /// <summary>The namespace in which the tap is; null = the daemon's.</summary>
    public SafeHandle? Namespace => null;

    /// <summary>Takes one.</summary>
    /// <param name="network">The host's network.</param>
    /// <param name="callbacks">Listens at the gateway; null: the guest does not call back.</param>
    /// <param name="user">Who may open the tap.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InstanceStartException">There is none; the message says why.</exception>
    public static async Task<VmNetwork> TakeAsync(HostNetwork network, CallbackServer? callbacks, int? user, CancellationToken cancellationToken)
    {
        TapLease? lease = null;
        try
        {
            if (callbacks is not null) await network.OpenToVirtualMachinesAsync(callbacks.Port, cancellationToken).ConfigureAwait(false);
            lease = await network.Taps.TakeAsync(user, cancellationToken).ConfigureAwait(false);
            var listening = callbacks is null ? null : await callbacks.ListenAsync(lease.Gateway, cancellationToken).ConfigureAwait(false);
            return new VmNetwork(lease, listening);
        }
        catch (Exception failure)
        {
            lease?.Dispose();
            if (failure is not IOException) throw;
            throw new InstanceStartException($"the virtual machine has no network: {failure.Message}", failure) { IsHostsFault = true };
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_listening is not null) await _listening.DisposeAsync().ConfigureAwait(false);
        _lease.Dispose();
    }
}
