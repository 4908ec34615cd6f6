using Stint.Functions;
using Stint.Invocations;
using Stint.Pools;

namespace Stint.Scaling;

/// <summary>Looks at the load of all functions that ask for it, four times a second, and tells their pools how many instances to keep. What calls need at once the pools start by themselves.</summary>
internal sealed class Autoscaler : IAsyncDisposable
{
    /// <summary>Between two looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(250);

    // When no function asks for it: an idle machine is left asleep.
    private static readonly TimeSpan LongInterval = TimeSpan.FromSeconds(2);

    private readonly Dictionary<FunctionName, Subject> _subjects = [];
    private readonly Func<IEnumerable<FunctionPool>> _pools;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly long _origin;

    /// <summary>Begins to look.</summary>
    /// <param name="pools">The pools that there are.</param>
    /// <param name="time">The clock.</param>
    public Autoscaler(Func<IEnumerable<FunctionPool>> pools, TimeProvider time)
    {
        (_pools, _time, _origin) = (pools, time, time.GetTimestamp());
        _timer = time.CreateTimer(static state => ((Autoscaler)state!).Look(), this, Interval, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Stops looking.</summary>
    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    private void Look()
    {
        var now = _time.GetElapsedTime(_origin);
        var seen = new HashSet<FunctionName>();
        foreach (var pool in _pools())
        {
            if (pool.Version is var version && ScalingRule.Of(version.Spec) is not { } rule) continue;
            seen.Add(pool.Name);
            // Another version has other settings, and a pool that begins anew has none of its predecessor's past.
            if (!_subjects.TryGetValue(pool.Name, out var subject) || subject.Pool != pool || subject.VersionId != version.Id)
                _subjects[pool.Name] = subject = new Subject(pool, version, rule, now);
            subject.Look(now);
        }
        foreach (var gone in _subjects.Keys.Where(name => !seen.Contains(name)).ToList()) _subjects.Remove(gone);
        // Only now: a look that takes long, on a machine that is too busy, is not joined by another.
        _timer.Change(_subjects.Count > 0 ? Interval : LongInterval, Timeout.InfiniteTimeSpan);
    }

    /// <summary>One function.</summary>
    private sealed class Subject(FunctionPool pool, FunctionVersion version, ScalingRule rule, TimeSpan begun)
    {
        private readonly InstancePlanner _planner = new(rule);
        private double _total = Total(pool, version.Spec.ScaleBy);
        private TimeSpan _last = begun;
        private int _told = rule.Min;

        public FunctionPool Pool => pool;

        public string VersionId => version.Id;

        public void Look(TimeSpan now)
        {
            var seconds = (now - _last).TotalSeconds;
            if (seconds <= 0) return;
            double load;
            if (version.Spec.ScaleBy == ScalingMeasure.Capacity)
            {
                load = pool.InFlight;
            }
            else
            {
                var total = Total(pool, version.Spec.ScaleBy);
                load = Math.Max(0, total - _total) / seconds;
                _total = total;
            }
            _last = now;
            if (_planner.Plan(now, load) is var wanted && wanted != _told) pool.Want(_told = wanted);
        }

        // What only ever grows: calls that came, or thousandths of processor seconds. An instance that goes takes its processor time with it, which is then one look without load.
        private static double Total(FunctionPool pool, ScalingMeasure measure) => measure == ScalingMeasure.Cpu
            ? pool.Describe().Instances.Sum(static instance => instance.Usage.CpuTime.TotalMilliseconds)
            : Enum.GetValues<Outcome>().Sum(pool.Counters.Requests) + pool.InFlight;
    }
}
