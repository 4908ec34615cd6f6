namespace Stint.Cluster.Dispatch;

/// <summary>Tries of calls on workers by what became of them. Free of locks.</summary>
internal sealed class FateCounts
{
    /// <summary>All that there are.</summary>
    public static readonly IReadOnlyList<CallFate> Fates = Enum.GetValues<CallFate>();

    private readonly long[] _counts = new long[Fates.Count];

    /// <summary>Those that ended so.</summary>
    public long this[CallFate fate] => Interlocked.Read(ref _counts[(int)fate]);

    /// <summary>Counts one.</summary>
    public void Add(CallFate fate) => Interlocked.Increment(ref _counts[(int)fate]);
}
