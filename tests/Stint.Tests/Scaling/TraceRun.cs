using System.Globalization;
using Stint.Scaling;
using Stint.Tests.Functions;

namespace Stint.Tests.Scaling;

/// <summary>A function's instances over a trace, in virtual time: the planner wants them, a start takes a while, an end does not.</summary>
/// <param name="Name">The trace.</param>
/// <param name="Steps">What was planned, four times a second.</param>
/// <param name="Ready">Instances that were ready at each of those moments.</param>
internal sealed record TraceRun(string Name, IReadOnlyList<Step> Steps, IReadOnlyList<int> Ready)
{
    // Of a container on a small machine (docs/benchmarks.md, "Containers"); a process is quicker.
    private static readonly TimeSpan Boot = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs the planner over one of the files in <c>Traces</c> (their origin: <c>Traces/generate.py</c>).</summary>
    public static TraceRun Of(string name, ScalingRule rule)
    {
        var calls = File.ReadLines(RepositoryFolder.File("tests", "Stint.Tests", "Scaling", "Traces", name + ".trace")).Select(static line => int.Parse(line, CultureInfo.InvariantCulture)).ToList();
        var planner = new InstancePlanner(rule);
        var (steps, ready, booting) = (new List<Step>(), new List<int>(), new Queue<TimeSpan>());
        var (time, have) = (TimeSpan.Zero, rule.Min);
        foreach (var load in calls)
        {
            for (var tick = 0; tick < 4; tick++, time += Autoscaler.Interval)
            {
                while (booting.TryPeek(out var at) && at <= time)
                {
                    booting.Dequeue();
                    have++;
                }
                var wanted = planner.Plan(time, load);
                for (var missing = wanted - have - booting.Count; missing > 0; missing--) booting.Enqueue(time + Boot);
                if (wanted < have) have = wanted;
                while (have + booting.Count > Math.Max(wanted, have)) booting.Dequeue();
                steps.Add(new Step(time, load, wanted, planner.IsPanicking));
                ready.Add(have);
            }
        }
        return new TraceRun(name, steps, ready);
    }

    /// <summary>The part of all calls that came when the ready instances were fewer than their load needs at the full target: they wait, or start instances by themselves.</summary>
    /// <param name="target">What one instance can carry.</param>
    public double Crowded(double target)
    {
        double all = 0, crowded = 0;
        for (var i = 0; i < Steps.Count; i++)
        {
            all += Steps[i].Load;
            crowded += Math.Max(0, Steps[i].Load - Ready[i] * target);
        }
        return crowded / all;
    }

    /// <summary>Instances' time against that of a planner who knows the future and needs no reserve: 1 = the same.</summary>
    public double Cost(double target) => Ready.Sum() / Steps.Sum(step => Math.Ceiling(step.Load / target));

    /// <summary>How often the number that is wanted changes.</summary>
    public int Changes => Steps.Zip(Steps.Skip(1)).Count(static pair => pair.First.Wanted != pair.Second.Wanted);
}
