using System.Collections.Concurrent;
using Stint.Deliveries.Storage;

namespace Stint.Deliveries.Lanes;

/// <summary>What lanes need to know of their owner.</summary>
internal sealed record LaneWork
{
    /// <summary>How a lane is worked on now.</summary>
    public required Func<LaneKey, LaneTerms> Terms { get; init; }

    /// <summary>Tries one entry. The token fires when the daemon has no more time. Should not throw.</summary>
    public required Func<Claimed, CancellationToken, Task<Verdict>> TryAsync { get; init; }

    /// <summary>An ending is durable; with what became of what was added with it.</summary>
    public Action<Claimed, Ending, IReadOnlyList<Addition>> Ended { get; init; } = static (_, _, _) => { };

    /// <summary>Entries of all lanes that are tried at a time.</summary>
    public required int Places { get; init; }

    /// <summary>Whether a lane of the store is worked on here, and can be now.</summary>
    public required Func<LaneKey, bool> Takes { get; init; }

    /// <summary>What other daemons have added is left to them for so long: it may be for what this one is only about to hear of.</summary>
    public TimeSpan LeaveToOthers { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>The lanes of one kind of work, each with its loop while there is something in it.</summary>
internal sealed partial class LaneSet : IAsyncDisposable
{
    /// <summary>How long a claim holds without being renewed.</summary>
    public static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan EndPause = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Lane> _lanes = [];
    private readonly ConcurrentDictionary<long, byte> _held = new();
    private readonly ConcurrentDictionary<Task, byte> _flows = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _abandon = new();
    private readonly LaneWork _work;
    private readonly ILogger _logger;
    private readonly ITimer _renewal;
    private ITimer? _looks;
    private int _isLooking;
    private readonly string _owner = Guid.NewGuid().ToString("N");
    private long _lastReport;

    /// <summary>Lanes over a store.</summary>
    public LaneSet(IEntryStore store, LaneWork work, TimeProvider time, ILogger logger)
    {
        (Store, _work, Time, _logger) = (store, work, time, logger);
        Places = new SemaphoreSlim(work.Places);
        _renewal = time.CreateTimer(_ => Follow(RenewAsync()), null, LeaseTime / 3, LeaseTime / 3);
    }

    /// <summary>What keeps the entries.</summary>
    public IEntryStore Store { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>Limits what is tried at a time.</summary>
    public SemaphoreSlim Places { get; }

    /// <summary>Nothing more is begun.</summary>
    public bool IsStopping => _stop.IsCancellationRequested;

    /// <summary>Entries that are held now.</summary>
    public int Running => _held.Count;

    /// <summary>Begins with what the store has, and looks for what others put into it if it is shared.</summary>
    /// <exception cref="StoreException">It cannot be read, and is this daemon's own; one that is shared and away is looked at again.</exception>
    public async Task BeginAsync()
    {
        if (Store.LookEvery is { } every) _looks = Time.CreateTimer(_ => Follow(LookAsync()), null, TimeSpan.Zero, every);
        else
            foreach (var lane in await Store.LanesAsync().ConfigureAwait(false))
                if (_work.Takes(lane)) Wake(lane);
    }

    /// <summary>There is, or may be, something in a lane.</summary>
    public void Wake(LaneKey key)
    {
        lock (_lock)
        {
            if (_stop.IsCancellationRequested) return;
            if (!_lanes.TryGetValue(key.Lane, out var lane))
            {
                _lanes[key.Lane] = lane = new Lane(key, this);
                lane.Loop = Task.Run(() => lane.RunAsync(_stop.Token));
            }
            lane.Wake();
        }
    }

    /// <summary>Begins nothing more. Ends when what runs has ended, or the token fires; then what runs is told.</summary>
    public async Task DrainAsync(CancellationToken deadline)
    {
        await StopAsync().ConfigureAwait(false);
        try
        {
            while (!_flows.IsEmpty) await Task.WhenAll(_flows.Keys).WaitAsync(deadline).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await _abandon.CancelAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Begins nothing more.</summary>
    public async Task StopAsync()
    {
        Task[] loops;
        lock (_lock)
        {
            loops = [.. _lanes.Values.Select(static lane => lane.Loop)];
        }
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(loops).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_looks is { } looks) await looks.DisposeAsync().ConfigureAwait(false);
        await _renewal.DisposeAsync().ConfigureAwait(false);
        await StopAsync().ConfigureAwait(false);
        await _abandon.CancelAsync().ConfigureAwait(false);
        while (!_flows.IsEmpty) await Task.WhenAll(_flows.Keys).ConfigureAwait(false);
        _stop.Dispose();
        _abandon.Dispose();
        Places.Dispose();
    }

    internal LaneTerms Terms(LaneKey key) => _work.Terms(key);

    internal Lease NewLease() => new(_owner, Time.GetUtcNow(), Time.GetUtcNow() + LeaseTime);

    internal void Hold(IReadOnlyList<Claimed> claimed)
    {
        foreach (var one in claimed) _held[one.Number] = 0;
    }

    /// <summary>Ends a lane unless it is wanted again.</summary>
    internal bool TryEnd(Lane lane)
    {
        lock (_lock) return !lane.IsWanted && _lanes.Remove(lane.Key.Lane);
    }

    /// <summary>Waits for a flow when all ends. Flows do not fault.</summary>
    internal void Follow(Task flow)
    {
        _flows[flow] = 0;
        _ = flow.ContinueWith(static (ended, flows) => ((ConcurrentDictionary<Task, byte>)flows!).TryRemove(ended, out _), _flows, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    internal async Task<Verdict> TryAsync(Claimed claimed)
    {
        try
        {
            return await _work.TryAsync(claimed, _abandon.Token).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            // Nobody expected it; the entry is tried again all the same, which is what its owner was promised.
            Unexpected(_logger, failure, claimed.Entry.Kind, claimed.Entry.CallId);
            return new Verdict(new Ending.Later(Time.GetUtcNow() + RetryDelay.After(EndPause, claimed.Attempts, Random.Shared.NextDouble()), false, null, failure.Message));
        }
    }

    /// <summary>Has an ending made durable, however often the disk is full meanwhile.</summary>
    internal async Task EndAsync(Claimed claimed, Ending ending)
    {
        while (true)
        {
            try
            {
                var additions = await Store.EndAsync(claimed, ending).ConfigureAwait(false);
                _work.Ended(claimed, ending, additions);
                break;
            }
            catch (StoreException failure)
            {
                Report(failure);
                if (_abandon.IsCancellationRequested) break;
                await Task.WhenAny(Task.Delay(EndPause, Time, _abandon.Token)).ConfigureAwait(false);
            }
        }
        _held.TryRemove(claimed.Number, out _);
    }

    /// <summary>Says what the store said, not more than once in ten seconds.</summary>
    internal void Report(Exception failure)
    {
        var now = Time.GetUtcNow().UtcTicks;
        var last = Interlocked.Read(ref _lastReport);
        if (now - last >= 10 * TimeSpan.TicksPerSecond && Interlocked.CompareExchange(ref _lastReport, now, last) == last) StoreFailed(_logger, failure.Message);
    }

    private async Task LookAsync()
    {
        if (Interlocked.Exchange(ref _isLooking, 1) != 0) return;
        try
        {
            foreach (var lane in await Store.LanesAsync(_work.LeaveToOthers).ConfigureAwait(false))
                if (_work.Takes(lane)) Wake(lane);
        }
        catch (StoreException)
        {
            // Whoever has something to say to it says so; the next look is soon.
        }
        finally
        {
            Volatile.Write(ref _isLooking, 0);
        }
    }

    private async Task RenewAsync()
    {
        try
        {
            if (!_held.IsEmpty) await Store.RenewAsync([.. _held.Keys], NewLease()).ConfigureAwait(false);
        }
        catch (StoreException failure)
        {
            Report(failure);
        }
    }

    [LoggerMessage(410, LogLevel.Error, "the queue of asynchronous calls: {Problem}")]
    private static partial void StoreFailed(ILogger logger, string problem);

    [LoggerMessage(411, LogLevel.Error, "{Kind} {CallId} failed unexpectedly and will be tried again")]
    private static partial void Unexpected(ILogger logger, Exception failure, string kind, string callId);
}
