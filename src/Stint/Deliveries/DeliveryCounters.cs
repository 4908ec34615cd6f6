using System.Collections.Concurrent;

namespace Stint.Deliveries;

/// <summary>Counts by a name: a kind of delivery, or a function.</summary>
internal sealed class DeliveryCounters
{
    private readonly ConcurrentDictionary<string, DeliveryCounter> _counters = new(StringComparer.Ordinal);

    /// <summary>All that were ever asked for, by name.</summary>
    public IEnumerable<KeyValuePair<string, DeliveryCounter>> All => _counters.OrderBy(static entry => entry.Key, StringComparer.Ordinal);

    /// <summary>One name's.</summary>
    public DeliveryCounter Of(string name) => _counters.GetOrAdd(name, static _ => new DeliveryCounter());

    /// <summary>Forgets a name.</summary>
    public void Forget(string name) => _counters.TryRemove(name, out _);
}

/// <summary>What became of what was accepted, since the daemon's start.</summary>
internal sealed class DeliveryCounter
{
    private long _accepted, _done, _retried, _dead, _refused;

    /// <summary>Accepted.</summary>
    public long AcceptedCount => Interlocked.Read(ref _accepted);

    /// <summary>Done.</summary>
    public long DoneCount => Interlocked.Read(ref _done);

    /// <summary>Tries that were put off.</summary>
    public long RetriedCount => Interlocked.Read(ref _retried);

    /// <summary>Dead letters.</summary>
    public long DeadCount => Interlocked.Read(ref _dead);

    /// <summary>Not accepted, for want of room.</summary>
    public long RefusedCount => Interlocked.Read(ref _refused);

    /// <summary>One more.</summary>
    public void Accepted() => Interlocked.Increment(ref _accepted);

    /// <inheritdoc cref="Accepted"/>
    public void Done() => Interlocked.Increment(ref _done);

    /// <inheritdoc cref="Accepted"/>
    public void Retried() => Interlocked.Increment(ref _retried);

    /// <inheritdoc cref="Accepted"/>
    public void Died() => Interlocked.Increment(ref _dead);

    /// <inheritdoc cref="Accepted"/>
    public void Refused() => Interlocked.Increment(ref _refused);
}
