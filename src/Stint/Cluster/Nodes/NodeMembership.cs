using System.Security.Cryptography;
using Stint.Cluster.Store;

namespace Stint.Cluster.Nodes;

/// <summary>Keeps this machine among the cluster's: renews its lease with a fresh report every second, and takes it back at the end. While the store is away it goes on trying.</summary>
internal sealed partial class NodeMembership : IAsyncDisposable
{
    /// <summary>How often.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    /// <summary>A machine that has been silent for so long counts as dead.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(5);

    private readonly NodeTable _nodes;
    private readonly string _name;
    private readonly bool _isWorker;
    private readonly Func<NodeReport> _report;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _instance = RandomNumberGenerator.GetHexString(16, lowercase: true);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private string? _problem;

    /// <summary>Enters the machine.</summary>
    /// <param name="nodes">The machines.</param>
    /// <param name="name">Its name, unique in the cluster.</param>
    /// <param name="isWorker">It runs instances.</param>
    /// <param name="report">Its load; must not throw.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    public NodeMembership(NodeTable nodes, string name, bool isWorker, Func<NodeReport> report, TimeProvider time, ILogger logger)
    {
        (_nodes, _name, _isWorker, _report, _time, _logger) = (nodes, name, isWorker, report, time, logger);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Why it is not among them, for the operator; null when it is, or when that is only because the store is away.</summary>
    public string? Problem => Volatile.Read(ref _problem);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        try
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), _time);
            await _nodes.LeaveAsync(_name, _instance, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is StoreException or OperationCanceledException)
        {
            // Its lease ends by itself.
        }
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await RenewAsync().ConfigureAwait(false);
                await Task.Delay(Every, _time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
    }

    private async Task RenewAsync()
    {
        try
        {
            var entry = new NodeEntry(_name, _instance, IsGateway: true, IsWorker: _isWorker, Addresses: "", Labels: "{}", _report().ToJson());
            var isIn = await _nodes.RenewAsync(entry, Lease, _stop.Token).ConfigureAwait(false) is not null;
            var problem = isIn ? null : $"another machine of the cluster is called {_name} and is alive: this one serves, but is not listed; give it a name of its own with node-name";
            if (Interlocked.Exchange(ref _problem, problem) is null && problem is not null) LogTaken(problem);
        }
        catch (StoreException)
        {
            // The mirror says so already.
        }
    }

    [LoggerMessage(2720, LogLevel.Warning, "{Problem}")]
    private partial void LogTaken(string problem);
}
