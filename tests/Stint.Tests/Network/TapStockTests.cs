using Stint.Network;
using Stint.Network.Netlink;
using Stint.Tests.Network.Netlink;

namespace Stint.Tests.Network;

/// <summary>Taps made ahead, lent and used again, by the real kernel in a namespace of each test's.</summary>
public sealed class TapStockTests : IAsyncLifetime
{
    private const int User = 2_000_003_777;
    private const int Mtu = 1400;

    private readonly HostLinks _links = new("0123456789ab");
    private readonly AddressPool _pool = new(new Ipv4Subnet(0x0a640000, 28));
    private readonly Lock _lock = new();
    private readonly List<string> _reported = [];
    private NetworkNamespace _space = null!;
    private RouteSocket _host = null!;
    private string? _problem;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _space = await NetworkNamespace.MakeAsync();
        _host = await _space.RunAsync(static () => new RouteSocket());
    }

    /// <inheritdoc/>
    public Task DisposeAsync()
    {
        _host.Dispose();
        _space.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task A_tap_is_ready_for_a_guest_and_the_next_are_made_meanwhile()
    {
        await using var stock = Make(2);
        Assert.Empty(Taps());
        using var lease = await stock.TakeAsync(null, default);
        Assert.Equal(("10.100.0.1", "10.100.0.2", "255.255.255.252"), (lease.Gateway.ToString(), lease.Guest.ToString(), lease.Netmask.ToString()));
        var tap = _host.Find(lease.Name)!;
        Assert.Equal(("stint:0123456789ab", _links.TapGroup, Mtu, true), (tap.Alias, tap.Group, tap.Mtu, tap.IsUp));
        Assert.Contains(_host.ListRoutes(), route => route.LinkIndex == tap.Index && route.Destination == lease.Addresses);
        await UntilAsync(() => stock.Ready == 2);
        Assert.Equal(3, Taps().Count);
        Assert.Equal(3, _pool.Taken);
    }

    [Fact]
    public async Task More_than_are_wanted_are_not_kept()
    {
        await using var stock = Make(1);
        var lease = await stock.TakeAsync(null, default);
        await UntilAsync(() => stock.Ready == 1);
        lease.Dispose();
        lease.Dispose();
        Assert.Equal((1, 1), (stock.Ready, _pool.Taken));
        Assert.Single(Taps());
        Assert.Null(_host.Find(lease.Name));
    }

    [Fact]
    public async Task One_that_comes_back_is_used_again_and_is_its_former_users_no_more()
    {
        await using var stock = Make(1, new AddressPool(new Ipv4Subnet(0x0a640000, 30)));
        var lease = await stock.TakeAsync(User, default);
        // There are no more addresses, so none can be made ahead and this one is kept.
        await UntilAsync(() =>
        {
            lock (_lock) return _reported.Count > 0;
        });
        Assert.True(await MayOpenAsync(lease.Name));
        Assert.Contains("--network-subnet", Assert.Single(_reported), StringComparison.Ordinal);
        lease.Dispose();
        Assert.Equal(1, stock.Ready);
        Assert.False(await MayOpenAsync(lease.Name));
        using var again = await stock.TakeAsync(null, default);
        Assert.Equal((lease.Name, lease.Addresses), (again.Name, again.Addresses));
        Assert.True(_host.Find(again.Name)!.IsUp);
    }

    [Fact]
    public async Task One_that_somebody_has_removed_is_not_lent_again_and_its_addresses_are_free()
    {
        await using var stock = Make(0);
        var lease = await stock.TakeAsync(null, default);
        _host.Remove(_host.Find(lease.Name)!.Index);
        lease.Dispose();
        Assert.Equal((0, 0), (stock.Ready, _pool.Taken));
        using var next = await stock.TakeAsync(null, default);
        Assert.NotNull(_host.Find(next.Name));
    }

    [Fact]
    public async Task One_that_a_hypervisor_still_has_open_is_removed_and_not_lent_again()
    {
        await using var stock = Make(1, new AddressPool(new Ipv4Subnet(0x0a640000, 30)));
        var lease = await stock.TakeAsync(User, default);
        using (var hypervisor = await _space.RunAsync(OpenTap.Open))
        {
            Assert.Equal(0, OpenTap.Attach(hypervisor, lease.Name));
            lease.Dispose();
            Assert.Equal(0, stock.Ready);
            Assert.Empty(Taps());
        }
        using var next = await stock.TakeAsync(null, default);
        Assert.Equal(lease.Addresses, next.Addresses);
    }

    [Fact]
    public async Task All_in_use_is_said_and_passes()
    {
        await using var stock = Make(0);
        var leases = new List<TapLease>();
        for (var i = 0; i < 4; i++) leases.Add(await stock.TakeAsync(null, default));
        Assert.Equal(4, leases.Select(static lease => lease.Name).Distinct().Count());
        var refused = await Assert.ThrowsAsync<NetworkUnavailableException>(async () => await stock.TakeAsync(null, default));
        Assert.Equal("all 4 networks of 10.100.0.0/28 are in use; give functions more room with --network-subnet", refused.Message);
        leases[0].Dispose();
        leases[0] = await stock.TakeAsync(null, default);
        foreach (var lease in leases) lease.Dispose();
        Assert.Equal(0, _pool.Taken);
        Assert.Empty(Taps());
    }

    [Fact]
    public async Task On_a_host_that_cannot_be_prepared_the_taker_is_told_and_nothing_is_made()
    {
        _problem = "nftables is not installed";
        await using var stock = Make(2);
        Assert.Equal(_problem, (await Assert.ThrowsAsync<NetworkUnavailableException>(async () => await stock.TakeAsync(null, default))).Message);
        Assert.Empty(Taps());
        Assert.Equal(0, _pool.Taken);
    }

    [Fact]
    public async Task At_the_end_none_is_left()
    {
        var stock = Make(2);
        var lease = await stock.TakeAsync(null, default);
        await UntilAsync(() => stock.Ready == 2);
        await stock.DisposeAsync();
        Assert.Equal([lease.Name], Taps());
        lease.Dispose();
        Assert.Empty(Taps());
        Assert.Equal(0, _pool.Taken);
    }

    [Fact]
    public async Task Many_takers_at_once_get_different_ones()
    {
        var pool = new AddressPool(new Ipv4Subnet(0x0a640000, 24));
        await using var stock = Make(4, pool);
        var leases = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(async () => await stock.TakeAsync(null, default))));
        Assert.Equal(32, leases.Select(static lease => lease.Name).Distinct().Count());
        Assert.Equal(32, leases.Select(static lease => lease.Addresses).Distinct().Count());
        await Task.WhenAll(leases.Select(static lease => Task.Run(lease.Dispose)));
        await stock.DisposeAsync();
        Assert.Empty(Taps());
        Assert.Equal(0, pool.Taken);
    }

    private TapStock Make(int size, AddressPool? pool = null) => new(size, new TapsIn(_space, new HostTaps(_links)), pool ?? _pool, _ => new(_problem), static () => Task.FromResult(Mtu), failure =>
    {
        lock (_lock) _reported.Add(failure.Message);
    });

    private List<string> Taps() => [.. _host.List().Where(static link => link.Name.StartsWith(HostLinks.NamePrefix, StringComparison.Ordinal)).Select(static link => link.Name)];

    // As the hypervisor of that user would.
    private Task<bool> MayOpenAsync(string tap) => _space.RunAsync(() =>
    {
        using var file = OpenTap.Open();
        var error = -1;
        // A thread becomes another user for good; it inherits the namespace.
        var thread = new Thread(() =>
        {
            if (Unprivileged.SetThreadUser(User) == 0) error = OpenTap.Attach(file, tap);
        });
        thread.Start();
        thread.Join();
        return error == 0 || (error == LinuxCalls.ErrorNotPermitted ? false : throw new InvalidOperationException($"errno {error}"));
    });

    private static async Task UntilAsync(Func<bool> condition)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(30), "waited in vain");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }

    /// <summary>The host's taps, in a namespace.</summary>
    private sealed class TapsIn(NetworkNamespace space, HostTaps taps) : ITapLinks
    {
        public string Make(uint address, int mtu) => Inside(() => taps.Make(address, mtu));

        public void GiveTo(string name, int? user) => Inside(() =>
        {
            taps.GiveTo(name, user);
            return true;
        });

        public void Restart(string name) => Inside(() =>
        {
            taps.Restart(name);
            return true;
        });

        public void Remove(string name) => Inside(() =>
        {
            taps.Remove(name);
            return true;
        });

        private T Inside<T>(Func<T> work) => space.RunAsync(work).GetAwaiter().GetResult();
    }
}
