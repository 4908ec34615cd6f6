using System.Net;
using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>Taps for virtual machines, made ahead and used again.</summary>
internal sealed class TapStock : IAsyncDisposable
{
    private readonly Stock<Tap> _stock;
    private readonly ITapLinks _links;
    private readonly AddressPool _pool;
    private readonly Func<CancellationToken, ValueTask<string?>> _prepare;
    private readonly Func<Task<int>> _mtu;
    private readonly Action<Exception> _report;

    /// <summary>Nothing is made yet.</summary>
    /// <param name="size">How many are kept ready.</param>
    /// <param name="links">Makes links.</param>
    /// <param name="pool">Addresses.</param>
    /// <param name="prepare">Prepares the host: null, or why it cannot be.</param>
    /// <param name="mtu">Finds out the largest packet that the way out takes, bytes.</param>
    /// <param name="report">Told what fails in the background.</param>
    public TapStock(int size, ITapLinks links, AddressPool pool, Func<CancellationToken, ValueTask<string?>> prepare, Func<Task<int>> mtu, Action<Exception> report)
    {
        (_links, _pool, _prepare, _mtu, _report) = (links, pool, prepare, mtu, report);
        _stock = new Stock<Tap>(size, MakeAsync, Discard, report);
    }

    /// <summary>Taps that wait.</summary>
    public int Ready => _stock.Ready;

    /// <summary>Takes one. Dispose of the lease when the hypervisor has ended.</summary>
    /// <param name="user">The host's user number that may open it; null = the daemon's own.</param>
    /// <param name="cancellationToken">Ends the wait for the host to be prepared.</param>
    /// <exception cref="NetworkUnavailableException">There is none; the message says what to do.</exception>
    public async ValueTask<TapLease> TakeAsync(int? user, CancellationToken cancellationToken)
    {
        if (await _prepare(cancellationToken).ConfigureAwait(false) is { } problem) throw new NetworkUnavailableException(problem);
        var tap = await _stock.TakeAsync().ConfigureAwait(false);
        try
        {
            if (user is not null) _links.GiveTo(tap.Name, user);
            return new TapLease(tap.Name, tap.Addresses, () => Return(tap, user is not null));
        }
        catch
        {
            Discard(tap);
            throw;
        }
    }

    /// <summary>Removes those that nobody has.</summary>
    public ValueTask DisposeAsync() => _stock.DisposeAsync();

    private async Task<Tap> MakeAsync()
    {
        var mtu = await _mtu().ConfigureAwait(false);
        var addresses = _pool.Take();
        try
        {
            return new Tap(_links.Make(addresses.First + 1, mtu), addresses);
        }
        catch
        {
            _pool.Return(addresses);
            throw;
        }
    }

    private void Return(Tap tap, bool wasGiven)
    {
        try
        {
            // Off and on: what the host remembers of the former guest (its hardware address, routes) is forgotten.
            if (wasGiven) _links.GiveTo(tap.Name, null);
            _links.Restart(tap.Name);
            _stock.Return(tap);
        }
        catch (NetlinkException)
        {
            // Still open by a hypervisor that has not quite ended, or gone: not to be used again.
            Discard(tap);
        }
    }

    private void Discard(Tap tap)
    {
        try
        {
            _links.Remove(tap.Name);
        }
        catch (NetlinkException failure)
        {
            // Its addresses stay taken; at the end of the daemon all of its links go.
            _report(failure);
            return;
        }
        _pool.Return(tap.Addresses);
    }

    private sealed record Tap(string Name, Ipv4Subnet Addresses);
}

/// <summary>A tap that one virtual machine has.</summary>
internal sealed class TapLease : IDisposable
{
    private Action? _return;

    /// <summary>Takes note of one.</summary>
    public TapLease(string name, Ipv4Subnet addresses, Action giveBack) => (Name, Addresses, _return) = (name, addresses, giveBack);

    /// <summary>The link's name.</summary>
    public string Name { get; }

    /// <summary>Its four addresses.</summary>
    public Ipv4Subnet Addresses { get; }

    /// <summary>The host's end: the guest's gateway.</summary>
    public IPAddress Gateway => IPAddress.Parse(Ipv4Subnet.Text(Addresses.First + 1));

    /// <summary>The guest's address.</summary>
    public IPAddress Guest => IPAddress.Parse(Ipv4Subnet.Text(Addresses.First + 2));

    /// <summary>The network mask.</summary>
    public IPAddress Netmask { get; } = IPAddress.Parse("255.255.255.252");

    /// <summary>Gives it back; a second time nothing happens.</summary>
    public void Dispose() => Interlocked.Exchange(ref _return, null)?.Invoke();
}
