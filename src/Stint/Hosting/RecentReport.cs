using Stint.Cluster.Nodes;

namespace Stint.Hosting;

/// <summary>The last report of this machine's load, for those who need it for each call. In a cluster one is made each second; elsewhere whoever finds it too old has another one made.</summary>
/// <param name="make">Makes a report, and puts it here.</param>
/// <param name="time">The clock.</param>
internal sealed class RecentReport(Func<NodeReport> make, TimeProvider time)
{
    /// <summary>How old a report may be: twice what lies between two.</summary>
    public static readonly TimeSpan Age = TimeSpan.FromSeconds(2);

    private volatile Entry? _last;
    private int _isMaking;

    /// <summary>A report was made.</summary>
    public void Put(NodeReport report) => _last = new Entry(report, time.GetTimestamp());

    /// <summary>The last one, or a new one. While one caller makes that, others have the last one.</summary>
    public NodeReport Read()
    {
        if (_last is not { } last) return make();
        if (time.GetElapsedTime(last.At) <= Age || Interlocked.Exchange(ref _isMaking, 1) == 1) return last.Report;
        try
        {
            return make();
        }
        finally
        {
            Volatile.Write(ref _isMaking, 0);
        }
    }

    private sealed record Entry(NodeReport Report, long At);
}
