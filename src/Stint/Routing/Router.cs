using System.Collections.Frozen;
using Stint.Backends;
using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;

namespace Stint.Routing;

/// <summary>
/// Finds the function of an invocation. What calls read is a frozen table, made anew and swapped whenever the registry reports a change.
/// </summary>
internal sealed class Router : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<FunctionName, Route> _routes = [];
    private readonly HashSet<FunctionPool> _leaving = [];
    private readonly Func<FunctionVersion, IBackend> _backends;
    private readonly HostBudget _budget;
    private readonly PoolOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private bool _stopping;
    private volatile FrozenDictionary<FunctionName, Route> _table = FrozenDictionary<FunctionName, Route>.Empty;

    /// <param name="backends">The backend that runs a version.</param>
    /// <param name="budget">The host's room.</param>
    /// <param name="options">Rules for all pools.</param>
    /// <param name="time">The clock of everything.</param>
    /// <param name="logger">For what an operator should know.</param>
    public Router(Func<FunctionVersion, IBackend> backends, HostBudget budget, PoolOptions options, TimeProvider time, ILogger<Router> logger) =>
        (_backends, _budget, _options, _time, _logger) = (backends, budget, options, time, logger);

    /// <summary>The pools of all functions that have one, in no order.</summary>
    public IEnumerable<FunctionPool> Pools => _table.Values.Select(static route => route.Pool).OfType<FunctionPool>();

    /// <summary>Decides on which machine a call runs, and runs it; it is given the function's pool here. Null: there is only this machine.</summary>
    public Func<Invocation, FunctionPool, ValueTask<Reply>>? Elsewhere { get; set; }

    /// <summary>Runs a call where its function is. Never throws; the result is awaited once.</summary>
    public ValueTask<Reply> InvokeAsync(Invocation invocation)
    {
        if (_table.TryGetValue(invocation.Function, out var route))
        {
            if (route.Pool is not { } pool) return new ValueTask<Reply>(Broken(invocation.Function, route));
            return Elsewhere is { } elsewhere ? elsewhere(invocation, pool) : pool.InvokeAsync(invocation);
        }
        return new ValueTask<Reply>(Unknown(invocation.Function));
    }

    /// <summary>Why a function cannot be called at all, for those who take calls over to run them later; null when it can.</summary>
    public Reply? Refuse(FunctionName name) =>
        !_table.TryGetValue(name, out var route) ? Unknown(name) : route.Pool is null ? Broken(name, route) : null;

    /// <summary>The pool of a function; null when there is none, or none of its versions could be taken into service.</summary>
    public FunctionPool? Find(FunctionName name) => _table.GetValueOrDefault(name)?.Pool;

    /// <summary>What <see cref="SetProblem"/> said of a function.</summary>
    public string? Problem(FunctionName name) => _table.GetValueOrDefault(name)?.Problem;

    /// <summary>
    /// The registry has a new version of a function, or a first one. The result ends when calls go to it (null) or with the reason why they do not; a function that has no instance is taken
    /// into service at once. Clears the function's problem.
    /// </summary>
    public Task<string?> OnServing(FunctionVersion version)
    {
        FunctionPool pool;
        bool isNew;
        lock (_lock)
        {
            if (_stopping) return Task.FromResult<string?>("this daemon is shutting down");
            var known = _routes.GetValueOrDefault(version.Name)?.Pool;
            isNew = known is null;
            pool = known ?? new FunctionPool(version, _backends, _budget, _options, _time, _logger);
            _routes[version.Name] = new Route(pool, null);
            Swap_NeedsLock();
        }
        if (!isNew) return pool.Deploy(version);
        pool.Open();
        return Task.FromResult<string?>(null);
    }

    /// <summary>A function is no longer deployed: new calls do not find it, running ones may end. Ends when its last instance has gone.</summary>
    public async Task OnRemoved(FunctionName name)
    {
        FunctionPool? pool;
        lock (_lock)
        {
            if (!_routes.Remove(name, out var route)) return;
            Swap_NeedsLock();
            if ((pool = route.Pool) is null) return;
            _leaving.Add(pool);
        }
        await pool.RemoveAsync().ConfigureAwait(false);
        lock (_lock) _leaving.Remove(pool);
    }

    /// <summary>
    /// A function is registered but cannot be served as it stands in the registry. Calls are answered <see cref="Outcome.Unavailable"/> with this text, unless an earlier version serves: that goes on.
    /// </summary>
    public void SetProblem(FunctionName name, string problem)
    {
        lock (_lock)
        {
            _routes[name] = new Route(_routes.GetValueOrDefault(name)?.Pool, problem);
            Swap_NeedsLock();
        }
    }

    /// <summary>Takes a problem back; a function that never served is unknown again.</summary>
    public void ClearProblem(FunctionName name)
    {
        lock (_lock)
        {
            if (!_routes.TryGetValue(name, out var route)) return;
            if (route.Pool is null) _routes.Remove(name);
            else _routes[name] = route with { Problem = null };
            Swap_NeedsLock();
        }
    }

    /// <summary>Shuts down: no new calls, running ones have until <paramref name="limit"/>. Ends when no instance of any function exists any more.</summary>
    public Task DrainAsync(TimeSpan limit)
    {
        FunctionPool[] pools;
        lock (_lock)
        {
            _stopping = true;
            // Functions that were removed have a limit of their own; from now on the daemon's counts for them.
            pools = [.. Pools, .. _leaving];
        }
        return Task.WhenAll(pools.Select(pool => pool.DrainAsync(limit)));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => new(DrainAsync(TimeSpan.Zero));

    private static Reply Unknown(FunctionName name) => Reply.Failure(Outcome.NotFound, $"no function {name}; `stint ls` lists what is deployed");

    private static Reply Broken(FunctionName name, Route route) =>
        Reply.Failure(Outcome.Unavailable, $"{name} is deployed but cannot run: {route.Problem}", TimeSpan.FromSeconds(60));

    private void Swap_NeedsLock() => _table = _routes.ToFrozenDictionary();

    /// <param name="Pool">Its instances; null when it never could be served.</param>
    /// <param name="Problem">What is wrong with what the registry holds.</param>
    private sealed record Route(FunctionPool? Pool, string? Problem);
}
