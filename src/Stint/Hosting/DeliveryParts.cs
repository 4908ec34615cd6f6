using Stint.Cluster.Queue;
using Stint.Deliveries;
using Stint.Deliveries.Callbacks;
using Stint.Deliveries.Storage;
using Stint.Functions;
using Stint.Routing;
using Stint.Telemetry.Logs;
using ClusterStore = Stint.Cluster.Store.ClusterStore;

namespace Stint.Hosting;

/// <summary>Asynchronous calls and results on their way, put together.</summary>
internal sealed class DeliveryParts : IAsyncDisposable
{
    private const long Mebibyte = 1024 * 1024;

    /// <summary>Deliveries that are tried at a time, each to another target. Arbitrary: they wait for others, mostly.</summary>
    private const int DeliveryPlaces = 32;

    private readonly CallbackKind _callbacks;
    private readonly TimeProvider _time;

    /// <summary>Puts them together; nothing is opened yet.</summary>
    public DeliveryParts(DaemonOptions options, ClusterStore? store, Router router, FunctionLogs logs, TimeProvider time, ILoggerFactory loggers)
    {
        _time = time;
        var limits = new StoreLimits
        {
            Calls = options.AsyncMaxWaiting, Bytes = options.AsyncDiskMiB * Mebibyte, FunctionBytes = options.AsyncDiskMiB * Mebibyte / 2, KeepIds = options.AsyncKeepIds, KeepDead = options.AsyncKeepDead,
        };
        var folder = Path.Combine(options.State, "async");
        Func<(IEntryStore, IBodyStore)>? shared = store is null ? null : () =>
            (new SharedEntryStore(store, new QueueOptions { Limits = limits }, time), new QueueBodies(store, Path.Combine(folder, "reading")));
        Slot = new StoreSlot(folder, limits, time, loggers.CreateLogger<StoreSlot>(), shared);
        Outbox = new Outbox(Slot, DeliveryPlaces, logs, time, loggers.CreateLogger<Outbox>());
        var rules = new CallbackRules(options.CallbackAllow);
        Outbox.Register(_callbacks = new CallbackKind(rules));
        Calls = new AsyncCalls(new AsyncParts
        {
            Slot = Slot,
            Invoke = router.InvokeAsync,
            Refuse = router.Refuse,
            Policy = name => PolicyOf(options, router.Find(name)?.Version.Spec),
            Outbox = Outbox,
            Followers = Followers,
            Callbacks = rules,
            Logs = logs,
            Options = new AsyncOptions { Concurrency = options.AsyncConcurrency, MaxResult = (int)(options.AsyncMaxResultMiB * Mebibyte) },
            Time = time,
            Logger = loggers.CreateLogger<AsyncCalls>(),
        });
    }

    /// <summary>Where they are kept.</summary>
    public StoreSlot Slot { get; }

    /// <summary>Results on their way.</summary>
    public Outbox Outbox { get; }

    /// <summary>What follows functions' calls.</summary>
    public Followers Followers { get; } = new();

    /// <summary>Asynchronous calls.</summary>
    public AsyncCalls Calls { get; }

    /// <summary>Begins to deliver and to run.</summary>
    public async Task BeginAsync()
    {
        await Outbox.BeginAsync().ConfigureAwait(false);
        await Calls.BeginAsync().ConfigureAwait(false);
    }

    /// <summary>Has dead letters, and what waits for another try, tried at once; says how many.</summary>
    /// <exception cref="StoreException">The store could not do it.</exception>
    public async Task<int> RetryAsync(EntryFilter filter)
    {
        if (Slot.Store is not { } store) throw new StoreException(Slot.Problem ?? "");
        var (count, lanes) = await store.ReviveAsync(filter).ConfigureAwait(false);
        foreach (var lane in lanes)
        {
            if (lane.Kind == Entry.CallKind) Calls.Wake(lane);
            else Outbox.Wake(lane);
        }
        return count;
    }

    /// <summary>Age of the oldest call that is not done, by function.</summary>
    public async Task<IReadOnlyList<(string Function, TimeSpan Age)>> OldestAsync()
    {
        if (Slot.Store is not { } store) return [];
        try
        {
            var now = _time.GetUtcNow();
            return [.. (await store.OldestCallsAsync().ConfigureAwait(false)).Select(oldest => (oldest.Function.ToString(), now > oldest.Accepted ? now - oldest.Accepted : TimeSpan.Zero))];
        }
        catch (StoreException)
        {
            return [];
        }
    }

    /// <summary>Begins nothing more; what runs has until the token fires.</summary>
    public async Task DrainAsync(CancellationToken deadline)
    {
        await Calls.DrainAsync(deadline).ConfigureAwait(false);
        await Outbox.DrainAsync(deadline).ConfigureAwait(false);
    }

    /// <summary>Closes the store; the router must have been drained.</summary>
    public async ValueTask DisposeAsync()
    {
        await Calls.DisposeAsync().ConfigureAwait(false);
        await Outbox.DisposeAsync().ConfigureAwait(false);
        await Slot.DisposeAsync().ConfigureAwait(false);
        _callbacks.Dispose();
    }

    internal static AsyncPolicy PolicyOf(DaemonOptions options, FunctionSpec? spec)
    {
        var own = spec?.Async;
        var capacity = spec is null ? 1 : spec.MaxInstances * (spec.SingleUse ? 1 : spec.ConcurrentRequests);
        return new AsyncPolicy
        {
            Retries = own?.Retries ?? options.AsyncRetries,
            Backoff = own?.Backoff ?? options.AsyncBackoff,
            MaxAge = own?.MaxAge ?? options.AsyncMaxAge,
            IsOrdered = own?.IsOrdered ?? false,
            Concurrency = own?.Concurrency ?? Math.Clamp((capacity + 1) / 2, 1, options.AsyncConcurrency),
        };
    }
}
