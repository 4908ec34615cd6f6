using Stint.Telemetry;

namespace Stint.Tests.Telemetry;

public sealed class HistogramTests
{
    [Fact]
    public void A_duration_counts_in_the_first_bucket_whose_bound_it_does_not_exceed()
    {
        var histogram = new Histogram();
        foreach (var milliseconds in new[] { 0, 1, 2, 61_000 }) histogram.Record(TimeSpan.FromMilliseconds(milliseconds));
        var reading = histogram.Read();
        Assert.Equal([1, 1, 1], reading.Counts.Take(3));
        Assert.Equal(1, reading.Counts[^1]);
        Assert.Equal((4, TimeSpan.FromMilliseconds(61_003)), (reading.Count, reading.Sum));
        Assert.Equal(Histogram.Bounds.Length + 1, reading.Counts.Count);
    }

    [Fact]
    public void A_negative_duration_counts_as_zero()
    {
        var histogram = new Histogram();
        histogram.Record(TimeSpan.FromSeconds(-1));
        Assert.Equal((1, TimeSpan.Zero), (histogram.Read().Counts[0], histogram.Read().Sum));
    }
}
