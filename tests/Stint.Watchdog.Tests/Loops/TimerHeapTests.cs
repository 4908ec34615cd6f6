using Stint.Watchdog.Loops;

namespace Stint.Watchdog.Tests.Loops;

public sealed class TimerHeapTests
{
    [Fact]
    public void Timers_pass_in_order_and_cancelled_ones_do_not()
    {
        var random = new Random(11);
        var loop = new EventLoop(TimeProvider.System);
        var passed = new List<long>();
        var timers = new List<LoopTimer>();
        var expected = new List<int>();
        for (var i = 0; i < 500; i++)
        {
            var milliseconds = random.Next(1, 200);
            LoopTimer? timer = null;
            timer = new LoopTimer(loop, () => passed.Add(timer!.Due));
            timer.Arm(TimeSpan.FromMilliseconds(milliseconds));
            timers.Add(timer);
            expected.Add(milliseconds);
        }
        foreach (var i in Enumerable.Range(0, 500).Where(_ => random.Next(2) == 0).ToArray())
        {
            timers[i].Cancel();
            expected[i] = -1;
        }
        var end = new LoopTimer(loop, loop.Stop);
        end.Arm(TimeSpan.FromMilliseconds(250));
        loop.Run();
        Assert.Equal(expected.Count(static milliseconds => milliseconds >= 0), passed.Count);
        Assert.Equal(passed.Order(), passed);
        Assert.DoesNotContain(timers, static timer => timer.IsArmed);
    }
}
