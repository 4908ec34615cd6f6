// The parts of a daemon and how they know each other:
//
//   Ingress ─▶ Router ─▶ Pools ─┬▶ VmBackend ─▶ VmHost (hypervisors, taps, callbacks)
//                ▲              ├▶ WasmBackend ─▶ RunnerPool (Node.js in sandboxes, shared by all modules)
//                ▲              ├▶ ContainerBackend ─▶ ContainerHost (container engine, networks, callbacks); or SwarmBackend ─▶ SwarmHost
//                ▲              └▶ ProcessBackend ─▶ RuntimeParts (sandbox, control groups, spawner; or containers)
//                ▲                      ▲ bundles
//   FunctionRegistry ───────────▶ BundleStore ─▶ IBuildSandbox
//                ▲
//   Deployer ────┘      (management and dialects deploy through it; the folder may also be changed by hand)
//      │  with a store that several gateways share:
//      └▶ StoreMirror ─▶ ClusterStore (PostgreSQL)     decides; the registry's folder is then a copy, which the mirror keeps up to date
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Stint.Backends;
using Stint.Backends.Callbacks;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.Backends.Containers.Swarm;
using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Vms;
using Stint.Backends.Wasm;
using Stint.Cluster.Cache;
using Stint.Cluster.Identity;
using Stint.Cluster.Mirrors;
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Cluster.Triggers;
using Stint.Cluster.Workers;
using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Archives;
using Stint.Functions.Builds;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Modules;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Functions.Specification;
using Stint.Ingress.Coap;
using Stint.Invocations;
using Stint.Network;
using Stint.Pools;
using Stint.Routing;
using Stint.Scaling;
using Stint.Scheduling;
using Stint.Telemetry.Logs;

namespace Stint.Hosting;

/// <summary>Everything of a daemon but its endpoints.</summary>
internal sealed partial class Platform : IAsyncDisposable
{
    private readonly DaemonFolders _folders;
    private readonly ConcurrentDictionary<FunctionName, Task<string?>> _rollouts = new();
    private readonly ConcurrentDictionary<FunctionName, BundleLease?> _bundlesInUse = new();
    private readonly TimeProvider _time;
    private readonly ILogger<Platform> _logger;
    private readonly ProcessBackend _processes;
    private readonly IBackend _containers;
    private readonly Autoscaler _scaler;
    private readonly FollowedCalls _followed;
    private readonly GatewaysOnly? _changesElsewhere;
    private readonly CpuMeter _cpu = new();
    private readonly RecentReport _lastReport;
    private Task _cleaning = Task.CompletedTask;

    /// <summary>Puts the parts together and prepares the host; nothing runs yet.</summary>
    /// <exception cref="IOException">A folder cannot be used, or another daemon uses it.</exception>
    public Platform(DaemonOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        if (options.Store is not null) options = options with { Registry = StoreMirror.RegistryOf(options.State) };
        else if (options.RunsForGateways()) options = options with { Registry = CodeCache.RegistryOf(options.State) };
        Options = options;
        (_time, _logger) = (time, loggers.CreateLogger<Platform>());
        _lastReport = new RecentReport(Report, time);
        var isRoot = Environment.IsPrivilegedProcess;
        _folders = DaemonFolders.Open(options, isRoot);
        try
        {
            var processes = new ProcessBackendOptions
            {
                RunFolder = options.Run,
                StateFolder = Path.Combine(options.State, "sandbox"),
                LinksFolder = Path.Combine(options.State, "spares"),
                Spares = options.Spares,
                EmptySandboxes = options.EmptySandboxes,
                Runtimes = RuntimeFiles.Unpack(options.State),
                Python3 = options.Python3 ?? HostPrograms.Find("python3"),
                NodeJs = options.NodeJs ?? HostPrograms.Find("node"),
                // One daemon for each state folder: the next one with the same finds what this one leaves if it is killed.
                GroupName = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(options.State)))[..12],
                NetworkDefault = options.NetworkDefault,
                Isolation = options.Isolation,
            };
            Network = new HostNetwork(new NetworkOptions
            {
                Subnet = options.NetworkSubnet ?? NetworkOptions.DefaultSubnet,
                NameServers = options.NetworkDns,
                Allowed = options.NetworkAllow,
                Stock = options.NetworkStock,
                Daemon = processes.GroupName,
                Folder = Path.Combine(options.State, "network"),
            }, time, loggers.CreateLogger<HostNetwork>());
            Logs = new FunctionLogs(Path.Combine(options.State, "logs"), options.FunctionLogMiB * 1024L * 1024L, time, loggers.CreateLogger<FunctionLogs>());
            Secrets = new SecretStore(options.Store is not null ? StoreMirror.SecretsOf(options.State) : options.RunsForGateways() ? CodeCache.SecretsOf(options.State) : Path.Combine(options.State, "secrets"));
            Runtimes = RuntimeParts.Of(options, processes, Network, time, loggers);
            Builds = new MeasuredBuild(Runtimes.Builds, time);
            Bundles = new BundleStore(options.State, Builds, Runtimes.Toolchain,
                new BuildOptions { TimeLimit = TimeSpan.FromSeconds(options.BuildTimeoutSeconds), Runtimes = processes.Runtimes }, time, loggers.CreateLogger<BundleStore>());
            Spares = new Spares(Runtimes.Launcher, processes, time, loggers.CreateLogger<Spares>());
            _processes = new ProcessBackend(Runtimes.Launcher, Spares, Bundles.Hold, new FunctionSecrets(Secrets), Logs, time, loggers.CreateLogger<ProcessBackend>());
            Budget = new HostBudget(MemoryBudget(options), options.InstanceBudget == 0 ? 500 : options.InstanceBudget, time);
            Callbacks = new CallbackServer(options.CallbackPort, time, loggers);
            _containers = OpenEngine(processes.GroupName, loggers);
            Vms = new VmBackend(new VmHost(VmOptions(options, processes.GroupName), new HypervisorLauncher(Runtimes.Host, Path.Combine(options.State, "vms"), time), Network, Callbacks, Bundles.Hold, Logs, time, loggers.CreateLogger<VmHost>()));
            Wasm = WasmParts.Of(options, processes, Runtimes.Host, Network, Bundles, Logs, time, loggers);
            Router = new Router(BackendOf, Budget, new PoolOptions(), time, loggers.CreateLogger<Router>());
            _scaler = new Autoscaler(() => Router.Pools, time);
            Registry = new FunctionRegistry(options.Registry, new RegistryOptions(), Bundles, ReadToml, new VersionObserver
            {
                OnServing = Serve,
                OnRemoved = Remove,
                OnUnusable = (name, problem) => Router.SetProblem(name, problem),
                OnBuildLine = (name, line) => Logs.Append(name, "", "build", line),
            }, time, loggers.CreateLogger<FunctionRegistry>());
            _changesElsewhere = options.RunsForGateways() ? new GatewaysOnly() : null;
            Store = options.Store is { } address ? new ClusterStore(address) : null;
            Mirror = Store is { } store
                ? new StoreMirror(new StoreMirrorOptions { Store = store, KeyFile = options.StoreKey!, State = options.State, Node = options.NodeName ?? NodeName.Of(Environment.MachineName), IsWorker = options.Worker, Report = Report }, Registry, Secrets, time, loggers.CreateLogger<StoreMirror>())
                : null;
            Deployer = new Deployer(Registry, Bundles, ReadToml, new DeployerOptions { Archive = new ArchiveLimits(), TryOut = TryOutAsync, Store = (IDeploymentStore?)Mirror ?? _changesElsewhere }, time, loggers.CreateLogger<Deployer>());
            var copies = Mirror is null ? options.State : Path.Combine(options.State, "mirror");
            Modules = new ModuleCatalogue(Path.Combine(copies, "namespaces"), Registry, Secrets, Deployer, Mirror, Mirror, Mirror);
            Scripts = new AppScriptStore(Path.Combine(copies, "scripts"), loggers.CreateLogger<AppScriptStore>(), Mirror);
            Mirror?.Share(ModuleCatalogue.Kind, Modules);
            Mirror?.Share(AppScriptStore.Kind, Scripts);
            Deliveries = new DeliveryParts(options, Store, Router, Logs, time, loggers);
            var share = Store is null ? null : new TriggerShare(Store, options.NodeName ?? NodeName.Of(Environment.MachineName), new StoreClock(time), time, loggers.CreateLogger<TriggerShare>());
            Events = new EventParts(options, Deliveries, () => Registry.Snapshot, Secrets, Logs, time, loggers, share);
            _followed = new FollowedCalls(Router.InvokeAsync, Deliveries.Followers, Deliveries.Outbox, options.AsyncMaxResultMiB * 1024 * 1024, Logs, time);
        }
        catch
        {
            _ = Runtimes?.DisposeAsync().AsTask(); // has nothing to wait for: nothing has been started
            _folders.Dispose();
            throw;
        }
    }

    /// <summary>The settings.</summary>
    public DaemonOptions Options { get; }

    /// <summary>When it was put together.</summary>
    public DateTimeOffset StartedAt { get; } = TimeProvider.System.GetUtcNow();

    /// <summary>The functions' logs.</summary>
    public FunctionLogs Logs { get; }

    /// <summary>The instances' part of the host's network.</summary>
    public HostNetwork Network { get; }

    /// <summary>Values that functions may read when they name them.</summary>
    public SecretStore Secrets { get; }

    /// <summary>What runs functions that have code.</summary>
    public RuntimeParts Runtimes { get; }

    /// <summary>Builds, with their durations.</summary>
    public MeasuredBuild Builds { get; }

    /// <summary>Built code.</summary>
    public BundleStore Bundles { get; }

    /// <summary>Runtimes that wait for a function.</summary>
    public Spares Spares { get; }

    /// <summary>Where guests say that they are ready.</summary>
    public CallbackServer Callbacks { get; }

    /// <summary>Runs <c>[vm]</c> functions.</summary>
    public VmBackend Vms { get; }

    /// <summary>Runs <c>[wasm]</c> functions.</summary>
    public WasmBackend Wasm { get; }

    /// <summary>Runs <c>[container]</c> functions; null when the engine's address is none.</summary>
    public ContainerBackend? Containers => _containers as ContainerBackend;

    /// <summary>Runs <c>[container]</c> functions as services of a swarm; null with other backends.</summary>
    public SwarmBackend? Swarm => _containers as SwarmBackend;

    /// <summary>The host's room.</summary>
    public HostBudget Budget { get; }

    /// <summary>Functions' pools by name.</summary>
    public Router Router { get; }

    /// <summary>What is deployed.</summary>
    public FunctionRegistry Registry { get; }

    /// <summary>Deploys and removes.</summary>
    public Deployer Deployer { get; }

    /// <summary>Modules, those without functions too.</summary>
    public ModuleCatalogue Modules { get; }

    /// <summary>Scheduling scripts.</summary>
    public AppScriptStore Scripts { get; }

    /// <summary>Asynchronous calls, and results on their way.</summary>
    public DeliveryParts Deliveries { get; }

    /// <summary>What calls functions besides their callers, and where their results go.</summary>
    public EventParts Events { get; }

    /// <summary>The store that gateways share; null without one.</summary>
    public ClusterStore? Store { get; }

    /// <summary>This machine's copy of the store that gateways share; null without one.</summary>
    public StoreMirror? Mirror { get; }

    /// <summary>This gateway's side of its cluster; null without a store.</summary>
    public GatewayNode? Gateway { get; set; }

    /// <summary>Changes secrets.</summary>
    public ISecretWriter SecretWriter => Mirror ?? _changesElsewhere ?? (ISecretWriter)Secrets;

    /// <summary>Asynchronous calls.</summary>
    public AsyncCalls AsyncCalls => Deliveries.Calls;

    /// <summary>Tells who observes a function that it would answer differently now; says how many representations were asked for again.</summary>
    public Func<FunctionName, int> Changed { get; set; } = static _ => 0;

    /// <summary>What an operator should know about this host, one sentence each.</summary>
    public IEnumerable<string> Warnings => new[]
    {
        Runtimes.Problem,
        Runtimes.LimitsProblem is { } problem ? $"limits of memory, processes and cpu are not enforced: {problem}" : null,
        Runtimes.NetworkWarning,
        Containers?.Host.Watch.Problem,
        Deliveries.Slot.Problem,
        Swarm?.Problem,
        Swarm?.Warning,
        Mirror?.Problem,
    }.OfType<string>();

    /// <summary>Probes the sandbox, then takes what is in the registry into service.</summary>
    /// <exception cref="DeploymentException">The registry cannot be used.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Network.RemoveLeftoversAsync().ConfigureAwait(false);
        Vms.Host.RemoveLeftovers();
        if (Options.NetworkSubnet is not null && await Network.CollisionAsync(cancellationToken).ConfigureAwait(false) is { } collision) throw new IOException(collision);
        await Runtimes.StartAsync(cancellationToken).ConfigureAwait(false);
        if (Runtimes.Problem is { } problem)
        {
            if (Options.Backend == RuntimeBackend.Docker) NotRunning(_logger, problem);
            else NotIsolated(_logger, problem);
        }
        Deliveries.Slot.Open();
        // In the background: an engine that hangs concerns nobody who does not need it.
        if (Containers is { } containers) _cleaning = containers.Host.Watch.CleanUpAsync(); // never faults
        if (Mirror is not null) await Mirror.StartAsync(cancellationToken).ConfigureAwait(false);
        Registry.Start();
        if (Swarm is { } swarm) _cleaning = SweepSwarmAsync(swarm); // never faults
        Mirror?.Follow();
        Vms.Host.Snapshots.Sweep(Registry.Layout.List().Functions.Keys);
    }

    /// <summary>Begins to run asynchronous calls and to deliver results, with those of an earlier run. The functions must be in service.</summary>
    public async Task BeginDeliveriesAsync()
    {
        try
        {
            await Deliveries.BeginAsync().ConfigureAwait(false);
            // A broker may have messages for a function that is broken today. They are left there, not taken for nobody's.
            foreach (var function in Registry.Snapshot.Functions.Values)
                if (function is { Serving: null, Spec: { } spec }) Events.Sources.Set(function.Name, spec);
            Events.Sources.Begin();
        }
        catch (IOException failure)
        {
            throw new IOException($"the queue of asynchronous calls cannot be read: {failure.Message}", failure);
        }
    }

    /// <summary>Runs a call where its function is, and has its result delivered where the function wants it. Never throws; the result is awaited once.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation) => _followed.InvokeAsync(invocation);

    /// <summary>Functions as CoAP shows them.</summary>
    public IEnumerable<CoapFunction> CoapFunctions() => Registry.Snapshot.Functions.Values.Where(static function => function.Serving is not null)
        .Select(static function => new CoapFunction(function.Name, function.Serving!.Spec.Observe == TimeSpan.Zero ? null : function.Serving.Spec.Observe));

    /// <summary>Deploys a function and returns when calls go to the new version.</summary>
    /// <exception cref="DeploymentException">It does not serve; the message says why.</exception>
    public async Task<FunctionVersion> DeployAsync(FunctionName name, string functionToml, CodeSource? code, Action<DeploymentProgress> progress, CancellationToken cancellationToken, bool waitForWorkers = true)
    {
        FunctionVersion version;
        try
        {
            version = await Deployer.DeployAsync(name, functionToml, code, progress, cancellationToken).ConfigureAwait(false);
        }
        catch when (Containers is not null && Registry.Snapshot.Functions.GetValueOrDefault(name)?.Serving?.Spec.Container is null)
        {
            // What was made for trying it out.
            await Containers.ForgetAsync(name).ConfigureAwait(false);
            throw;
        }
        if (await RolledOutAsync(name).ConfigureAwait(false) is { } failed)
            throw new DeploymentException(DeploymentFault.HostLacks, Deployment.IsGivenUp(failed) ? $"{name} was stored but does not serve: {failed}" : $"{name} was stored but its instances do not start: {failed}");
        if (Gateway is not null && waitForWorkers)
        {
            progress(new DeploymentProgress(ProgressKind.Step, "bringing it to the workers"));
            await Gateway.DeployedAsync(version, cancellationToken).ConfigureAwait(false);
        }
        else if (Gateway is not null) _ = Gateway.DeployedAsync(version, CancellationToken.None); // never faults
        return version;
    }

    /// <summary>A secret was given another value: functions that name it get instances that have it, one deployment's care for each; in the background.</summary>
    public void RenewSecret(string module, string name)
    {
        foreach (var (function, registered) in Registry.Snapshot.Functions)
            if (function.Module == module && registered.Serving is { } version && version.Spec.Secrets.Contains(name)) _ = RenewAsync(version); // never faults
    }

    /// <summary>Ends when calls go to the version that the registry serves of a function, or to one that was deployed after it: null, or why they do not.</summary>
    public async Task<string?> RolledOutAsync(FunctionName name)
    {
        string? problem = null;
        for (Task<string?>? before = null; _rollouts.TryGetValue(name, out var rollout) && rollout != before; before = rollout)
            if ((problem = await rollout.ConfigureAwait(false)) is not Deployment.Overtaken) break;
        return problem;
    }

    /// <summary>Gives a function instances that have its secrets' present values; null, or why not.</summary>
    public Task<string?> RenewInstancesAsync(FunctionName name) => Router.Find(name)?.RenewAsync() ?? Task.FromResult<string?>(null);

    /// <summary>What this machine last said of its load, at most some seconds ago. Costs nothing where reports are made anyway, as in a cluster.</summary>
    public NodeReport LastReport => _lastReport.Read();

    /// <summary>This machine's load. Does not throw.</summary>
    public NodeReport Report()
    {
        var (functions, instances, busy, running, idleMiB) = (0, 0, 0, 0, 0L);
        Dictionary<string, int> calls = [], tags = [], warm = [];
        foreach (var pool in Router.Pools)
        {
            functions++;
            var (idle, occupied) = (pool.Count(InstanceState.Idle), pool.Count(InstanceState.Busy));
            instances += idle + occupied;
            busy += occupied;
            if (idle > 0) warm[pool.Name.ToString()] = idle;
            idleMiB += (long)idle * HostBudget.MemoryOf(pool.Version);
            if (pool.InFlight - pool.QueueLength is not (> 0 and var here)) continue;
            running += here;
            calls[pool.Name.ToString()] = here;
            if (pool.Version.Spec.Tag is { } tag) tags[tag] = tags.GetValueOrDefault(tag) + here;
        }
        var report = new NodeReport { Version = ProgramVersion.Text, Functions = functions, Instances = instances, Busy = busy, Running = running, Calls = calls, Tags = tags, Warm = warm, Cpu = _cpu.Read(), LacksMqtt = Events.Sources.Connections.LacksLibrary }.WithHost();
        report = report.Within(Budget.MemoryMiB, Math.Max(0, Budget.UsedMiB - idleMiB));
        _lastReport.Put(report);
        return report;
    }

    /// <summary>No new calls; running ones have until the limit, asynchronous ones that do not run yet stay on disk; then nothing of any function runs any more.</summary>
    public async Task DrainAsync(TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit, _time);
        // First nothing new comes in; results can still be published until the end.
        Swarm?.Leave();
        await Events.LeaveAsync().ConfigureAwait(false);
        await Deliveries.DrainAsync(deadline.Token).ConfigureAwait(false);
        await Router.DrainAsync(limit).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await AsyncCalls.StopAsync().ConfigureAwait(false);
        await Events.DisposeAsync().ConfigureAwait(false);
        await _scaler.DisposeAsync().ConfigureAwait(false);
        if (Mirror is not null) await Mirror.DisposeAsync().ConfigureAwait(false);
        await Registry.DisposeAsync().ConfigureAwait(false);
        await Router.DisposeAsync().ConfigureAwait(false);
        await Deliveries.DisposeAsync().ConfigureAwait(false);
        await Spares.DisposeAsync().ConfigureAwait(false);
        await _cleaning.ConfigureAwait(false);
        if (Containers is { } containers) await containers.DisposeAsync().ConfigureAwait(false);
        if (Swarm is { } swarm) await swarm.DisposeAsync().ConfigureAwait(false);
        await Vms.Host.DisposeAsync().ConfigureAwait(false);
        await Wasm.DisposeAsync().ConfigureAwait(false);
        await Callbacks.DisposeAsync().ConfigureAwait(false);
        await Bundles.DisposeAsync().ConfigureAwait(false);
        await Runtimes.DisposeAsync().ConfigureAwait(false);
        await Network.DisposeAsync().ConfigureAwait(false);
        await Logs.DisposeAsync().ConfigureAwait(false);
        if (Store is { } store) await store.DisposeAsync().ConfigureAwait(false);
        Budget.Dispose();
        _folders.Dispose();
    }

    private async Task SweepSwarmAsync(SwarmBackend swarm)
    {
        // Not before it is known what is served: services of that stay.
        await Registry.WhenSettledAsync(CancellationToken.None).ConfigureAwait(false);
        await swarm.SweepAsync(Registry.Snapshot.Functions.ToDictionary(static function => function.Key, static function => function.Value.Serving)).ConfigureAwait(false);
    }

    private IBackend BackendOf(FunctionVersion version) => version.Spec switch
    {
        { Vm: not null } => Vms,
        { Container: not null } => _containers,
        { Wasm: not null } => Wasm,
        _ => _processes,
    };

    private static VmBackendOptions VmOptions(DaemonOptions options, string daemon) => new()
    {
        RunFolder = options.VmFolder ?? Path.Combine(Path.GetTempPath(), "faas"),
        StateFolder = Path.Combine(options.State, "vms"),
        Qemu = options.Qemu ?? HostPrograms.Find("qemu-system-x86_64"),
        Firecracker = options.Firecracker ?? HostPrograms.Find("firecracker"),
        Jailer = options.Jailer ?? HostPrograms.Find("jailer"),
        Kvm = options.Kvm,
        NetworkStock = options.NetworkStock,
        Daemon = daemon,
    };

    private IBackend OpenEngine(string daemon, ILoggerFactory loggers)
    {
        var options = new ContainerBackendOptions
        {
            Daemon = daemon, RunFolder = Options.Run, Subnets = Options.ContainerSubnets, Spares = Options.ContainerSpares, ParallelStarts = Options.ContainerStarts,
        };
        try
        {
            var engine = new EngineClient(EngineAddress.Find(Options.DockerHost, Environment.GetEnvironmentVariable), _time);
            if (Options.Backend == RuntimeBackend.Swarm)
            {
                var swarm = new SwarmOptions { Daemon = daemon, Network = Options.SwarmNetwork, Publish = Options.SwarmReach == SwarmReach.Auto };
                return new SwarmBackend(new SwarmHost(swarm, engine, new FunctionSecrets(Secrets), Logs, _time, loggers.CreateLogger<SwarmBackend>()));
            }
            return new ContainerBackend(new ContainerHost(options, engine, Callbacks, new FunctionSecrets(Secrets), Logs, _time, loggers));
        }
        catch (Exception failure) when (failure is FormatException or EngineException)
        {
            return new UnreachableEngine(failure.Message);
        }
    }

    private static int MemoryBudget(DaemonOptions options) =>
        options.MemoryBudgetMiB > 0 ? options.MemoryBudgetMiB : (int)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024 * 1024) * 3 / 4);

    private (FunctionSpec? Spec, IReadOnlyList<string> Problems) ReadToml(string text, string path)
    {
        var reading = FunctionToml.Read(text);
        // What runs on a swarm's nodes takes nothing of this host's memory.
        var spec = Options.Backend == RuntimeBackend.Swarm && reading.Spec is { Container: not null } ? reading.Spec with { IsElsewhere = true } : reading.Spec;
        // A gateway that runs no instances keeps none warm.
        if (Options is { Store: not null, Worker: false } && spec is { MinInstances: > 0 }) spec = spec with { MinInstances = 0 };
        return (spec, [.. reading.Problems.Select(problem => problem.Render(Path.GetFileName(path)))]);
    }

    private async Task TryOutAsync(FunctionVersion version, CancellationToken cancellationToken)
    {
        try
        {
            await using var instance = await BackendOf(version).StartAsync(version, cancellationToken).ConfigureAwait(false);
        }
        catch (InstanceStartException failure)
        {
            throw new DeploymentException(failure.IsHostsFault ? DeploymentFault.HostLacks : DeploymentFault.BadRequest, failure.Message, failure);
        }
    }

    private void Serve(FunctionVersion version)
    {
        // The registry lets go of a version's code when the next one comes; the pool may still start instances of it until the next one serves.
        var bundle = version.Folder is { } folder ? Bundles.Hold(folder) : null;
        _processes.Expect(version);
        if (version.Spec.Container is not null) Containers?.Expect(version);
        if (version.Spec.Container is not null) Swarm?.Expect(version);
        // Before the pool knows of it: who waits for the version before finds this one when that is overtaken.
        var rollout = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _rollouts[version.Name] = rollout.Task;
        _ = FollowAsync(version, Router.OnServing(version), rollout, bundle); // never faults
        Events.Serve(version);
    }

    private async Task FollowAsync(FunctionVersion version, Task<string?> serving, TaskCompletionSource<string?> rollout, BundleLease? bundle)
    {
        var problem = await serving.ConfigureAwait(false);
        rollout.SetResult(problem);
        if (problem is not null)
        {
            bundle?.Dispose();
            if (Deployment.IsGivenUp(problem)) RolloutGivenUp(_logger, version.Name, problem);
            else RolloutFailed(_logger, version.Name, problem);
            return;
        }
        _bundlesInUse.AddOrUpdate(version.Name, static (_, fresh) => fresh, static (_, old, fresh) =>
        {
            old?.Dispose();
            return fresh;
        }, bundle);
        // A function that was a virtual machine's and is none any more.
        if (version.Spec.Vm is null) Vms.Host.Snapshots.Forget(version.Name);
        // A function that was a container's and is none any more.
        if (version.Spec.Container is null && Containers is { } containers) await containers.ForgetAsync(version.Name).ConfigureAwait(false);
        if (version.Spec.Container is null && Swarm is { } swarm) await swarm.ForgetAsync(version.Name).ConfigureAwait(false);
        Changed(version.Name);
        AsyncCalls.Wake(version.Name);
        Deployed(_logger, version.Name, version.Id[..Math.Min(12, version.Id.Length)]);
    }

    private async Task RenewAsync(FunctionVersion version)
    {
        if (version.Spec.Container is not null) Swarm?.Expect(version);
        if (Router.Find(version.Name) is not { } pool) return;
        if (await pool.RenewAsync().ConfigureAwait(false) is { } problem) NotRenewed(_logger, version.Name, problem);
        else Changed(version.Name);
    }

    private void Remove(FunctionName name)
    {
        _rollouts.TryRemove(name, out _);
        _ = Gateway?.RemovedAsync(name); // never faults
        Events.Remove(name);
        _ = ForgetAsync(name); // never faults
    }

    private async Task ForgetAsync(FunctionName name)
    {
        var leaving = Router.OnRemoved(name);
        await AsyncCalls.ForgetAsync(name).ConfigureAwait(false);
        await leaving.ConfigureAwait(false);
        Removed(_logger, name);
        if (Router.Find(name) is not null) return; // it has been deployed again meanwhile
        if (_bundlesInUse.TryRemove(name, out var bundle)) bundle?.Dispose();
        Vms.Host.Snapshots.Forget(name);
        Wasm.Forget(name);
        if (Containers is { } containers) await containers.ForgetAsync(name).ConfigureAwait(false);
        if (Swarm is { } swarm) await swarm.ForgetAsync(name).ConfigureAwait(false);
        Logs.Remove(name);
    }

    [LoggerMessage(1, LogLevel.Information, "{Function} serves version {Version}")]
    private static partial void Deployed(ILogger logger, FunctionName function, string version);

    [LoggerMessage(2, LogLevel.Error, "{Function} does not serve its new version: {Problem}")]
    private static partial void RolloutFailed(ILogger logger, FunctionName function, string problem);

    [LoggerMessage(7, LogLevel.Information, "{Function}: a version does not come into service: {Problem}")]
    private static partial void RolloutGivenUp(ILogger logger, FunctionName function, string problem);

    [LoggerMessage(3, LogLevel.Information, "{Function} was removed")]
    private static partial void Removed(ILogger logger, FunctionName function);

    [LoggerMessage(6, LogLevel.Warning, "{Function} keeps instances with a secret's old value: {Problem}")]
    private static partial void NotRenewed(ILogger logger, FunctionName function, string problem);

    [LoggerMessage(4, LogLevel.Warning, "functions are not isolated: {Problem}")]
    private static partial void NotIsolated(ILogger logger, string problem);

    [LoggerMessage(5, LogLevel.Warning, "{Problem} The next call of a function looks again.")]
    private static partial void NotRunning(ILogger logger, string problem);
}
