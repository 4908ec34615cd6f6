using Stint.Cluster.Nodes;

namespace Stint.Tests.Cluster.Nodes;

public sealed class NodeReportTests
{
    private static readonly NodeReport Empty = new() { Version = "1" };

    [Fact]
    public void Memory_is_what_the_kernel_says()
    {
        var report = Empty.WithMemory(["MemTotal:       4096 kB", "MemFree: 1 kB", "MemAvailable:   2048 kB"]);
        Assert.Equal((4, 2), (report.MemoryMiB, report.AvailableMiB));
        // Either alone says nothing.
        Assert.Equal(Empty, Empty.WithMemory(["MemTotal:       4096 kB", "MemFree: 1 kB"]));
        Assert.Equal(Empty, Empty.WithMemory(["MemTotal: many kB", "MemAvailable: 2048 kB"]));
        var here = Empty.WithHost();
        Assert.InRange(here.AvailableMiB, 1, here.MemoryMiB);
        Assert.Equal(Environment.ProcessorCount, here.Processors);
    }

    [Theory]
    // host's total and available, budget, held by instances that are not idle → what functions may have, and what another could have
    [InlineData(4000, 3000, 2000, 0, 2000, 2000)]    // an idle machine has used nothing of its budget
    [InlineData(4000, 3000, 2000, 1500, 2000, 500)]  // promised is as good as used, though the kernel does not know
    [InlineData(4000, 3000, 2000, 2000, 2000, 0)]
    [InlineData(4000, 3000, 2000, 2100, 2000, 0)]    // instances of an earlier budget
    [InlineData(4000, 300, 2000, 500, 2000, 300)]    // other programs have the rest
    [InlineData(1000, 900, 2000, 200, 1000, 900)]    // a budget that the host does not have
    public void A_machine_has_no_more_for_functions_than_its_budget(long total, long available, long budget, long held, long expectedTotal, long expectedAvailable)
    {
        var report = (Empty with { MemoryMiB = total, AvailableMiB = available }).Within(budget, held);
        Assert.Equal((expectedTotal, expectedAvailable), (report.MemoryMiB, report.AvailableMiB));
    }

    [Fact]
    public void What_is_not_known_stays_unknown() => Assert.Equal(Empty, Empty.Within(2000, 0));
}
