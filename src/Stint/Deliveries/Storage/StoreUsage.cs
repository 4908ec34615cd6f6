using System.Collections.Concurrent;
using Stint.Invocations;

namespace Stint.Deliveries.Storage;

/// <summary>How much is stored, by function. Written by the store, read by anybody.</summary>
internal sealed class StoreUsage
{
    private readonly ConcurrentDictionary<FunctionName, FunctionUsage> _functions = new();

    /// <summary>All functions that have had entries.</summary>
    public IEnumerable<KeyValuePair<FunctionName, FunctionUsage>> Functions => _functions;

    /// <summary>One function's.</summary>
    public FunctionUsage Of(FunctionName function) => _functions.GetOrAdd(function, static _ => new FunctionUsage());

    /// <summary>Bytes of all.</summary>
    public long Bytes
    {
        get
        {
            long sum = 0;
            foreach (var (_, usage) in _functions) sum += usage.Bytes;
            return sum;
        }
    }
}

/// <summary>One function's entries.</summary>
internal sealed class FunctionUsage
{
    private long _calls, _deadCalls, _deliveries, _deadDeliveries, _bytes;

    /// <summary>Calls that wait or run.</summary>
    public long Calls => Interlocked.Read(ref _calls);

    /// <summary>Calls that are dead letters.</summary>
    public long DeadCalls => Interlocked.Read(ref _deadCalls);

    /// <summary>Deliveries that wait or are tried.</summary>
    public long Deliveries => Interlocked.Read(ref _deliveries);

    /// <summary>Deliveries that are dead letters.</summary>
    public long DeadDeliveries => Interlocked.Read(ref _deadDeliveries);

    /// <summary>Bytes of all of them.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Counts entries that come (1) or go (−1).</summary>
    public void Count(bool isCall, bool isDead, long sign, long bytes)
    {
        ref var count = ref isCall ? ref isDead ? ref _deadCalls : ref _calls : ref isDead ? ref _deadDeliveries : ref _deliveries;
        Interlocked.Add(ref count, sign);
        Interlocked.Add(ref _bytes, sign * bytes);
    }
    /// <summary>Counts many at once.</summary>
    public void Add(long calls, long deadCalls, long deliveries, long deadDeliveries, long bytes)
    {
        Interlocked.Add(ref _calls, calls);
        Interlocked.Add(ref _deadCalls, deadCalls);
        Interlocked.Add(ref _deliveries, deliveries);
        Interlocked.Add(ref _deadDeliveries, deadDeliveries);
        Interlocked.Add(ref _bytes, bytes);
    }

    /// <summary>As somebody else has counted.</summary>
    public void Set(long calls, long deadCalls, long deliveries, long deadDeliveries, long bytes)
    {
        Interlocked.Exchange(ref _calls, calls);
        Interlocked.Exchange(ref _deadCalls, deadCalls);
        Interlocked.Exchange(ref _deliveries, deliveries);
        Interlocked.Exchange(ref _deadDeliveries, deadDeliveries);
        Interlocked.Exchange(ref _bytes, bytes);
    }
}
