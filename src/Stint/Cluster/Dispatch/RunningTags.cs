using System.Collections.Concurrent;

namespace Stint.Cluster.Dispatch;

/// <summary>Tags of the functions whose calls run, as scheduling scripts ask for them. Free of locks.</summary>
internal sealed class RunningTags
{
    private readonly ConcurrentDictionary<string, int> _calls = new(StringComparer.Ordinal);

    /// <summary>None runs.</summary>
    public bool IsEmpty => _calls.IsEmpty;

    /// <summary>Those that run now.</summary>
    public IEnumerable<string> Names => _calls.Keys;

    /// <summary>A call of a function with this tag begins; null: it has none.</summary>
    public void Begin(string? tag)
    {
        if (tag is not null) _calls.AddOrUpdate(tag, 1, static (_, count) => count + 1);
    }

    /// <summary>It has ended.</summary>
    public void End(string? tag)
    {
        if (tag is not null && _calls.AddOrUpdate(tag, 0, static (_, count) => count - 1) <= 0) _calls.TryRemove(new(tag, 0));
    }
}
