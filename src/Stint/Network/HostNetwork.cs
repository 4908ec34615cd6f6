// The network that instances get on a host where the daemon may make one (root, or CAP_NET_ADMIN and CAP_SYS_ADMIN). Nothing is touched before an instance needs it; then, once:
//
//   1. subnet       taken among the daemons of this host (SubnetClaim), and compared with the host's routes (RouteCollisions)
//   2. forwarding   switched on if it is off (Forwarding)
//   3. filter       our table of rules (FilterRules), and a way through iptables' policy (ForwardPolicy)
//   4. names        resolv.conf for instances (ResolverFile)
//
// Afterwards an instance's network is a namespace and a wire (VethNetwork), a virtual machine's a tap (TapStock). What the host looks like (default routes, name servers, Docker's policies) may change while
// we run; it is looked at again, in the background, when networks are made.
//
// At the end, and at the start after a kill, everything of it is removed: links by their alias, the table by its name, the rest by markers in the daemon's folder.
using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>The daemon's part of the host's network.</summary>
internal sealed partial class HostNetwork : IAsyncDisposable
{
    private const int UsualMtu = 1500;
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(30);

    private readonly NetworkOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<HostNetwork> _logger;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly AddressPool _pool;
    private readonly HostLinks _links;
    private readonly ForwardPolicy _policy;
    private readonly Stock<VethNetwork> _namespaces;
    private SubnetClaim? _claim;
    private IReadOnlyList<string> _notForwarded = [];
    private string _applied = "";
    private int _mtu = UsualMtu;
    private int? _callbackPort;
    private long _lookedAt;
    private volatile bool _isReady;
    private volatile Failure? _failure;
    private volatile string? _warning;

    /// <summary>Nothing is made yet.</summary>
    public HostNetwork(NetworkOptions options, TimeProvider time, ILogger<HostNetwork> logger)
    {
        (_options, _time, _logger) = (options, time, logger);
        _pool = new AddressPool(options.Subnet);
        _links = new HostLinks(options.Daemon);
        _policy = new ForwardPolicy(options.Subnet, options.Daemon, Path.Combine(options.Folder, "iptables"), time);
        _namespaces = new Stock<VethNetwork>(options.Stock, MakeNamespaceAsync, Discard, failure => NotMade(_logger, failure.Message));
        Taps = new TapStock(options.Stock, new HostTaps(_links), _pool, EnsureAsync, MtuAsync, failure => NotMade(_logger, failure.Message));
    }

    /// <summary>Its settings.</summary>
    public NetworkOptions Options => _options;

    /// <summary>Instances' <c>resolv.conf</c>; there once <see cref="EnsureAsync"/> has succeeded.</summary>
    public string Resolver => Path.Combine(_options.Folder, "resolv.conf");

    /// <summary>Taps for virtual machines.</summary>
    public TapStock Taps { get; }

    /// <summary>Instances' addresses.</summary>
    public Ipv4Subnet Subnet => _options.Subnet;

    /// <summary>Networks that are in use or ready.</summary>
    public int Count => _pool.Taken;

    /// <summary>Whether the host has been prepared.</summary>
    public bool IsReady => _isReady;

    /// <summary>Why instances have no network; null when they have, or when nobody has asked yet.</summary>
    public string? Problem => _failure?.Problem;

    /// <summary>What an operator should know although instances have a network.</summary>
    public string? Warning => _warning;

    /// <summary>The largest packet that the way out takes, bytes.</summary>
    public int Mtu => _mtu;

    /// <summary>Removes what a run of this daemon that was killed has left. Quick when there is nothing.</summary>
    public async Task RemoveLeftoversAsync()
    {
        if (!Privileges.MayChangeNetwork) return;
        foreach (var name in _links.RemoveAll()) Left(_logger, name);
        if (Directory.Exists(_options.Folder)) await RemoveFilterAsync().ConfigureAwait(false);
    }

    /// <summary>Prepares the host, at first; says what is wrong, or null. What failed is tried again after a while, so that a package that was installed meanwhile counts.</summary>
    public ValueTask<string?> EnsureAsync(CancellationToken cancellationToken)
    {
        if (_isReady) return new((string?)null);
        return RecentProblem is { } known ? new(known) : new(PrepareAsync(cancellationToken));
    }

    /// <summary>What is in the way of the subnet that the operator has chosen, with what to do; null when nothing, also when this daemon could not use it anyway.</summary>
    public async Task<string?> CollisionAsync(CancellationToken cancellationToken)
    {
        if (Privileges.Lacking is not null) return null;
        try
        {
            using var claim = await SubnetClaim.TakeAsync(_options.Subnet, _options.Daemon, _time, cancellationToken).ConfigureAwait(false);
            RequireFreeRoutes();
            return null;
        }
        catch (NetworkUnavailableException collision)
        {
            return collision.Message;
        }
    }

    /// <summary>A network for an instance of a process function. Dispose of it when nothing runs in it any more.</summary>
    /// <exception cref="NetworkUnavailableException">There is none; the message says what to do.</exception>
    public async ValueTask<VethNetwork> TakeAsync(CancellationToken cancellationToken)
    {
        if (await EnsureAsync(cancellationToken).ConfigureAwait(false) is { } problem) throw new NetworkUnavailableException(problem);
        return await _namespaces.TakeAsync().ConfigureAwait(false);
    }

    /// <summary>Opens a port of the gateway to virtual machines: that of the server at which they report.</summary>
    public async Task OpenToVirtualMachinesAsync(int port, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _callbackPort = port;
            if (_isReady) await LookAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Removes everything. Instances must have gone.</summary>
    public async ValueTask DisposeAsync()
    {
        await _turn.WaitAsync().ConfigureAwait(false);
        await _namespaces.DisposeAsync().ConfigureAwait(false);
        await Taps.DisposeAsync().ConfigureAwait(false);
        if (_isReady) await UndoAsync().ConfigureAwait(false);
        _turn.Dispose();
    }

    // When that is due. Never fails: what was right a minute ago still is, mostly.
    private async Task LookAgainAsync()
    {
        if (_time.GetElapsedTime(Interlocked.Read(ref _lookedAt)) < LookAgainAfter || !await _turn.WaitAsync(0).ConfigureAwait(false)) return;
        try
        {
            await LookAsync().ConfigureAwait(false);
        }
        catch (IOException failure)
        {
            NotRefreshed(_logger, failure.Message);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<string?> PrepareAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isReady) return null;
            if (RecentProblem is { } known) return known; // found by somebody for whom we have waited
            try
            {
                if (Privileges.Lacking is { } lacking) throw new NetworkUnavailableException(lacking);
                Directory.CreateDirectory(_options.Folder);
                File.SetUnixFileMode(_options.Folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
                _claim ??= await SubnetClaim.TakeAsync(_options.Subnet, _options.Daemon, _time, cancellationToken).ConfigureAwait(false);
                RequireFreeRoutes();
                // In this order, so that there is no moment at which the host forwards what it should not.
                _notForwarded = Forwarding.Remember(ForwardingMarker, ForeignLinks());
                await LookAsync().ConfigureAwait(false);
                Forwarding.SwitchOn();
                // The proof, and the first of the stock.
                _namespaces.Return(await MakeNamespaceAsync().ConfigureAwait(false));
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                await UndoAsync().ConfigureAwait(false);
                _failure = new Failure(failure.Message, _time.GetTimestamp());
                return failure.Message;
            }
            (_failure, _isReady) = (null, true);
            Prepared(_logger, _options.Subnet);
            return null;
        }
        finally
        {
            _turn.Release();
        }
    }

    private string? RecentProblem => _failure is { } failure && _time.GetElapsedTime(failure.At) < RetryAfter ? failure.Problem : null;

    private string ForwardingMarker => Path.Combine(_options.Folder, "forwarding");

    private void RequireFreeRoutes()
    {
        using var host = new RouteSocket();
        if (RouteCollisions.Find(host.ListRoutes(), host.List(), _options.Subnet) is { } collision)
            throw new NetworkUnavailableException($"the subnet of functions, {_options.Subnet}, collides with {collision}; choose another with --network-subnet");
    }

    private List<Link> ForeignLinks()
    {
        using var host = new RouteSocket();
        return [.. host.List().Where(link => !_links.IsOurs(link))];
    }

    // Everything that depends on the host's present state.
    private async Task LookAsync()
    {
        var nft = HostTool.Find("nft") ?? throw new NetworkUnavailableException("nftables is not installed, without which functions' network cannot be closed off. Install it: apt-get install nftables");
        List<Link> uplinks;
        using (var host = new RouteSocket())
        {
            var ways = host.ListRoutes().Where(static route => route is { Kind: NetworkRoute.Ordinary, Destination.PrefixLength: <= 1 }).Select(static route => route.LinkIndex).ToHashSet();
            uplinks = [.. host.List().Where(link => ways.Contains(link.Index))];
        }
        _mtu = uplinks.Select(static link => link.Mtu).Where(static mtu => mtu > 0).Append(UsualMtu).Min();
        var names = ResolverFile.Make(_options.NameServers);
        // In place, so that instances that run see it as well.
        if (!File.Exists(Resolver) || await File.ReadAllTextAsync(Resolver).ConfigureAwait(false) != names.Text) await File.WriteAllTextAsync(Resolver, names.Text).ConfigureAwait(false);
        File.SetUnixFileMode(Resolver, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        await ApplyAsync(nft, new FilterSettings
        {
            Daemon = _options.Daemon,
            Group = _links.Group,
            TapGroup = _links.TapGroup,
            Subnet = _options.Subnet,
            Allowed = _options.Allowed,
            NameServers = names.Servers,
            Uplinks = [.. uplinks.Select(static link => link.Name)],
            NotForwarded = _notForwarded,
            CallbackPort = _callbackPort,
        }).ConfigureAwait(false);
        Warn(names.Problem ?? await _policy.PassAsync(nft).ConfigureAwait(false));
        Interlocked.Exchange(ref _lookedAt, _time.GetTimestamp());
    }

    private async Task ApplyAsync(string nft, FilterSettings settings)
    {
        var wanted = FilterRules.Table(settings);
        if (wanted == _applied) return;
        var result = await HostTool.RunAsync(nft, ["-f", "-"], wanted, _time).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            var complaint = result.Error;
            result = await HostTool.RunAsync(nft, ["-f", "-"], FilterRules.Table(settings, countsConnections: false), _time).ConfigureAwait(false);
            if (result.ExitCode != 0) throw new NetworkUnavailableException($"the kernel does not take the packet filter of functions (Linux 5.9 or newer with nf_tables is needed): {complaint.Split('\n')[0]}");
            Uncounted(_logger);
        }
        _applied = wanted;
    }

    private void Warn(string? warning)
    {
        if (warning is not null && warning != _warning) Doubtful(_logger, warning);
        _warning = warning;
    }

    private async Task UndoAsync()
    {
        if (_claim is null) return; // nothing has been changed yet
        try
        {
            _links.RemoveAll();
            await RemoveFilterAsync().ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            NotRemoved(_logger, failure.Message);
        }
        _claim.Dispose();
        _claim = null;
    }

    private async Task RemoveFilterAsync()
    {
        if (HostTool.Find("nft") is { } nft) await HostTool.RunAsync(nft, ["-f", "-"], FilterRules.Removal(_options.Daemon), _time).ConfigureAwait(false);
        await _policy.RemoveAsync().ConfigureAwait(false);
        Forwarding.Restore(ForwardingMarker, ForeignLinks());
        if (File.Exists(Resolver)) File.Delete(Resolver);
    }

    private async Task<int> MtuAsync()
    {
        await LookAgainAsync().ConfigureAwait(false);
        return _mtu;
    }

    private async Task<VethNetwork> MakeNamespaceAsync()
    {
        if (_isReady) await LookAgainAsync().ConfigureAwait(false);
        var addresses = _pool.Take();
        try
        {
            return await VethNetwork.MakeAsync(_links, addresses, _mtu, () => _pool.Return(addresses)).ConfigureAwait(false);
        }
        catch
        {
            _pool.Return(addresses);
            throw;
        }
    }

    private static void Discard(VethNetwork network) => network.Dispose();

    [LoggerMessage(600, LogLevel.Information, "functions have a network: {Subnet}")]
    private static partial void Prepared(ILogger logger, Ipv4Subnet subnet);

    [LoggerMessage(601, LogLevel.Warning, "removed the link {Name}, which an earlier run left")]
    private static partial void Left(ILogger logger, string name);

    [LoggerMessage(602, LogLevel.Warning, "a network for a function could not be made ahead: {Problem}")]
    private static partial void NotMade(ILogger logger, string problem);

    [LoggerMessage(603, LogLevel.Warning, "{Warning}")]
    private static partial void Doubtful(ILogger logger, string warning);

    [LoggerMessage(604, LogLevel.Warning, "the host's network could not be looked at again: {Problem}")]
    private static partial void NotRefreshed(ILogger logger, string problem);

    [LoggerMessage(605, LogLevel.Warning, "this kernel cannot count connections (CONFIG_NFT_CONNLIMIT): a function may fill the host's table of them")]
    private static partial void Uncounted(ILogger logger);

    [LoggerMessage(606, LogLevel.Error, "functions' network could not be removed completely: {Problem}")]
    private static partial void NotRemoved(ILogger logger, string problem);

    /// <summary>Why the host could not be prepared, and when that was found.</summary>
    private sealed record Failure(string Problem, long At);
}
