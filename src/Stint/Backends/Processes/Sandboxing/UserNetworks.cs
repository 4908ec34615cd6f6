// Ways to the world for a daemon of an ordinary user, who may make no links on the host:
//
//   holder    a shell in a user and a network namespace of its own. It loads the packet filter, waits until there is a default route, and then sleeps: the namespaces are there as long as it is
//   carrier   slirp4netns or pasta (UserNetworkProgram): gives the namespace a link, and speaks to the world through ordinary sockets of the user
//   sandbox   enters both namespaces (nsenter) before bubblewrap makes the others
//
// Both processes die with the daemon (PR_SET_PDEATHSIG, set by setpriv on the spawner's thread), however it dies. Being processes, such networks cost memory and a good part of a hundred milliseconds each;
// some are made ahead (network-stock).
using System.Globalization;
using Stint.Backends.Processes.Spawning;
using Stint.Network;
using Stint.Network.Netlink;
using Stint.Telemetry.Logs;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Networks made by programs without privileges.</summary>
internal sealed partial class UserNetworks : ISandboxNetworks
{
    private const string TunFile = TapDevice.ControlFile;
    private static readonly TimeSpan MakeLimit = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(15);

    private readonly NetworkOptions _options;
    private readonly Spawner _spawner;
    private readonly TimeProvider _time;
    private readonly ILogger<ProcessHost> _logger;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Stock<Made> _stock;
    private readonly Lock _lock = new();
    private readonly HashSet<Made> _all = [];
    private long _failedAt;
    private volatile bool _isReady;
    private volatile string? _problem;

    /// <summary>Nothing is made yet.</summary>
    public UserNetworks(NetworkOptions options, Spawner spawner, TimeProvider time, ILogger<ProcessHost> logger)
    {
        (_options, _spawner, _time, _logger) = (options, spawner, time, logger);
        _stock = new Stock<Made>(options.Stock, MakeAsync, made => _ = made.EndAsync(), failure => NotMade(logger, failure.Message));
    }

    /// <inheritdoc/>
    public bool IsReady => _isReady;

    /// <inheritdoc/>
    public int Count
    {
        get { lock (_lock) return _all.Count; }
    }

    /// <inheritdoc/>
    public string? Problem => _problem;

    /// <inheritdoc/>
    public string? Warning => null;

    /// <inheritdoc/>
    public async ValueTask<string?> EnsureAsync(CancellationToken cancellationToken)
    {
        if (_isReady) return null;
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_isReady) return null;
            if (_problem is { } known && _time.GetElapsedTime(_failedAt) < RetryAfter) return known;
            try
            {
                if (Missing() is { } missing) throw new NetworkUnavailableException(missing);
                // What a killed daemon has left; its processes have died with it.
                if (Directory.Exists(_options.Folder)) Directory.Delete(_options.Folder, recursive: true);
                Directory.CreateDirectory(_options.Folder);
                _stock.Return(await MakeAsync().ConfigureAwait(false));
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                _failedAt = _time.GetTimestamp();
                return _problem = failure.Message;
            }
            (_problem, _isReady) = (null, true);
            return null;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<SandboxNetwork> TakeAsync(CancellationToken cancellationToken)
    {
        Made made;
        try
        {
            if (await EnsureAsync(cancellationToken).ConfigureAwait(false) is { } problem) throw new NetworkUnavailableException(problem);
            do made = await _stock.TakeAsync().ConfigureAwait(false);
            while (!made.IsAlive && DropDead(made));
        }
        catch (IOException failure)
        {
            throw new InstanceStartException(failure.Message, failure) { IsHostsFault = true };
        }
        var process = made.Holder.Pid.ToString(CultureInfo.InvariantCulture);
        return new SandboxNetwork(async () => await made.EndAsync().ConfigureAwait(false))
        {
            Enter = [HostPrograms.Find("nsenter")!, $"--user=/proc/{process}/ns/user", $"--net=/proc/{process}/ns/net", "--preserve-credentials", "--"],
            Resolver = made.Resolver,
            Lost = LostAsync(made),
        };
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stock.DisposeAsync().ConfigureAwait(false);
        // Also of those that nobody waited for when they were given up.
        Made[] left;
        lock (_lock) left = [.. _all];
        await Task.WhenAll(left.Select(static made => made.EndAsync())).ConfigureAwait(false);
        _turn.Dispose();
    }

    private async Task LostAsync(Made made)
    {
        await made.Ended.ConfigureAwait(false);
        if (!made.IsEnding) Lost(_logger, made.Said);
    }

    private static bool DropDead(Made made)
    {
        _ = made.EndAsync(); // never faults
        return true;
    }

    private static string? Missing()
    {
        if (HostPrograms.Find("slirp4netns") is null && HostPrograms.Find("pasta") is null)
            return "a daemon that is not root needs slirp4netns or pasta for that. Install one: apt-get install slirp4netns";
        if (HostTool.Find("nft") is null) return "nftables is not installed, without which functions' network cannot be closed off. Install it: apt-get install nftables";
        foreach (var program in (string[])["setpriv", "unshare", "nsenter"])
            if (HostPrograms.Find(program) is null) return $"{program} is not installed. Install it: apt-get install util-linux";
        try
        {
            using var tun = File.OpenHandle(TunFile, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return $"{TunFile} cannot be opened ({failure.Message}); let everybody open it, as most systems do: chmod 666 {TunFile}";
        }
        return null;
    }

    private async Task<Made> MakeAsync()
    {
        var program = UserNetworkProgram.Find(_options.Subnet) ?? throw new NetworkUnavailableException(Missing() ?? "slirp4netns is not installed");
        var folder = Directory.CreateDirectory(Path.Combine(_options.Folder, Guid.NewGuid().ToString("N")));
        var made = new Made(folder.FullName, Forget);
        lock (_lock) _all.Add(made);
        try
        {
            var names = ResolverFile.Make(_options.NameServers, program.NameServer);
            await File.WriteAllTextAsync(made.Resolver, names.Text).ConfigureAwait(false);
            var rules = Path.Combine(made.Folder, "filter.nft");
            await File.WriteAllTextAsync(rules, Rules(program, names.Servers)).ConfigureAwait(false);
            await made.StartAsync(_spawner, program, rules).WaitAsync(MakeLimit, _time).ConfigureAwait(false);
            return made;
        }
        catch (Exception failure)
        {
            await made.EndAsync().ConfigureAwait(false);
            if (failure is TimeoutException) throw new NetworkUnavailableException($"{Path.GetFileName(program.Path)} made no network within {MakeLimit.TotalSeconds:0} s{made.Said}", failure);
            if (failure is System.ComponentModel.Win32Exception) throw new NetworkUnavailableException(failure.Message, failure);
            throw;
        }
    }

    private void Forget(Made made)
    {
        lock (_lock) _all.Remove(made);
    }

    private string Rules(UserNetworkProgram program, IReadOnlyList<uint> names)
    {
        using var host = new RouteSocket();
        var closed = UserFilterRules.OfHost(host.ListRoutes(), host.List());
        return UserFilterRules.Write(program.Own is { } own ? [.. closed, own] : closed, [.. _options.Allowed], [.. names]);
    }

    [LoggerMessage(215, LogLevel.Warning, "a network for a function could not be made ahead: {Problem}")]
    private static partial void NotMade(ILogger logger, string problem);

    [LoggerMessage(216, LogLevel.Warning, "the network of an instance has ended, and the instance with it{Said}")]
    private static partial void Lost(ILogger logger, string said);

    /// <summary>One network: its processes and its files.</summary>
    private sealed class Made(string folder, Action<Made> ended)
    {
        // $1 is the file of rules. A default route is what both programs make last.
        private const string Hold = """
            "$0" -f "$1" || exit 1
            echo ready
            until while read -r link destination rest; do [ "$destination" = 00000000 ] && [ "$link" != Iface ] && break; done </proc/net/route; do sleep 0.02; done
            echo connected
            exec sleep infinity
            """;

        private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock _lock = new();
        private ChildProcess? _holder;
        private ChildProcess? _carrier;
        private string _said = "";
        private Task? _end;

        public string Folder => folder;

        public string Resolver => Path.Combine(folder, "resolv.conf");

        public ChildProcess Holder => _holder ?? throw new InvalidOperationException("it has not been started");

        public bool IsAlive => _holder is { Exited.IsCompleted: false } && _carrier is { Exited.IsCompleted: false };

        public bool IsEnding
        {
            get { lock (_lock) return _end is not null; }
        }

        /// <summary>Ends with the first of its processes.</summary>
        public Task Ended => Task.WhenAny(_holder!.Exited, _carrier!.Exited);

        /// <summary>What the programs complained about last, to be put behind a message.</summary>
        public string Said => Volatile.Read(ref _said) is { Length: > 0 } said ? $": {said}" : "";

        public async Task StartAsync(Spawner spawner, UserNetworkProgram program, string rules)
        {
            var (setpriv, nft) = (HostPrograms.Find("setpriv")!, HostTool.Find("nft")!);
            _holder = await spawner.StartAsync(Request(
                [setpriv, "--pdeathsig", "KILL", HostPrograms.Find("unshare")!, "--user", "--map-root-user", "--net", "--", "/bin/sh", "-c", Hold, nft, rules])).ConfigureAwait(false);
            await UntilAsync(_ready.Task, _holder, "the packet filter of functions cannot be loaded").ConfigureAwait(false);
            _carrier = await spawner.StartAsync(Request([setpriv, "--pdeathsig", "KILL", .. program.Arguments(_holder.Pid)])).ConfigureAwait(false);
            await UntilAsync(_connected.Task, _carrier, $"{Path.GetFileName(program.Path)} failed").ConfigureAwait(false);
        }

        /// <summary>Ends both and removes the files; never faults.</summary>
        public Task EndAsync()
        {
            lock (_lock) return _end ??= EndOnceAsync();
        }

        private async Task EndOnceAsync()
        {
            foreach (var process in (ChildProcess?[])[_carrier, _holder])
            {
                process?.Signal(Posix.SigKill);
                if (process is not null) await process.Exited.ConfigureAwait(false);
            }
            try
            {
                Directory.Delete(folder, recursive: true);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                // The folder of a daemon whose state was removed under it; at the next start it goes as a whole.
            }
            ended(this);
        }

        private async Task UntilAsync(Task wanted, ChildProcess process, string failure)
        {
            if (await Task.WhenAny(wanted, process.Exited).ConfigureAwait(false) != wanted) throw new NetworkUnavailableException(failure + Said);
        }

        private SpawnRequest Request(IReadOnlyList<string> command)
        {
            var output = new LineSplitter(line =>
            {
                if (line == "ready") _ready.TrySetResult();
                else if (line == "connected") _connected.TrySetResult();
            });
            var error = new LineSplitter(line => Volatile.Write(ref _said, line));
            return new SpawnRequest { Executable = command[0], Arguments = command, Output = (stream, piece) => (stream == OutputStream.Out ? output : error).Take(piece) };
        }
    }
}
