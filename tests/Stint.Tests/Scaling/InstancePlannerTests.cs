using Stint.Scaling;
using Stint.Tests.Functions;

namespace Stint.Tests.Scaling;

/// <summary>The planner on traces, in virtual time: no clock, no waiting.</summary>
public sealed class InstancePlannerTests
{
    private static readonly TimeSpan Tick = Autoscaler.Interval;
    private static readonly ScalingRule Rule = new() { PerInstance = 45, Min = 1, Max = 20, KeepLast = TimeSpan.FromMinutes(15) };

    [Theory]
    [InlineData(10, 400), InlineData(100, 800), InlineData(0, 90), InlineData(0, 5000)]
    public void A_step_is_met_within_a_second(double before, double after)
    {
        var run = Run(Rule, TimeSpan.FromMinutes(4), time => time < TimeSpan.FromMinutes(2) ? before : after);
        var needed = Math.Min(Rule.Max, (int)Math.Ceiling(after / Rule.PerInstance));
        Assert.True(At(run, TimeSpan.FromSeconds(119)).Wanted < needed);
        Assert.True(At(run, TimeSpan.FromSeconds(121)).Wanted >= needed);
    }

    [Theory]
    [InlineData(40), InlineData(89), InlineData(92), InlineData(200), InlineData(449)]
    public void Noise_does_not_flap(double mean)
    {
        // Calls that come independently of each other: as noisy as they can be without being bursts.
        var random = new Random(7);
        var run = Run(Rule, TimeSpan.FromHours(1), _ => Poisson(random, mean * Tick.TotalSeconds) / Tick.TotalSeconds);
        var settled = run.Where(static step => step.Time > TimeSpan.FromMinutes(5)).ToList();
        Assert.All(settled, static step => Assert.False(step.IsPanicking));
        Assert.InRange(settled.Zip(settled.Skip(1)).Count(static pair => pair.First.Wanted != pair.Second.Wanted), 0, 2);
        Assert.InRange(settled[^1].Wanted, (int)Math.Ceiling(mean / Rule.PerInstance), (int)Math.Ceiling(mean * 1.2 / Rule.PerInstance) + 1);
    }

    [Fact]
    public void A_burst_is_held_for_a_minute_and_then_left_by_halves()
    {
        var run = Run(Rule, TimeSpan.FromMinutes(5), static time => time >= TimeSpan.FromMinutes(2) && time < TimeSpan.FromSeconds(125) ? 700 : 20);
        Assert.Equal(16, At(run, TimeSpan.FromSeconds(122)).Wanted);
        Assert.Equal(16, At(run, TimeSpan.FromSeconds(160)).Wanted);
        Assert.Equal(1, At(run, TimeSpan.FromSeconds(200)).Wanted);
        Assert.All(run.Zip(run.Skip(1)), static pair => Assert.True(pair.Second.Wanted >= pair.First.Wanted / 2));
    }

    [Fact]
    public void None_is_left_when_nobody_has_called_for_long_enough_and_the_first_call_brings_one_back()
    {
        var rule = Rule with { Min = 0, KeepLast = TimeSpan.FromMinutes(10) };
        var back = TimeSpan.FromMinutes(30);
        var run = Run(rule, TimeSpan.FromMinutes(31), time => time < TimeSpan.FromMinutes(5) || time >= back ? 1 : 0);
        Assert.Equal(1, At(run, TimeSpan.FromMinutes(14.9)).Wanted);
        Assert.Equal(0, At(run, TimeSpan.FromMinutes(15.1)).Wanted);
        Assert.Equal(0, At(run, back - Tick).Wanted);
        Assert.Equal(1, At(run, back).Wanted);
    }

    [Fact]
    public void Whatever_the_load_the_bounds_hold_and_a_panic_never_gives_anything_up()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            var random = new Random(seed);
            var rule = Rule with { Min = random.Next(3), Max = random.Next(3, 30), PerInstance = random.NextDouble() * 50 + 0.1 };
            var level = 0.0;
            var run = Run(rule, TimeSpan.FromMinutes(20), _ => level = random.Next(200) == 0 ? random.NextDouble() * 2000 : level);
            Assert.All(run, step => Assert.InRange(step.Wanted, rule.Min, rule.Max));
            Assert.All(run.Zip(run.Skip(1)), static pair => Assert.True(!pair.Second.IsPanicking || pair.Second.Wanted >= pair.First.Wanted));
        }
    }

    [Fact]
    public void The_plot_in_the_documents_is_what_it_does()
    {
        var random = new Random(1);
        var run = Run(Rule with { Min = 0, KeepLast = TimeSpan.FromMinutes(2) }, TimeSpan.FromMinutes(16), time => Poisson(random, Trace(time.TotalMinutes) * Tick.TotalSeconds) / Tick.TotalSeconds);
        GeneratedPage.AssertCurrent(ScalingPlot.Render(run, Rule.PerInstance), "docs", "scaling.svg");
    }

    // Minutes → calls a second: quiet, a climb, a day's plateau, a step to four times as much, back, a burst of five seconds, nobody.
    private static double Trace(double minute) => minute switch
    {
        < 1 => 10,
        < 4 => 10 + (minute - 1) * 50,
        < 6 => 160,
        < 8 => 640,
        < 11 => 160,
        < 11.083 => 800,
        < 12 => 160,
        _ => 0,
    };

    private static List<Step> Run(ScalingRule rule, TimeSpan length, Func<TimeSpan, double> load)
    {
        var planner = new InstancePlanner(rule);
        var steps = new List<Step>();
        for (var time = TimeSpan.Zero; time < length; time += Tick)
        {
            var now = load(time);
            steps.Add(new Step(time, now, planner.Plan(time, now), planner.IsPanicking));
        }
        return steps;
    }

    private static Step At(List<Step> run, TimeSpan time) => run.First(step => step.Time >= time);

    private static int Poisson(Random random, double mean)
    {
        // Knuth's way, in parts so that exp does not vanish.
        var count = 0;
        for (var rest = mean; rest > 0; rest -= 20)
        {
            var limit = Math.Exp(-Math.Min(20, rest));
            for (var product = random.NextDouble(); product > limit; product *= random.NextDouble()) count++;
        }
        return count;
    }
}
