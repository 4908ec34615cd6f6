namespace Stint.Telemetry;

/// <summary>
/// Counts durations in fixed buckets. Recording is two atomic additions and no lock; reading is free of locks too and may see a record's bucket a moment before its sum.
/// </summary>
internal sealed class Histogram
{
    /// <summary>
    /// Upper bounds of the buckets in seconds, inclusive, as Prometheus's <c>le</c>: from half a millisecond (a warm spare) to a minute (the default deadline).
    /// A last bucket without a bound follows.
    /// </summary>
    public static ReadOnlySpan<double> Bounds => [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60];

    private readonly long[] _counts = new long[Bounds.Length + 1];
    private long _ticks;

    /// <summary>Counts one duration; a negative one counts as zero.</summary>
    public void Record(TimeSpan duration)
    {
        var seconds = Math.Max(0, duration.TotalSeconds);
        var bucket = 0;
        while (bucket < Bounds.Length && seconds > Bounds[bucket]) bucket++;
        Interlocked.Increment(ref _counts[bucket]);
        Interlocked.Add(ref _ticks, Math.Max(0, duration.Ticks));
    }

    /// <summary>As <see cref="HistogramReading.Quantile"/>, of buckets from anywhere: another daemon's, or the difference of two readings.</summary>
    /// <param name="bounds">Upper bounds.</param>
    /// <param name="counts">Records of each bucket alone: one for each bound, and one beyond.</param>
    /// <param name="share">0 to 1.</param>
    public static double? Quantile(ReadOnlySpan<double> bounds, IReadOnlyList<long> counts, double share)
    {
        var count = counts.Sum();
        if (count <= 0 || bounds.Length == 0) return null;
        var rank = share * count;
        var below = 0L;
        for (var bucket = 0; bucket < Math.Min(bounds.Length, counts.Count); bucket++)
        {
            if (below + counts[bucket] >= rank && counts[bucket] > 0)
            {
                var lower = bucket == 0 ? 0 : bounds[bucket - 1];
                return lower + (bounds[bucket] - lower) * ((rank - below) / counts[bucket]);
            }
            below += counts[bucket];
        }
        return bounds[^1];
    }

    /// <summary>What has been recorded so far.</summary>
    public HistogramReading Read()
    {
        var counts = new long[_counts.Length];
        for (var i = 0; i < counts.Length; i++) counts[i] = Interlocked.Read(ref _counts[i]);
        return new HistogramReading(counts, TimeSpan.FromTicks(Interlocked.Read(ref _ticks)));
    }
}

/// <summary>A histogram at one moment.</summary>
/// <param name="Counts">Records of each bucket alone (not cumulative), one per bound of <see cref="Histogram.Bounds"/> and one beyond.</param>
/// <param name="Sum">All durations together.</param>
internal sealed record HistogramReading(IReadOnlyList<long> Counts, TimeSpan Sum)
{
    /// <summary>Number of records.</summary>
    public long Count => Counts.Sum();

    /// <summary>
    /// The duration in seconds that the given share of records did not exceed, interpolated within its bucket as Prometheus' <c>histogram_quantile</c> does; null when there are none.
    /// </summary>
    /// <param name="share">0 to 1.</param>
    public double? Quantile(double share) => Histogram.Quantile(Histogram.Bounds, Counts, share);
}
