// Machines that are network namespaces: each has an address of its own on one bridge, which is in a namespace too, so that nothing of it is ever on the host.
//
//   198.51.100.0/24     .1 PostgreSQL        .2 the callers        .3, .4, … gateways and workers
//
// What goes from one machine to another can be lost, in one direction or in both: it is dropped where it arrives, as on a wire that is broken. Neither side hears of it.
// Processes of the test's own host (its clients of the management API) reach a machine over relays to its loopback (NamespaceRelay), whatever is cut.
using System.Net;
using Stint.EndToEnd.Network;
using Stint.Network;
using Stint.Network.Netlink;

namespace Stint.EndToEnd.Cluster.Machines;

/// <summary>All classes of the collection share one network and one PostgreSQL, and run one after another.</summary>
[CollectionDefinition(MachineNetwork.Collection)]
public sealed class MachineNetworkCollection : ICollectionFixture<MachineNetwork>;

/// <summary>Machines on one wire.</summary>
public sealed class MachineNetwork : IAsyncLifetime, IDisposable
{
    /// <summary>The name of the collection.</summary>
    public const string Collection = "machines";

    private readonly List<Machine> _machines = [];
    private NetworkNamespace? _wire;
    private TestPostgres? _postgres;
    private int _last;

    /// <summary>Where PostgreSQL runs.</summary>
    internal Machine Database { get; private set; } = null!;

    /// <summary>From where functions are called.</summary>
    internal Machine Callers { get; private set; } = null!;

    /// <summary>PostgreSQL.</summary>
    internal TestPostgres Postgres => _postgres ?? throw new InvalidOperationException("not started");

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        _wire = await NetworkNamespace.MakeAsync();
        using (var wire = await _wire.RunAsync(static () => new RouteSocket()))
        {
            wire.MakeBridge("br0");
            wire.SetUp(wire.Find("br0")!.Index);
        }
        Database = await AddAsync();
        Callers = await AddAsync();
        _postgres = new TestPostgres(Database.Space, Database.Address);
        await _postgres.InitializeAsync();
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        if (_postgres is not null) await _postgres.DisposeAsync();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _postgres?.Dispose();
        foreach (var machine in _machines) machine.Dispose();
        _wire?.Dispose();
        Clock.RemoveLeftovers();
    }

    /// <summary>One more machine; it goes with the network, or before.</summary>
    internal async Task<Machine> AddAsync()
    {
        var number = ++_last;
        var machine = new Machine(await NetworkNamespace.MakeAsync(), IPAddress.Parse($"198.51.100.{number}"));
        _machines.Add(machine);
        using var wire = await _wire!.RunAsync(static () => new RouteSocket());
        using var inside = await machine.Space.RunAsync(static () => new RouteSocket());
        wire.MakeVeth($"port{number}", "eth0", machine.Space.File, 1500, 0);
        wire.SetMaster(wire.Find($"port{number}")!.Index, wire.Find("br0")!.Index);
        wire.SetUp(wire.Find($"port{number}")!.Index);
        inside.SetUp(inside.Find("lo")!.Index);
        var link = inside.Find("eth0")!.Index;
        inside.AddAddress(link, Ipv4Subnet.Number(machine.Address), 24);
        inside.SetUp(link);
        await EdgeNetwork.RunAsync(machine.Space, "nft", "add table inet wire; add chain inet wire in { type filter hook input priority -300; }");
        return machine;
    }

    /// <summary>From now on nothing of what the first sends to the second arrives. The other direction goes on.</summary>
    internal static Task CutAsync(Machine from, Machine to) => EdgeNetwork.RunAsync(to.Space, "nft", $"add rule inet wire in ip saddr {from.Address} drop");

    /// <summary>From now on neither hears of the other.</summary>
    internal static async Task CutBothAsync(Machine one, Machine other)
    {
        await CutAsync(one, other);
        await CutAsync(other, one);
    }

    /// <summary>All that was cut on the way to or from this machine is whole again.</summary>
    internal async Task HealAsync(Machine machine)
    {
        await EdgeNetwork.RunAsync(machine.Space, "nft", "flush chain inet wire in");
        foreach (var other in _machines.Where(other => other != machine && !other.IsGone)) await HealAsync(other, machine.Address);
    }

    // Rules are deleted by their handles.
    private static async Task HealAsync(Machine machine, IPAddress from)
    {
        var rules = await EdgeNetwork.RunAsync(machine.Space, "nft", "-a", "list", "chain", "inet", "wire", "in");
        foreach (var rule in rules.Split('\n').Where(rule => rule.Contains($" saddr {from} ", StringComparison.Ordinal)))
            await EdgeNetwork.RunAsync(machine.Space, "nft", $"delete rule inet wire in handle {rule[(rule.LastIndexOf(' ') + 1)..]}");
    }
}
