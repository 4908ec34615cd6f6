using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Events;
using Stint.Events.Schedules;
using Stint.Functions;
using Stint.Functions.Triggers;
using Stint.Invocations;
using Stint.Telemetry.Logs;
using Stint.Tests.Time;

namespace Stint.Tests.Events;

/// <summary>The clock as a caller, in virtual time. It begins at 03:04:05 on 2 January 2026.</summary>
public sealed class ScheduleRunnerTests : IAsyncLifetime, IAsyncDisposable
{
    private static readonly FunctionName Job = FunctionName.TryParse("job", out var name) ? name : default;
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-schedules-").FullName;
    private readonly ConcurrentQueue<Invocation> _calls = new();
    private readonly ConcurrentDictionary<FunctionName, EventCounters> _counters = new();
    private readonly CountingTime _time = new();
    private readonly FunctionLogs _logs;
    private Reply? _refusal;
    private ScheduleRunner _runner;

    public ScheduleRunnerTests()
    {
        _logs = new FunctionLogs(Path.Combine(_folder, "logs"), 1024 * 1024, TimeProvider.System, NullLogger<FunctionLogs>.Instance);
        _runner = Make();
    }

    [Fact]
    public async Task A_schedule_calls_at_its_times_and_at_no_other()
    {
        await BeginAsync(Schedule("*/5 * * * *"));
        for (var i = 0; i < 24; i++) await StepAsync(); // twelve minutes
        Assert.Equal(["2026-01-02T03:05:00Z", "2026-01-02T03:10:00Z", "2026-01-02T03:15:00Z"], Due());
        var call = _calls.First();
        Assert.Equal(("schedule", "POST", "{\"scheduled\":\"2026-01-02T03:05:00Z\"}"), (call.Scheme, call.Method, Encoding.UTF8.GetString(call.Body.FirstSpan)));
        Assert.True(call.HasOwnCallId);
        Assert.Equal(3, _calls.Select(static call => call.CallId).Distinct().Count());
        Assert.Equal(3, _counters[Job].Accepted);
    }

    [Fact]
    public async Task A_body_of_one_s_own_is_sent_as_text()
    {
        await BeginAsync(Schedule("*/5 * * * *") with { Body = "wake up" });
        for (var i = 0; i < 4; i++) await StepAsync();
        Assert.Equal("wake up", Encoding.UTF8.GetString(Assert.Single(_calls).Body.FirstSpan));
    }

    [Fact]
    public async Task What_was_dealt_with_is_not_done_again_after_a_restart()
    {
        await BeginAsync(Schedule("*/5 * * * *", MissedRuns.Once));
        for (var i = 0; i < 4; i++) await StepAsync();
        Assert.Single(_calls);
        await RestartAsync(TimeSpan.FromMinutes(1), Schedule("*/5 * * * *", MissedRuns.Once));
        await StepAsync();
        Assert.Single(_calls);
    }

    [Theory]
    [InlineData(MissedRuns.Once, "2026-01-02T03:05:00Z,2026-01-02T13:05:00Z")]
    [InlineData(MissedRuns.Skip, "2026-01-02T03:05:00Z")]
    internal async Task Runs_that_were_missed_are_made_up_for_once_or_not_at_all(MissedRuns missed, string expected)
    {
        await BeginAsync(Schedule("*/5 * * * *", missed));
        for (var i = 0; i < 4; i++) await StepAsync();
        // It is 03:06:05. The daemon is away until 13:07:05: the run of 13:05 is the last that was missed.
        await RestartAsync(new TimeSpan(10, 1, 0), Schedule("*/5 * * * *", missed));
        await StepAsync();
        Assert.Equal(expected.Split(','), Due());
        Assert.Equal(missed == MissedRuns.Skip ? 1 : 0, _counters[Job].Lost);
        for (var i = 0; i < 6; i++) await StepAsync();
        Assert.Equal("2026-01-02T13:10:00Z", Due()[^1]);
    }

    [Fact]
    public async Task A_run_that_was_taken_over_just_before_the_daemon_died_has_the_same_id_when_it_is_tried_again()
    {
        await BeginAsync(Schedule("*/5 * * * *", MissedRuns.Once));
        for (var i = 0; i < 4; i++) await StepAsync();
        await _runner.DisposeAsync();
        File.Delete(Path.Combine(_folder, "schedules.json")); // as if it had not been written
        File.WriteAllText(Path.Combine(_folder, "schedules.json"), """{"job\t*/5 * * * *\tUTC\t":"2026-01-02T03:04:05+00:00"}""");
        _runner = Make();
        await BeginAsync(Schedule("*/5 * * * *", MissedRuns.Once));
        await StepAsync();
        Assert.Equal(2, _calls.Count);
        Assert.Single(_calls.Select(static call => call.CallId).Distinct());
    }

    [Fact]
    public async Task A_new_schedule_has_missed_nothing()
    {
        await BeginAsync(Schedule("0 0 1 1 *", MissedRuns.Once));
        await StepAsync();
        Assert.Empty(_calls);
    }

    [Fact]
    public async Task A_schedule_that_is_taken_away_calls_no_more_and_one_that_is_added_begins()
    {
        await BeginAsync(Schedule("*/5 * * * *"));
        for (var i = 0; i < 4; i++) await StepAsync();
        await SetAsync(Schedule("7,9 * * * *"));
        for (var i = 0; i < 10; i++) await StepAsync();
        Assert.Equal(["2026-01-02T03:05:00Z", "2026-01-02T03:07:00Z", "2026-01-02T03:09:00Z"], Due());
        await SetAsync();
        for (var i = 0; i < 10; i++) await StepAsync();
        Assert.Equal(3, _calls.Count);
    }

    [Fact]
    public async Task A_run_that_cannot_be_taken_over_is_tried_again_until_it_is_late()
    {
        _refusal = Reply.Failure(Outcome.Unavailable, "the disk is full");
        await BeginAsync(Schedule("*/5 * * * *"));
        for (var i = 0; i < 2; i++) await StepAsync(); // 03:05:05
        Assert.Empty(_calls);
        _refusal = null;
        await StepAsync();
        Assert.Equal(["2026-01-02T03:05:00Z"], Due());
    }

    [Fact]
    public async Task A_run_that_the_function_refuses_is_counted_and_said()
    {
        _refusal = Reply.Failure(Outcome.NotFound, "no function job");
        await BeginAsync(Schedule("*/5 * * * *"));
        for (var i = 0; i < 4; i++) await StepAsync();
        Assert.Equal((0, 1), (_calls.Count, (int)_counters[Job].Rejected));
    }

    [Fact]
    public async Task A_file_that_cannot_be_read_is_set_aside()
    {
        await _runner.DisposeAsync();
        File.WriteAllText(Path.Combine(_folder, "schedules.json"), "{");
        _runner = Make();
        Assert.True(File.Exists(Path.Combine(_folder, "schedules.json.unreadable")));
        await BeginAsync(Schedule("*/5 * * * *"));
        for (var i = 0; i < 4; i++) await StepAsync();
        Assert.Single(_calls);
    }

    [Fact]
    public async Task It_can_be_seen_when_it_is_due_next()
    {
        await BeginAsync(Schedule("0 12 * * *"));
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 12, 0, 0, TimeSpan.Zero), _runner.NextOf(Job, Schedule("0 12 * * *")));
        Assert.Null(_runner.NextOf(Job, Schedule("0 13 * * *")));
    }

    [Fact]
    public async Task Of_several_daemons_the_one_whose_turn_it_is_calls_and_the_next_goes_on_where_it_had_come_to()
    {
        var store = new Dictionary<string, DateTimeOffset>();
        var (one, two) = (new TestShare(store), new TestShare(store));
        var (first, second) = (new List<string>(), new List<string>());
        await using var runner = Sharing(one, first);
        await using var other = Sharing(two, second);
        one.HasTurn = true;
        var timers = _time.Timers;
        runner.Begin();
        other.Begin();
        await _time.WaitForTimerAsync(timers + 1);
        for (var i = 0; i < 4; i++) await BothStepAsync(); // 03:06:05
        Assert.Equal((1, 0), (first.Count, second.Count));

        // The store is away when the next run ends: it is noted when the store is back, and not run again.
        one.IsAway = true;
        for (var i = 0; i < 8; i++) await BothStepAsync(); // 03:10:05
        one.IsAway = false;
        for (var i = 0; i < 4; i++) await BothStepAsync();
        Assert.Equal(["2026-01-02T03:05:00Z", "2026-01-02T03:10:00Z"], first);
        Assert.Equal("2026-01-02T03:10:00Z", store.Values.Single().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));

        (one.HasTurn, two.HasTurn) = (false, true);
        for (var i = 0; i < 8; i++) await BothStepAsync(); // 03:16:05
        Assert.Equal((2, "2026-01-02T03:15:00Z"), (first.Count, Assert.Single(second)));
        other.Set(Job, []);
        lock (store) Assert.Empty(store); // what the test's share forgets it forgets at once

        ScheduleRunner Sharing(IEventShare share, List<string> calls)
        {
            var made = new ScheduleRunner(call =>
            {
                calls.Add(call.Headers.TryGet(ScheduleRunner.TimeHeader, out var time) ? time : "");
                return new ValueTask<Reply?>((Reply?)null);
            }, _counters, new ScheduleLog(Path.Combine(_folder, "unused.json"), NullLogger.Instance), _logs, _time, NullLogger<ScheduleRunner>.Instance, share);
            made.Set(Job, [Schedule("*/5 * * * *")]);
            return made;
        }

        async Task BothStepAsync()
        {
            var before = _time.Timers;
            _time.Fake.Advance(Step);
            await _time.WaitForTimerAsync(before + 1);
        }
    }

    public Task InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _runner.DisposeAsync();
        await _logs.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private static EventSpec.Schedule Schedule(string cron, MissedRuns missed = MissedRuns.Skip) =>
        new() { Cron = CronExpression.TryParse(cron, out var read, out var problem) ? read : throw new InvalidOperationException(problem), Missed = missed };

    private ScheduleRunner Make() => new(AcceptAsync, _counters, new ScheduleLog(Path.Combine(_folder, "schedules.json"), NullLogger.Instance), _logs, _time, NullLogger<ScheduleRunner>.Instance);

    private ValueTask<Reply?> AcceptAsync(Invocation call)
    {
        if (_refusal is null) _calls.Enqueue(call);
        return new ValueTask<Reply?>(_refusal);
    }

    private async Task BeginAsync(params EventSpec.Schedule[] schedules)
    {
        _runner.Set(Job, schedules);
        var timers = _time.Timers;
        _runner.Begin();
        await _time.WaitForTimerAsync(timers);
    }

    private async Task SetAsync(params EventSpec.Schedule[] schedules)
    {
        var timers = _time.Timers;
        _runner.Set(Job, schedules);
        await _time.WaitForTimerAsync(timers);
    }

    private async Task RestartAsync(TimeSpan away, params EventSpec.Schedule[] schedules)
    {
        await _runner.DisposeAsync();
        _time.Fake.Advance(away);
        _runner = Make();
        await BeginAsync(schedules);
    }

    /// <summary>Half a minute passes, and the runner has dealt with it: it waits anew.</summary>
    private async Task StepAsync()
    {
        var timers = _time.Timers;
        _time.Fake.Advance(Step);
        await _time.WaitForTimerAsync(timers);
    }

    private List<string> Due() => [.. _calls.Select(static call => call.Headers.TryGet(ScheduleRunner.TimeHeader, out var time) ? time : "")];

    /// <summary>A share whose turns the test deals.</summary>
    private sealed class TestShare(Dictionary<string, DateTimeOffset> store) : IEventShare
    {
        public string Identity => "all";

        public Action Changed { get; set; } = static () => { };

        public bool HasTurn { get; set; }

        public bool IsAway { get; set; }

        public void Begin() { }

        public bool IsMine(string trigger) => HasTurn;

        public Task<DateTimeOffset> BeginAsync(string key, string function, DateTimeOffset first) => AskAsync(() => store.TryGetValue(key, out var until) ? until : store[key] = first);

        public Task DoneAsync(string key, DateTimeOffset until, bool isCorrection) => AskAsync(() => store[key] = until);

        public Task ForgetAsync(string key) => AskAsync(() => store.Remove(key));

        private Task<T> AskAsync<T>(Func<T> work)
        {
            if (IsAway) return Task.FromException<T>(new IOException("away"));
            lock (store) return Task.FromResult(work());
        }
    }

    /// <summary>Virtual time that knows when somebody begins to wait.</summary>
    private sealed class CountingTime : TimeProvider
    {
        private int _timers;

        public FakeTime Fake { get; } = new();

        public int Timers => Volatile.Read(ref _timers);

        public override long TimestampFrequency => Fake.TimestampFrequency;

        public override long GetTimestamp() => Fake.GetTimestamp();

        public override DateTimeOffset GetUtcNow() => Fake.GetUtcNow();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = Fake.CreateTimer(callback, state, dueTime, period);
            Interlocked.Increment(ref _timers);
            return timer;
        }

        public async Task WaitForTimerAsync(int before)
        {
            var since = System.GetTimestamp();
            while (Timers <= before)
            {
                if (System.GetElapsedTime(since) > TimeSpan.FromSeconds(30)) throw new TimeoutException("the runner does not wait for anything");
                await Task.Delay(TimeSpan.FromMilliseconds(1), System);
            }
        }
    }
}
