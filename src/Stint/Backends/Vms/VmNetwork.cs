using System.Net;
using System.Runtime.InteropServices;
using Stint.Backends.Callbacks;
using Stint.Network;

namespace Stint.Backends.Vms;

/// <summary>
/// The network of one virtual machine, and the callback server's ear at its gateway. There are two kinds: a tap of the host with four addresses of its own, as UniFaaS has it, and a namespace in which all guests have the
/// same addresses (<see cref="GuestNetwork"/>), for machines that are made into snapshots or made of one.
/// </summary>
internal sealed class VmNetwork : IAsyncDisposable
{
    private readonly IDisposable _lease;

    private VmNetwork(IDisposable lease) => _lease = lease;

    /// <summary>The tap's name.</summary>
    public required string Tap { get; init; }

    /// <summary>The guest's address, as the guest knows it.</summary>
    public required IPAddress Guest { get; init; }

    /// <summary>The guest's gateway.</summary>
    public required IPAddress Gateway { get; init; }

    /// <summary>The network mask, of both kinds.</summary>
    public static IPAddress Netmask { get; } = new([255, 255, 255, 252]);

    /// <summary>Where the daemon reaches the guest.</summary>
    public required IPAddress Reach { get; init; }

    /// <summary>The namespace in which the tap is; null = the daemon's.</summary>
    public SafeHandle? Namespace { get; init; }

    /// <summary>Takes the guest's callback; null when none is expected.</summary>
    public IAsyncDisposable? Ear { get; private set; }

    /// <summary>A tap of the host.</summary>
    /// <param name="network">The host's network.</param>
    /// <param name="callbacks">Listens at the gateway; null: the guest does not call back.</param>
    /// <param name="user">Who may open the tap.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InstanceStartException">There is none; the message says why.</exception>
    public static Task<VmNetwork> TakeTapAsync(HostNetwork network, CallbackServer? callbacks, int? user, CancellationToken cancellationToken) => MakeAsync(async () =>
    {
        if (callbacks is not null) await network.OpenToVirtualMachinesAsync(callbacks.Port, cancellationToken).ConfigureAwait(false);
        var lease = await network.Taps.TakeAsync(user, cancellationToken).ConfigureAwait(false);
        return new VmNetwork(lease) { Tap = lease.Name, Guest = lease.Guest, Gateway = lease.Gateway, Reach = lease.Guest };
    }, made => callbacks?.ListenAsync(made.Gateway, cancellationToken));

    /// <summary>A namespace.</summary>
    /// <param name="stock">Where they are made ahead.</param>
    /// <param name="callbacks">Listens at the gateway; null: the guest does not call back.</param>
    /// <param name="user">Who may open the tap.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InstanceStartException">There is none; the message says why.</exception>
    public static Task<VmNetwork> TakeNamespaceAsync(Stock<GuestNetwork> stock, CallbackServer? callbacks, int? user, CancellationToken cancellationToken)
    {
        GuestNetwork? network = null;
        return MakeAsync(async () =>
        {
            network = await stock.TakeAsync().ConfigureAwait(false);
            var made = new VmNetwork(network) { Tap = GuestNetwork.TapName, Guest = GuestNetwork.Guest, Gateway = GuestNetwork.Gateway, Reach = network.Reach, Namespace = network.Namespace.File };
            try
            {
                if (user is { } number) await network.GiveToAsync(number).ConfigureAwait(false);
                return made;
            }
            catch
            {
                network.Dispose();
                throw;
            }
        }, _ => callbacks is null ? null : ListenInsideAsync(network!, callbacks, cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Ear is not null) await Ear.DisposeAsync().ConfigureAwait(false);
        _lease.Dispose();
    }

    private static async Task<IAsyncDisposable> ListenInsideAsync(GuestNetwork network, CallbackServer callbacks, CancellationToken cancellationToken) =>
        await callbacks.ListenAsync(await network.BindAsync(callbacks.Port).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    private static async Task<VmNetwork> MakeAsync(Func<Task<VmNetwork>> make, Func<VmNetwork, Task<IAsyncDisposable>?> listen)
    {
        VmNetwork? made = null;
        try
        {
            made = await make().ConfigureAwait(false);
            if (listen(made) is { } listening) made.Ear = await listening.ConfigureAwait(false);
            return made;
        }
        catch (Exception failure)
        {
            if (made is not null) await made.DisposeAsync().ConfigureAwait(false);
            if (failure is not (IOException or System.Net.Sockets.SocketException)) throw;
            throw new InstanceStartException($"the virtual machine has no network: {failure.Message}", failure) { IsHostsFault = true };
        }
    }
}
