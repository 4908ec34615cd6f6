using Stint.Functions;
using Stint.Functions.Registry;
using Stint.Hosting;
using Stint.Invocations;
using Stint.Pools;
using Stint.Telemetry;

namespace Stint.Management;

/// <summary>Makes the API's views out of the registry's and the pools' state.</summary>
internal static class FunctionViews
{
    /// <summary>The short form of a version's id.</summary>
    public static string Short(string version) => version[..Math.Min(12, version.Length)];

    /// <summary>One function in a list.</summary>
    public static FunctionView Summary(Platform platform, RegisteredFunction function) => Fill(platform, function, new FunctionDetailView { Name = function.Name.Name }, platform.Router.Find(function.Name)?.Describe());

    /// <summary>Everything about one function.</summary>
    public static FunctionDetailView Detail(Platform platform, RegisteredFunction function)
    {
        var pool = platform.Router.Find(function.Name)?.Describe();
        var counters = platform.Router.Find(function.Name)?.Counters;
        var spec = function.Serving?.Spec ?? function.Spec;
        var network = spec?.Process is { } process ? platform.Runtimes.Launcher.Describe(process.Network) : default;
        return Fill(platform, function, new FunctionDetailView
        {
            Name = function.Name.Name,
            Folder = function.Folder,
            KeepaliveSeconds = spec is null ? 0 : spec.KeepAlive == Timeout.InfiniteTimeSpan ? -1 : spec.KeepAlive.TotalSeconds,
            TimeoutSeconds = spec?.Timeout.TotalSeconds ?? 0,
            MemoryMiB = spec?.Wasm?.MemoryMiB ?? spec?.MemoryMiB ?? 0,
            Cpus = spec?.Process?.Cpus ?? spec?.Container?.Cpus ?? spec?.Vm?.Cpus ?? 0,
            Pids = spec?.Process?.Pids ?? spec?.Container?.Pids ?? 0,
            Network = (spec switch { { Process: not null } => network.Access.ToString(), { Container: { } container } => container.Network.ToString(), { Vm: not null } => "tap", { Wasm: { } wasm } => (wasm.Network ?? platform.Options.NetworkDefault).ToString(), _ => "" }).ToLowerInvariant(),
            NetworkProblem = network.Problem ?? "",
            Image = spec?.Container?.Image ?? spec?.Vm?.Image ?? spec?.Vm?.Initrd ?? "",
            ContainerRuntime = spec?.Container?.Runtime ?? "",
            Kernel = spec?.Vm?.Kernel ?? "",
            Hypervisor = HypervisorName(spec?.Vm),
            Env = [.. (spec?.Env.Keys ?? []).Order(StringComparer.Ordinal)],
            Labels = spec?.Labels ?? new Dictionary<string, string>(),
            Events = [.. spec is null ? [] : platform.Events.Describe(function.Name, spec).Select(static e => new EventView(e.Description, e.State, e.Next))],
            Sinks = [.. (spec?.Sinks ?? []).Select(static sink => new SinkView(sink.Describe()))],
            EventsAccepted = platform.Events.CountersOf(function.Name)?.Accepted ?? 0,
            EventsRejected = platform.Events.CountersOf(function.Name)?.Rejected ?? 0,
            EventsLost = platform.Events.CountersOf(function.Name)?.Lost ?? 0,
            DeliveriesWaiting = platform.Deliveries.Slot.Store?.Usage.Of(function.Name).Deliveries ?? 0,
            DeliveriesDead = platform.Deliveries.Slot.Store?.Usage.Of(function.Name).DeadDeliveries ?? 0,
            InstanceList = [.. (pool?.Instances ?? []).Select(static instance => new InstanceView
            {
                Id = instance.Id ?? "",
                State = instance.State.ToString().ToLowerInvariant(),
                InFlight = instance.InFlight,
                StartedAt = instance.StartedAt,
                LastUsedAt = instance.LastUsed,
                Version = Short(instance.VersionId),
                MemoryBytes = instance.Usage.MemoryBytes,
            })],
            Why = Why(function, pool),
            NextRetryAt = pool?.NextRetry,
            NextVersion = pool?.NextVersionId is { } next ? Short(next) : "",
            StartFailures = counters?.StartFailures ?? 0,
            Deaths = counters?.Deaths ?? 0,
            Replaced = counters?.Replaced ?? 0,
        }, pool);
    }

    /// <summary>All functions at work.</summary>
    public static TopView Top(Platform platform)
    {
        var budget = platform.Budget;
        const long mebibyte = 1024 * 1024;
        return new TopView
        {
            Time = TimeProvider.System.GetUtcNow(),
            StartedAt = platform.StartedAt,
            Instances = budget.Used,
            InstanceBudget = budget.Instances,
            MemoryPromisedBytes = budget.UsedMiB * mebibyte,
            MemoryBudgetBytes = budget.MemoryMiB * mebibyte,
            IsContended = budget.IsContended,
            DurationBounds = [.. Histogram.Bounds],
            Nodes = [.. platform.Gateway?.Nodes ?? []],
            Functions = [.. platform.Registry.Snapshot.Functions.Values.OrderBy(static function => function.Name.ToString(), StringComparer.Ordinal).Select(function => AtWork(platform, function))],
        };
    }

    private static TopFunctionView AtWork(Platform platform, RegisteredFunction function)
    {
        var view = Detail(platform, function);
        return new TopFunctionView
        {
            Name = view.FullName,
            State = view.State,
            Instances = view.Instances,
            Queue = view.Queue,
            Requests = view.Requests,
            Errors = view.Errors,
            ColdStarts = view.ColdStarts,
            Durations = Durations(platform, function.Name) ?? [],
            MemoryBytes = view.MemoryBytes,
            Why = view.Why,
        };
    }

    private static FunctionDetailView Fill(Platform platform, RegisteredFunction function, FunctionDetailView view, PoolView? pool)
    {
        var counters = platform.Router.Find(function.Name)?.Counters;
        var spec = function.Serving?.Spec ?? function.Spec;
        var placed = platform.Gateway?.Calls.Of(function.Name);
        var durations = Durations(platform, function.Name);
        return view with
        {
            Module = function.Name.Module,
            Runtime = spec?.Process?.Runtime.ToString().ToLowerInvariant() ?? (spec?.Container is not null ? "container" : spec?.Vm is not null ? "vm" : spec?.Wasm is not null ? "wasm" : ""),
            State = function.State.ToString().ToLowerInvariant(),
            Problems = function.Problems,
            Version = function.Serving is { } version ? Short(version.Id) : "",
            DeployedAt = function.Serving?.DeployedAt,
            Instances = new InstanceCountsView(Count(pool, InstanceState.Starting), Count(pool, InstanceState.Idle), Count(pool, InstanceState.Busy), Count(pool, InstanceState.Draining)),
            Queue = pool?.QueueLength ?? 0,
            // As callers have seen it: a call that was refused here and answered elsewhere is one call, and no error.
            Requests = (counters?.All ?? 0) + (placed?.NeverHere ?? 0),
            Errors = Math.Max(0, (counters?.Errors ?? 0) - (placed?.HandedOn ?? 0)) + (placed?.Elsewhere.Errors ?? 0),
            ColdStarts = counters?.ColdStarts ?? 0,
            P50Seconds = durations is null ? null : Histogram.Quantile(Histogram.Bounds, durations, 0.5),
            P99Seconds = durations is null ? null : Histogram.Quantile(Histogram.Bounds, durations, 0.99),
            MemoryBytes = pool?.Instances.Sum(static instance => instance.Usage.MemoryBytes) ?? 0,
            ConcurrentRequests = spec?.ConcurrentRequests ?? 0,
            MinInstances = spec?.MinInstances ?? 0,
            MaxInstances = spec?.MaxInstances ?? 0,
        };
    }

    /// <summary>Durations of a function's calls, by the buckets of <see cref="Histogram.Bounds"/>: of those that ran here, and of those that workers ran for this gateway. Null when it has no pool.</summary>
    private static IReadOnlyList<long>? Durations(Platform platform, FunctionName name)
    {
        if (platform.Router.Find(name)?.Counters.Durations.Read().Counts is not { } here) return null;
        return platform.Gateway?.Calls.Of(name)?.Elsewhere.Durations.Read().Counts is { } elsewhere ? [.. here.Zip(elsewhere, static (one, other) => one + other)] : here;
    }

    private static string HypervisorName(VmSpec? vm) => vm?.Hypervisor switch
    {
        null => "",
        Hypervisor.Firecracker => "firecracker",
        Hypervisor.Qemu => "qemu",
        _ => "microvm",
    };

    private static int Count(PoolView? pool, InstanceState state) => pool?.Instances.Count(instance => instance.State == state) ?? 0;

    private static string? Why(RegisteredFunction function, PoolView? pool) => function.State switch
    {
        RegistrationState.Broken when function.Serving is null => string.Join('\n', function.Problems),
        RegistrationState.Broken => $"what is in the registry cannot be served, an earlier version still is: {string.Join('\n', function.Problems)}",
        RegistrationState.Building when function.Serving is null => "its dependencies are being installed",
        _ => pool?.Problem,
    };
}
