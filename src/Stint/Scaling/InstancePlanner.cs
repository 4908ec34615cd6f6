// How many instances, as Knative's pod autoscaler decides it (https://github.com/knative/serving/tree/main/docs/scaling, "SYSTEM.md" and "DEVELOPMENT.md"), in our own words:
//
//   stable   the average of the last minute, so that noise does not show
//   panic    as soon as the average of the last second would need twice the instances that there are: that many at once, and never fewer until a whole minute has passed without such a moment
//
// Going down, an instance goes only when the load would still fit with a tenth to spare, and at most half of them at a time, so that a load at the edge between two numbers does not flap.
namespace Stint.Scaling;

/// <summary>Plans the instances of one function. Told the load at even intervals; has no clock of its own, and is not for several threads.</summary>
internal sealed class InstancePlanner(ScalingRule rule)
{
    private const double Spare = 1.1;

    private readonly LoadWindow _stable = new(rule.StableWindow), _panic = new(rule.PanicWindow);
    private TimeSpan? _panicSince;
    private TimeSpan _lastLoad = TimeSpan.MinValue;
    private int _panicPeak;

    /// <summary>Whether it is in a panic.</summary>
    public bool IsPanicking => _panicSince is not null;

    /// <summary>What it wants now.</summary>
    public int Wanted { get; private set; } = rule.Min;

    /// <summary>Takes the load since the last time and says how many instances there are to be.</summary>
    /// <param name="now">The time on any clock.</param>
    /// <param name="load">In the rule's measure, of all instances together.</param>
    public int Plan(TimeSpan now, double load)
    {
        _stable.Add(now, load);
        _panic.Add(now, load);
        if (load > 0) _lastLoad = now;

        var stable = Need(_stable.Average);
        var burst = Need(_panic.Average);
        // Not the rounded number: one instance that is a little too full is no burst.
        if (_panic.Average >= rule.PanicThreshold * Math.Max(1, Wanted) * rule.PerInstance)
        {
            if (_panicSince is null) _panicPeak = Wanted;
            _panicSince = now;
        }
        else if (_panicSince is { } since && now - since >= rule.StableWindow)
        {
            _panicSince = null;
        }

        int wanted;
        if (IsPanicking)
        {
            wanted = _panicPeak = Math.Max(_panicPeak, Math.Max(stable, burst));
        }
        else
        {
            wanted = stable >= Wanted ? stable : Math.Max(Math.Min(Wanted, Need(_stable.Average * Spare)), Wanted / 2);
        }
        // The last one stays for its time, whatever the average says.
        if (wanted == 0 && _lastLoad != TimeSpan.MinValue && (rule.KeepLast == Timeout.InfiniteTimeSpan || now - _lastLoad < rule.KeepLast)) wanted = 1;
        return Wanted = Math.Clamp(wanted, rule.Min, rule.Max);
    }

    private int Need(double load) => (int)Math.Min(rule.Max, Math.Ceiling(load / rule.PerInstance - 1e-9));
}
