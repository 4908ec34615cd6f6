using System.Diagnostics.CodeAnalysis;

namespace Stint.Cluster.Store;

/// <summary>
/// Wants a lease for as long as it lives, and says whether it has it: for what is to run once in the cluster. It takes the lease again every third of its duration; without an answer of the store it
/// counts itself out before the lease ends on the server, whatever this machine's clock says: it counts from before it asked, on a clock that only goes forward.
/// </summary>
internal sealed partial class LeaseHolder : IAsyncDisposable
{
    private readonly LeaseTable _leases;
    private readonly string _name;
    private readonly string _holder;
    private readonly TimeSpan _duration;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Task _loop;
    private CancellationTokenSource? _tenure;
    private long _term;
    private bool _isSilent;

    /// <summary>Begins to want it.</summary>
    /// <param name="leases">The leases.</param>
    /// <param name="name">What is owned.</param>
    /// <param name="holder">Who: unique in the cluster, and another one after each start.</param>
    /// <param name="duration">How long it takes until another takes over from one that died. At least a second.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Log.</param>
    public LeaseHolder(LeaseTable leases, string name, string holder, TimeSpan duration, TimeProvider time, ILogger logger)
    {
        (_leases, _name, _holder, _duration, _time, _logger) = (leases, name, holder, duration, time, logger);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Whether it holds the lease; with it the term, and a token that fires when it is over.</summary>
    public bool TryGet(out long term, [NotNullWhen(true)] out CancellationToken? tenure)
    {
        lock (_lock)
        {
            (term, tenure) = (_term, _tenure is { IsCancellationRequested: false } ? _tenure.Token : null);
            return tenure is not null;
        }
    }

    /// <summary>Gives it back and stops wanting it.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        var held = TryGet(out _, out _);
        End();
        if (held)
        {
            try
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2), _time);
                await _leases.ReleaseAsync(_name, _holder, limit.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is StoreException or OperationCanceledException)
            {
                // It ends by itself.
            }
        }
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await AskAsync().ConfigureAwait(false);
                await Task.Delay(_duration / 3, _time, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // DisposeAsync asked for it.
        }
    }

    private async Task AskAsync()
    {
        var asked = _time.GetTimestamp();
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            var term = await _leases.TakeAsync(_name, _holder, _duration, limit.Token).WaitAsync(_duration, _time, limit.Token).ConfigureAwait(false);
            _isSilent = false;
            if (term is { } mine) Hold(mine, _duration - _time.GetElapsedTime(asked));
            else End();
        }
        catch (Exception e) when (e is StoreException or TimeoutException)
        {
            if (!_isSilent) LogSilent(_name, e.Message);
            _isSilent = true;
        }
    }

    private void Hold(long term, TimeSpan left)
    {
        CancellationTokenSource? before = null;
        lock (_lock)
        {
            if (_tenure is null || _tenure.IsCancellationRequested || _term != term)
            {
                before = _tenure;
                _tenure = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
                _term = term;
                LogHeld(_name, term);
            }
            // A renewal moves the end; an answer that came too late is worth nothing.
            _tenure.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        }
        before?.Cancel();
        before?.Dispose();
    }

    private void End()
    {
        CancellationTokenSource? tenure;
        lock (_lock) (tenure, _tenure) = (_tenure, null);
        tenure?.Cancel();
        tenure?.Dispose();
    }

    [LoggerMessage(2700, LogLevel.Debug, "Holds {Name}, term {Term}")]
    private partial void LogHeld(string name, long term);

    [LoggerMessage(2701, LogLevel.Warning, "Whether {Name} is held cannot be asked: {Problem}")]
    private partial void LogSilent(string name, string problem);
}
