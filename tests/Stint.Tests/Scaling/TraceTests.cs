using Stint.Scaling;
using Stint.Tests.Functions;

namespace Stint.Tests.Scaling;

/// <summary>The autoscaler on recorded traces, in virtual time.</summary>
public sealed class TraceTests
{
    private const double Target = 50;
    private static readonly ScalingRule Rule = new() { PerInstance = Target * 0.9, Min = 1, Max = 40, KeepLast = TimeSpan.FromMinutes(2) };
    private static readonly ScalingRule ToZero = Rule with { Min = 0, KeepLast = TimeSpan.FromSeconds(30) };

    [Fact]
    public void A_step_of_twenty_times_the_load_is_met_in_two_seconds_and_left_after_a_minute()
    {
        var run = TraceRun.Of("step", Rule);
        var needed = (int)Math.Ceiling(600 / Target);
        Assert.InRange(ReadyAt(run, TimeSpan.FromSeconds(299)), 1, 2);
        Assert.True(ReadyAt(run, TimeSpan.FromSeconds(302)) >= needed, $"{ReadyAt(run, TimeSpan.FromSeconds(302))} instances");
        Assert.True(ReadyAt(run, TimeSpan.FromSeconds(599)) <= needed * 1.5);
        Assert.InRange(ReadyAt(run, TimeSpan.FromSeconds(740)), 1, 2);
    }

    [Fact]
    public void Noise_of_an_hour_changes_nothing()
    {
        var run = TraceRun.Of("noise", Rule);
        var settled = run with { Steps = [.. run.Steps.SkipWhile(static step => step.Time < TimeSpan.FromMinutes(3))] };
        Assert.InRange(settled.Changes, 0, 2);
        Assert.DoesNotContain(settled.Steps, static step => step.IsPanicking);
    }

    [Fact]
    public void A_day_is_followed_closely_and_without_flapping()
    {
        var run = TraceRun.Of("diurnal", Rule);
        Assert.InRange(run.Crowded(Target), 0, 0.005);
        Assert.InRange(run.Cost(Target), 0.9, 1.35);
        // Up and down once through all numbers, the two peaks besides.
        Assert.InRange(run.Changes, 10, 60);
    }

    [Fact]
    public void Bursts_with_heavy_tails_are_met_from_zero_and_cost_what_a_minute_of_patience_costs()
    {
        var run = TraceRun.Of("bursty", ToZero);
        Assert.Contains(run.Ready, static ready => ready == 0);
        Assert.Contains(run.Steps, static step => step.IsPanicking);
        // What comes in the second before the first instances are there; the pool starts these for waiting calls by itself.
        Assert.InRange(run.Crowded(Target), 0, 0.2);
        Assert.InRange(run.Cost(Target), 1, 8);
        Assert.All(run.Steps, static step => Assert.InRange(step.Wanted, 0, Rule.Max));
    }

    [Fact]
    public void The_plot_in_the_documents_is_what_it_does() =>
        GeneratedPage.AssertCurrent(TracePlot.Render([TraceRun.Of("step", Rule), TraceRun.Of("noise", Rule), TraceRun.Of("diurnal", Rule), TraceRun.Of("bursty", ToZero)], Rule.PerInstance), "docs", "scaling-traces.svg");

    private static int ReadyAt(TraceRun run, TimeSpan time) => run.Ready[(int)(time / Autoscaler.Interval)];
}
