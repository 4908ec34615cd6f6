using Stint.Cluster.Dispatch;
using Stint.Cluster.Identity;
using Stint.Cluster.Joining;
using Stint.Cluster.Mirrors;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Functions;
using Stint.Invocations;
using Stint.Management;
using Stint.Pools;
using Stint.Scheduling.Metrics;

namespace Stint.Hosting;

/// <summary>A gateway's side of its cluster: certificates, the endpoint for workers, the choice of a worker for each call. Without PostgreSQL it starts with the certificate that it has.</summary>
internal sealed partial class GatewayNode : IAsyncDisposable
{
    private static readonly TimeSpan RetryEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookEvery = TimeSpan.FromHours(1);

    private readonly Platform _platform;
    private readonly StoreMirror _mirror;
    private readonly IServiceProvider _services;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;
    private readonly CertificateOffice _office;
    private readonly CancellationTokenSource _stop = new();
    private NodeCredentials? _credentials;
    private NodeEndpoint? _endpoint;
    private MeasuredWorkers? _measured;
    private Task _loop = Task.CompletedTask;

    /// <summary>Nothing listens yet.</summary>
    public GatewayNode(Platform platform, IServiceProvider services, ILoggerFactory loggers)
    {
        (_platform, _mirror, _services, _loggers, _logger) = (platform, platform.Mirror!, services, loggers, loggers.CreateLogger<GatewayNode>());
        _office = new CertificateOffice(_mirror.Store, _mirror.KeyAsync, TimeProvider.System);
        Name = platform.Options.NodeName ?? NodeName.Of(Environment.MachineName);
    }

    /// <summary>This machine's name.</summary>
    public string Name { get; }

    /// <summary>Where workers reach it; null when it is not open to them (yet).</summary>
    public int? Port => _endpoint?.Port;

    /// <summary>The workers; null before they are known.</summary>
    public WorkerDirectory? Directory { get; private set; }

    /// <summary>Places calls; null before workers are known.</summary>
    public CallPlacer? Placer { get; private set; }

    /// <summary>Counts calls that other machines ran.</summary>
    public CallMeter Calls { get; } = new(TimeProvider.System);

    /// <summary>What Prometheus says of machines; null when it is not asked.</summary>
    public MeasuredWorkers? Measured => _measured;

    /// <summary>The workers, for people.</summary>
    public IEnumerable<TopNodeView> Nodes => (Directory?.Workers ?? []).Select(static worker =>
    {
        var (snapshot, report) = (worker.Describe(), worker.Report);
        var state = worker switch { { IsAlive: false } => "dead", { IsReachable: false } => "unreachable", { IsDraining: true } => "draining", _ => "alive" };
        return new TopNodeView(worker.Name, state, snapshot.Running, worker.InFlight, report.Instances, report.MemoryMiB << 20, (snapshot.Memory?.Available).GetValueOrDefault(), report.Load, report.Processors);
    });

    /// <summary>Brings code to workers; null before they are known.</summary>
    public CodePush? Push { get; private set; }

    /// <summary>The versions of functions in the store's numbers.</summary>
    public GatewayDesk? Desk { get; private set; }

    private string Folder => Path.Combine(_platform.Options.State, "node");

    /// <summary>Begins; after the copy of the store is there.</summary>
    /// <exception cref="IOException">An address cannot be bound.</exception>
    /// <exception cref="StoreException">The store's authority cannot be used.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await OpenAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException e) when (e.Fault is StoreFault.Away)
        {
            LogLater(e.Message);
        }
        _loop = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>Has all workers fetch what was deployed, unless that is turned off (store-on-create).</summary>
    public Task DeployedAsync(FunctionVersion version, CancellationToken cancellationToken) =>
        _platform.Options.StoreOnCreate && Push is { } push && Desk?.VersionOf(version.Name, version.Spec) is { } code ? push.PrepareAsync(version.Name, code, cancellationToken) : Task.CompletedTask;

    /// <summary>Has all workers let go what was removed. Never throws.</summary>
    public async Task RemovedAsync(FunctionName name)
    {
        Calls.Forget(name);
        try
        {
            if (Push is { } push) await push.EvictAsync(name, _stop.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The daemon stops.
        }
    }

    /// <summary>Answers workers no more.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _endpoint?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        if (_endpoint is not null) await _endpoint.DisposeAsync().ConfigureAwait(false);
        if (Directory is not null) await Directory.DisposeAsync().ConfigureAwait(false);
        if (_measured is not null) await _measured.DisposeAsync().ConfigureAwait(false);
        _credentials?.Dispose();
        _stop.Dispose();
    }

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        var options = _platform.Options;
        _credentials = new NodeCredentials(await _office.IdentifyAsync(Folder, Name, cancellationToken).ConfigureAwait(false));
        Directory = new WorkerDirectory(_mirror.Store, _credentials, TimeProvider.System, _loggers.CreateLogger<WorkerDirectory>());
        Desk = new GatewayDesk(new GatewayDeskParts(Name, Directory, _mirror, _platform.Secrets, SpecOf, _credentials), _loggers.CreateLogger<GatewayDesk>());
        var desk = new JoinDesk(_office, _mirror.Store, _loggers.CreateLogger<JoinDesk>());
        if (options.NodePort >= 0)
        {
            _endpoint = new NodeEndpoint(options.NodeListen, options.NodePort, _credentials, NodeRole.Worker, new Dictionary<string, NodeHandler>([.. desk.Handlers, .. Desk.Handlers]), _services, _loggers);
            await _endpoint.StartAsync(cancellationToken).ConfigureAwait(false);
        }
        await Directory.StartAsync(cancellationToken).ConfigureAwait(false);
        Push = new CodePush(Directory, TimeProvider.System, _loggers.CreateLogger<CodePush>());
        if (options.Prometheus is { } prometheus) _measured ??= new MeasuredWorkers(new PrometheusMetrics(prometheus), TimeProvider.System, _loggers.CreateLogger<MeasuredWorkers>());
        var placer = Placer = new CallPlacer(new CallPlacerParts(Directory, version => Desk.VersionOf(version.Name, version.Spec), name => _platform.Scripts.Find(name)?.Parsed,
            options.Worker ? () => Calls.Over(LocalWorker.Describe(Name, _platform.LastReport)) : null, options.Scheduling, _measured is { } measured ? measured.Over : null, Calls.Tried), TimeProvider.System);
        _platform.Router.Elsewhere = (invocation, pool) => Calls.InvokeAsync(placer, invocation, pool.Version, pool.Count(InstanceState.Idle), pool.InvokeAsync);
        LogOpen(Name, Port ?? -1);
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(_credentials is { Identity.Role: NodeRole.Gateway } ? LookEvery : RetryEvery, TimeProvider.System, _stop.Token).ConfigureAwait(false);
                try
                {
                    if (_credentials is null) await OpenAsync(_stop.Token).ConfigureAwait(false);
                    else if (await _office.IdentifyAsync(Folder, Name, _stop.Token).ConfigureAwait(false) is { } identity && identity.Certificate.SerialNumber != _credentials.Identity.Certificate.SerialNumber) _credentials.Renew(identity);
                }
                catch (Exception e) when (e is StoreException or IOException or System.Security.Cryptography.CryptographicException)
                {
                    LogTrouble(e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
    }

    private FunctionSpec? SpecOf(FunctionName name) => _platform.Registry.Snapshot.Functions.GetValueOrDefault(name)?.Serving?.Spec;

    [LoggerMessage(2770, LogLevel.Debug, "{Name} is open to workers at port {Port}")]
    private partial void LogOpen(string name, int port);

    [LoggerMessage(2771, LogLevel.Warning, "Workers cannot be used yet: this machine has no certificate of the cluster: {Problem}")]
    private partial void LogLater(string problem);

    [LoggerMessage(2772, LogLevel.Warning, "This machine's certificate cannot be looked after: {Problem}")]
    private partial void LogTrouble(string problem);
}
