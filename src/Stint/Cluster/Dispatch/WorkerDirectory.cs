// Which workers a gateway knows: once a second it brings to the store what workers have reported to it, and reads there what they have reported to all gateways. While the store is away it goes on with
// what it knows, and with what is reported to itself.
//
//   alive         the lease in the store has not ended
//   reachable     the last connection from here did not fail; else it is probed, and called no more until that succeeds
//   draining      it is called no more
using Stint.Cluster.Nodes;
using Stint.Cluster.Store;
using Stint.Cluster.Transport;
using Stint.Cluster.Workers;

namespace Stint.Cluster.Dispatch;

/// <summary>The workers of the cluster as this gateway knows them.</summary>
internal sealed partial class WorkerDirectory : IAsyncDisposable
{
    /// <summary>Runs of one name that are heard between two refreshes: two machines may say that they are the same one, and both are to hear who is; more is nonsense.</summary>
    private const int MaxRuns = 4;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ProbeLimit = TimeSpan.FromSeconds(5);

    private readonly ClusterStore _store;
    private readonly NodeCredentials _credentials;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    // By name, then by run.
    private readonly Dictionary<string, Dictionary<string, (string Key, WorkerReport Report)>> _reports = [];
    private readonly Dictionary<(string Name, string Instance), long> _taken = [];
    private volatile KnownWorker[] _workers = [];
    private Task _loop = Task.CompletedTask;

    /// <summary>Knows nobody yet: see <see cref="StartAsync"/>.</summary>
    public WorkerDirectory(ClusterStore store, NodeCredentials credentials, TimeProvider time, ILogger<WorkerDirectory> logger) => (_store, _credentials, _time, _logger) = (store, credentials, time, logger);

    /// <summary>All of them, by name; swapped whole.</summary>
    public IReadOnlyList<KnownWorker> Workers => _workers;

    /// <summary>Reads the store for the first time, and goes on from there.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken).ConfigureAwait(false);
        _loop = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>A worker has reported to this gateway.</summary>
    /// <param name="node">Its name.</param>
    /// <param name="key">The key of its certificate.</param>
    /// <param name="report">What it says.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>Whether it is draining, and whether another has its name.</returns>
    public async Task<(bool IsDraining, bool IsTaken)> ReportAsync(string node, string key, WorkerReport report, CancellationToken cancellationToken)
    {
        if (report.IsLeaving)
        {
            lock (_lock) _reports.GetValueOrDefault(node)?.Remove(report.Instance);
            Remove(node, report.Instance);
            try
            {
                await _store.Nodes.LeaveAsync(node, report.Instance, cancellationToken).ConfigureAwait(false);
            }
            catch (StoreException)
            {
                // Its lease ends by itself.
            }
            return (true, false);
        }
        bool isTaken;
        lock (_lock)
        {
            if (!_reports.TryGetValue(node, out var runs)) _reports[node] = runs = [];
            var isHeard = runs.Count < MaxRuns || runs.ContainsKey(report.Instance);
            if (isHeard) runs[report.Instance] = (key, report);
            isTaken = !isHeard || _taken.ContainsKey((node, report.Instance));
        }
        var known = Array.Find(_workers, worker => worker.Name == node);
        // At once, so that a worker that was started is called at once, and while the store is away.
        if (!isTaken) known = Enter(node, report.Instance, report.Addresses, report.Report, isAlive: true);
        return (known?.IsDraining ?? false, isTaken);
    }

    /// <summary>The way to a worker is broken: it is called no more until it answers again.</summary>
    public void Lost(KnownWorker worker, string problem)
    {
        lock (_lock)
        {
            worker.IsReachable = false;
            if (worker.IsProbed) return;
            worker.IsProbed = true;
        }
        LogLost(worker.Name, problem);
        _ = ProbeAsync(worker); // never faults
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        foreach (var worker in _workers) worker.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(NodeMembership.Every, _time, _stop.Token).ConfigureAwait(false);
                await RefreshAsync(_stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
        catch (Exception e)
        {
            LogUnexpected(e);
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        List<NodeEntry> entries;
        lock (_lock)
        {
            entries = [.. _reports.SelectMany(static runs => runs.Value.Values.Select(run => new NodeEntry(runs.Key, run.Report.Instance, IsGateway: false, IsWorker: true, run.Report.Addresses, NodeLabels.Write(run.Report.Labels), run.Report.Report)
            {
                Key = run.Key, Started = run.Report.Started,
            }))];
            _reports.Clear();
        }
        try
        {
            var refused = new HashSet<(string, string)>();
            // Of two that have the same name, the later start first; as a rule there is one round.
            for (var left = entries.OrderByDescending(static entry => entry.Started).ToList(); left.Count > 0;)
            {
                var round = left.DistinctBy(static entry => entry.Name).ToList();
                var names = await _store.Nodes.RenewAllAsync(round, NodeMembership.Lease, cancellationToken).ConfigureAwait(false);
                refused.UnionWith(round.Where(entry => names.Contains(entry.Name)).Select(static entry => (entry.Name, entry.Instance)));
                left = [.. left.Except(round)];
            }
            lock (_lock)
            {
                foreach (var entry in entries) _taken.Remove((entry.Name, entry.Instance));
                foreach (var run in refused) _taken[run] = _time.GetTimestamp();
                // Of one that reports no more it is not kept.
                foreach (var (run, _) in _taken.Where(taken => _time.GetElapsedTime(taken.Value) > NodeMembership.Lease).ToList()) _taken.Remove(run);
            }
            var nodes = await _store.Nodes.ListAsync(cancellationToken).ConfigureAwait(false);
            _credentials.Revoked = await _store.Authority.RevokedAsync(cancellationToken).ConfigureAwait(false);
            Apply(nodes);
        }
        catch (StoreException)
        {
            // The mirror says so already. What was reported is not lost: the next report is a second away.
        }
    }

    private void Apply(List<NodeState> nodes)
    {
        var names = nodes.Where(static node => node.Node is { IsWorker: true, IsGateway: false }).Select(static node => node.Node.Name).ToHashSet();
        lock (_lock)
        {
            // One that reported to this gateway a moment ago is not in the store yet.
            foreach (var gone in _workers.Where(worker => !names.Contains(worker.Name) && !(_reports.GetValueOrDefault(worker.Name)?.Count > 0)).ToList()) Remove(gone.Name, gone.Instance);
            foreach (var state in nodes.Where(node => names.Contains(node.Node.Name)))
            {
                var node = state.Node;
                if (state.IsAlive || Array.Exists(_workers, worker => worker.Name == node.Name))
                {
                    var worker = Enter(node.Name, node.Instance, node.Addresses, node.Report, state.IsAlive);
                    worker.IsDraining = state.IsDraining;
                }
            }
        }
    }

    private KnownWorker Enter(string name, string instance, string addresses, string reported, bool isAlive)
    {
        var report = NodeReport.FromJson(reported) ?? new NodeReport { Version = "" };
        lock (_lock)
        {
            var known = Array.Find(_workers, worker => worker.Name == name);
            if (known is not null && known.Instance == instance && known.Addresses == addresses) known.Apply(report);
            else
            {
                var before = known;
                known = new KnownWorker(name, instance, addresses, report, _credentials) { IsDraining = before?.IsDraining ?? false };
                _workers = [.. _workers.Where(worker => worker.Name != name), known];
                Array.Sort(_workers, static (one, other) => string.CompareOrdinal(one.Name, other.Name));
                before?.Retire();
                LogKnown(name, addresses);
            }
            known.IsAlive = isAlive;
            known.IsRefusing = false;
            if (isAlive || known.HeardAt == 0) known.HeardAt = _time.GetTimestamp();
            return known;
        }
    }

    private void Remove(string name, string instance)
    {
        KnownWorker? gone;
        lock (_lock)
        {
            gone = Array.Find(_workers, worker => worker.Name == name && worker.Instance == instance);
            if (gone is null) return;
            _workers = [.. _workers.Where(worker => worker != gone)];
        }
        gone.Retire();
        LogGone(name);
    }

    private async Task ProbeAsync(KnownWorker worker)
    {
        var pause = FirstPause;
        while (Array.IndexOf(_workers, worker) >= 0)
        {
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                limit.CancelAfter(ProbeLimit);
                await NodeDialogue.PingAsync(worker.Link, limit.Token).ConfigureAwait(false);
                lock (_lock) (worker.IsReachable, worker.IsProbed) = (true, false);
                LogBack(worker.Name);
                return;
            }
            catch (Exception) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return; // retired
            }
            catch (Exception e) when (e is HttpRequestException or NodeRefusedException or NodeProtocolException or OperationCanceledException or IOException)
            {
                // Not yet.
            }
            catch (Exception e)
            {
                LogUnexpected(e);
            }
            try
            {
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    [LoggerMessage(2760, LogLevel.Information, "The worker {Worker} at {Addresses} is called from here")]
    private partial void LogKnown(string worker, string addresses);

    [LoggerMessage(2761, LogLevel.Information, "The worker {Worker} has left")]
    private partial void LogGone(string worker);

    [LoggerMessage(2762, LogLevel.Warning, "The worker {Worker} cannot be reached and is not called until it can: {Problem}")]
    private partial void LogLost(string worker, string problem);

    [LoggerMessage(2763, LogLevel.Information, "The worker {Worker} can be reached again")]
    private partial void LogBack(string worker);

    [LoggerMessage(2764, LogLevel.Error, "Following the workers failed unexpectedly")]
    private partial void LogUnexpected(Exception error);
}
