// Each schedule knows the last time that it was due and was dealt with; it is on disk (ScheduleLog). A run's call has an id that is made of schedule and time, so that a run which was taken over
// just before the daemon was killed is known when it is tried again, and is not run twice. Where several daemons know of the same schedules, each is one daemon's at a time (IEventShare), and what was
// dealt with is kept where all of them find it.
using System.Buffers;
using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Stint.Functions;
using Stint.Functions.Triggers;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Events.Schedules;

/// <summary>Calls functions when the clock says so.</summary>
internal sealed partial class ScheduleRunner : IAsyncDisposable
{
    /// <summary>The scheme of such a call.</summary>
    public const string Scheme = "schedule";

    /// <summary>Header: when the run was due, as RFC 3339 has it.</summary>
    public const string TimeHeader = "X-Schedule-Time";

    /// <summary>Header: the cron expression.</summary>
    public const string CronHeader = "X-Schedule-Cron";

    /// <summary>A run that is later than this was missed: the daemon, or the machine, was not there.</summary>
    public static readonly TimeSpan Late = TimeSpan.FromMinutes(1);

    // A clock that is set, or a machine that sleeps, is noticed within this.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RetryPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan[] LooksBack = [TimeSpan.FromMinutes(2), TimeSpan.FromHours(3), TimeSpan.FromDays(2), TimeSpan.FromDays(40), TimeSpan.FromDays(400), TimeSpan.FromDays(9 * 366)];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Invocation, ValueTask<Reply?>> _accept;
    private readonly ConcurrentDictionary<FunctionName, EventCounters> _counters;
    private readonly ScheduleLog _log;
    private readonly FunctionLogs _logs;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IEventShare? _share;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _running = Task.CompletedTask;

    /// <param name="accept">Takes a call over: null when it is on disk, else why not.</param>
    /// <param name="counters">Counts, by function.</param>
    /// <param name="log">What was dealt with.</param>
    /// <param name="logs">Functions' logs.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The daemon's log.</param>
    /// <param name="share">Which schedules are this daemon's, instead of <paramref name="log"/>; null = all.</param>
    public ScheduleRunner(Func<Invocation, ValueTask<Reply?>> accept, ConcurrentDictionary<FunctionName, EventCounters> counters, ScheduleLog log, FunctionLogs logs, TimeProvider time, ILogger<ScheduleRunner> logger, IEventShare? share = null) =>
        (_accept, _counters, _log, _logs, _time, _logger, _share) = (accept, counters, log, logs, time, logger, share);

    /// <summary>Sets a function's schedules. One that is new begins now; one that was there goes on.</summary>
    public void Set(FunctionName function, IReadOnlyList<EventSpec.Schedule> schedules)
    {
        lock (_lock)
        {
            var wanted = schedules.DistinctBy(schedule => KeyOf(function, schedule)).ToDictionary(schedule => KeyOf(function, schedule));
            var gone = _entries.Where(entry => entry.Value.Function == function && !wanted.ContainsKey(entry.Key)).Select(static entry => entry.Key).ToList();
            foreach (var key in gone)
            {
                // By whoever has it: nobody else writes of it.
                if (_share?.IsMine(key) == true) _ = _share.ForgetAsync(key); // never faults
                _entries.Remove(key);
            }
            foreach (var (key, schedule) in wanted)
            {
                if (_share is not null && _entries.TryGetValue(key, out var known))
                {
                    _entries[key] = known with { Schedule = schedule };
                    continue;
                }
                var last = _entries.GetValueOrDefault(key)?.Last ?? (_share is null ? _log.Find(key) : null) ?? _time.GetUtcNow();
                _entries[key] = new Entry(function, schedule, last, IsBegun: _share is null);
            }
            if (_share is null) _log.Update(_entries.ToDictionary(static entry => entry.Key, static entry => entry.Value.Last), keepOthers: !IsRunning);
            Changed_NeedsLock();
        }
    }

    /// <summary>Begins to call. What the file has of schedules that are gone is dropped.</summary>
    public void Begin()
    {
        lock (_lock) _running = Task.Run(RunAsync);
    }

    /// <summary>Looks again which schedules are this daemon's.</summary>
    public void Look()
    {
        lock (_lock) Changed_NeedsLock();
    }

    /// <summary>When a schedule is due next; null when it is unknown or never is again.</summary>
    public DateTimeOffset? NextOf(FunctionName function, EventSpec.Schedule schedule)
    {
        lock (_lock) return _entries.TryGetValue(KeyOf(function, schedule), out var entry) ? CronClock.Next(schedule.Cron, schedule.Zone, Later(entry.Last, _time.GetUtcNow())) : null;
    }

    /// <summary>Calls nothing any more. May be asked for twice.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested) return;
        await _stop.CancelAsync().ConfigureAwait(false);
        Task running;
        lock (_lock)
        {
            Changed_NeedsLock();
            running = _running;
        }
        await running.ConfigureAwait(false);
    }

    private bool IsRunning => _running != Task.CompletedTask;

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    private static string KeyOf(FunctionName function, EventSpec.Schedule schedule) => $"{function}\t{schedule.Cron}\t{schedule.Zone.Id}\t{schedule.Body}";

    private void Changed_NeedsLock()
    {
        _changed.TrySetResult();
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Task changed;
            List<(string Key, Entry Entry)> entries;
            lock (_lock)
            {
                changed = _changed.Task;
                entries = [.. _entries.Select(static entry => (entry.Key, entry.Value))];
            }
            var wait = LongestWait;
            foreach (var (key, entry) in entries)
            {
                var left = await DealWithAsync(key, entry).ConfigureAwait(false);
                if (left < wait) wait = left;
            }
            try
            {
                using var woken = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                await Task.WhenAny(Task.Delay(wait, _time, woken.Token), changed).ConfigureAwait(false);
                await woken.CancelAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // stopping
            }
        }
    }

    /// <summary>Runs a schedule if it is due; says how long it is until it is due next.</summary>
    private async Task<TimeSpan> DealWithAsync(string key, Entry entry)
    {
        if (_share is not null && await TakePartAsync(_share, key, entry).ConfigureAwait(false) is { } pause) return pause;
        var (cron, zone) = (entry.Schedule.Cron, entry.Schedule.Zone);
        var now = _time.GetUtcNow();
        // The clock was set back: what is done is not done again, but a wrong clock of once must not stop a schedule for years.
        if (entry.Last > now + TimeSpan.FromDays(1))
        {
            await DoneAsync(key, entry, now, isCorrection: true).ConfigureAwait(false);
            return TimeSpan.Zero;
        }
        if (CronClock.Next(cron, zone, entry.Last) is not { } due) return LongestWait;
        if (due > now) return due - now;
        var last = now - due > Late ? LastDue(cron, zone, due, now) : due;
        if (now - last > Late && entry.Schedule.Missed == MissedRuns.Skip)
        {
            CountersOf(entry).Lose();
            _logs.Append(entry.Function, "", "system", $"the run of {cron} that was due at {Text(last)} was missed; missed = \"once\" would make up for it");
            await DoneAsync(key, entry, last).ConfigureAwait(false);
            return TimeSpan.Zero;
        }
        var refusal = await _accept(CallOf(entry, last)).ConfigureAwait(false);
        if (refusal is { Outcome: Outcome.Shed or Outcome.Unavailable })
        {
            // Tried again until it is late; then it counts as missed, and what that means has been said.
            if (now - last < TimeSpan.FromSeconds(2)) NotTakenOver(_logger, entry.Function, cron.ToString(), refusal.Error ?? "");
            return RetryPause;
        }
        if (refusal is null) CountersOf(entry).Accept();
        else
        {
            CountersOf(entry).Reject();
            _logs.Append(entry.Function, "", "system", $"the run of {cron} that was due at {Text(last)} is rejected: {refusal.Error}");
        }
        await DoneAsync(key, entry, last).ConfigureAwait(false);
        return TimeSpan.Zero;
    }

    /// <summary>Sees whether a schedule is this daemon's, and until when others have dealt with it; null when it can be dealt with now, else when to look again.</summary>
    private async Task<TimeSpan?> TakePartAsync(IEventShare share, string key, Entry entry)
    {
        if (!share.IsMine(key))
        {
            if (entry.IsBegun) Replace(key, entry, entry with { IsBegun = false, Unsaved = null });
            return LongestWait;
        }
        try
        {
            if (entry.Unsaved is { } unsaved)
            {
                await share.DoneAsync(key, unsaved, isCorrection: false).ConfigureAwait(false);
                Replace(key, entry, entry with { Unsaved = null });
                return TimeSpan.Zero;
            }
            if (entry.IsBegun) return null;
            Replace(key, entry, entry with { Last = await share.BeginAsync(key, entry.Function.ToString(), entry.Last).ConfigureAwait(false), IsBegun = true });
            return TimeSpan.Zero;
        }
        catch (IOException)
        {
            // Whoever has the share says that it is away.
            return RetryPause;
        }
    }

    /// <summary>The last time up to now that it was due, without going through all of them.</summary>
    private static DateTimeOffset LastDue(CronExpression cron, TimeZoneInfo zone, DateTimeOffset first, DateTimeOffset now)
    {
        var last = first;
        foreach (var look in LooksBack)
        {
            if (now - look > first && CronClock.Next(cron, zone, now - look) is { } found && found <= now)
            {
                last = found;
                break;
            }
        }
        while (CronClock.Next(cron, zone, last) is { } next && next <= now) last = next;
        return last;
    }

    private async Task DoneAsync(string key, Entry entry, DateTimeOffset last, bool isCorrection = false)
    {
        var isSaved = true;
        try
        {
            if (_share is not null) await _share.DoneAsync(key, last, isCorrection).ConfigureAwait(false);
        }
        catch (IOException)
        {
            isSaved = false;
        }
        Replace(key, entry, entry with { Last = last, Unsaved = isSaved ? null : last });
    }

    private void Replace(string key, Entry entry, Entry with)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out var current) || !ReferenceEquals(current, entry)) return;
            _entries[key] = with;
            if (_share is null) _log.Update(_entries.ToDictionary(static e => e.Key, static e => e.Value.Last), keepOthers: false);
        }
    }

    private EventCounters CountersOf(Entry entry) => _counters.GetOrAdd(entry.Function, static _ => new EventCounters());

    private static string Text(DateTimeOffset moment) => moment.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static Invocation CallOf(Entry entry, DateTimeOffset due)
    {
        var schedule = entry.Schedule;
        var body = schedule.Body ?? $"{{\"scheduled\":\"{Text(due)}\"}}";
        var id = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{KeyOf(entry.Function, schedule)}\t{Text(due)}")), 0, 16);
        return new Invocation
        {
            Function = entry.Function,
            CallId = $"schedule-{id}",
            HasOwnCallId = true,
            Headers = new HeaderList { { "Content-Type", schedule.Body is null ? "application/json" : "text/plain; charset=utf-8" }, { TimeHeader, Text(due) }, { CronHeader, schedule.Cron.ToString() } },
            Body = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)),
            Scheme = Scheme,
        };
    }

    /// <param name="Function">Whose.</param>
    /// <param name="Schedule">When.</param>
    /// <param name="Last">Up to here everything has been dealt with.</param>
    /// <param name="IsBegun">It is known until when others have dealt with it.</param>
    /// <param name="Unsaved">The share does not know yet that it has been dealt with until then.</param>
    private sealed record Entry(FunctionName Function, EventSpec.Schedule Schedule, DateTimeOffset Last, bool IsBegun = true, DateTimeOffset? Unsaved = null);

    [LoggerMessage(720, LogLevel.Warning, "{Function}'s run of {Cron} cannot be taken over now, and is tried again for a minute: {Problem}")]
    private static partial void NotTakenOver(ILogger logger, FunctionName function, string cron, string problem);
}
