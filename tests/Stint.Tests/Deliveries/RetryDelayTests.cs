using FsCheck;
using FsCheck.Fluent;
using Stint.Deliveries;

namespace Stint.Tests.Deliveries;

public sealed class RetryDelayTests
{
    [Fact]
    public void A_wait_is_at_least_half_and_at_most_the_whole_of_what_doubling_gives_and_never_beyond_the_longest()
    {
        Prop.ForAll(Gen.Choose(1, 1_000_000).ToArbitrary(), Gen.Choose(1, 10_000).ToArbitrary(), Gen.Choose(0, 1000).ToArbitrary(), static (milliseconds, failures, random) =>
        {
            var first = TimeSpan.FromMilliseconds(milliseconds);
            var wait = RetryDelay.After(first, failures, random / 1000.0);
            var full = Math.Min(first.TotalSeconds * Math.Pow(2, Math.Min(failures - 1, 30)), Math.Max(300, first.TotalSeconds));
            return wait.TotalSeconds >= full / 2 - 1e-6 && wait.TotalSeconds <= full + 1e-6;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void What_the_other_side_asks_for_is_waited_at_least()
    {
        Assert.Equal(TimeSpan.FromMinutes(20), RetryDelay.After(TimeSpan.FromSeconds(1), 1, 0, TimeSpan.FromMinutes(20)));
        Assert.Equal(TimeSpan.FromSeconds(4), RetryDelay.After(TimeSpan.FromSeconds(8), 1, 0, TimeSpan.FromSeconds(1)));
    }
}
