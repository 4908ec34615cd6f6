using Stint.Cluster.Nodes;
using Stint.Hosting;
using Stint.Scheduling;
using Stint.Tests.Time;

namespace Stint.Tests.Hosting;

public sealed class RecentReportTests
{
    private readonly FakeTime _time = new();
    private int _made;

    [Fact]
    public void Where_reports_are_made_each_second_nobody_makes_another()
    {
        var recent = Make();
        for (var second = 0; second < 5; second++)
        {
            recent.Put(new NodeReport { Version = "", Running = second });
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(second, recent.Read().Running);
        }
        Assert.Equal(0, _made);
    }

    [Fact]
    public void A_report_that_is_too_old_is_made_anew_once()
    {
        var recent = Make();
        Assert.Equal(1, recent.Read().Running);
        _time.Advance(RecentReport.Age);
        Assert.Equal(1, recent.Read().Running);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(2, recent.Read().Running);
        Assert.Equal(2, recent.Read().Running);
    }

    [Fact]
    public void While_one_is_made_others_have_the_last()
    {
        RecentReport recent = null!;
        recent = new RecentReport(() =>
        {
            var report = new NodeReport { Version = "", Running = ++_made };
            // Whoever asks meanwhile.
            if (_made == 2) Assert.Equal(1, recent.Read().Running);
            recent.Put(report);
            return report;
        }, _time);
        recent.Read();
        _time.Advance(RecentReport.Age * 2);
        Assert.Equal(2, recent.Read().Running);
    }

    [Fact]
    public void A_machine_is_described_by_its_report()
    {
        var machine = LocalWorker.Describe("m", new NodeReport { Version = "", MemoryMiB = 4, AvailableMiB = 2, Processors = 3 });
        Assert.Equal(("m", new WorkerMemory(2 << 20, 4 << 20), 3), (machine.Name, machine.Memory, machine.Cores));
        Assert.Null(LocalWorker.Describe("m", new NodeReport { Version = "" }).Memory);
    }

    private RecentReport Make()
    {
        RecentReport recent = null!;
        return recent = new RecentReport(() =>
        {
            var report = new NodeReport { Version = "", Running = ++_made };
            recent.Put(report);
            return report;
        }, _time);
    }
}
