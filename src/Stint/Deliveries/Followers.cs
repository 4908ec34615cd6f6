using System.Collections.Frozen;
using Stint.Invocations;

namespace Stint.Deliveries;

/// <summary>What is to be delivered after a call that was answered with a status from 200 to 299; empty for nothing. Called for each such call; must not block.</summary>
internal delegate IReadOnlyList<Delivery> CallFollower(Invocation call, CallResult result);

/// <summary>A whole answer, kept after its call.</summary>
/// <param name="Status">The function's status.</param>
/// <param name="ContentType">The function's own, or null.</param>
/// <param name="Body">The body.</param>
/// <param name="Took">How long the call ran.</param>
internal sealed record CallResult(int Status, string? ContentType, ReadOnlyMemory<byte> Body, TimeSpan Took);

/// <summary>Which functions' calls are followed by deliveries. Reading is free of locks; a function without followers costs one look into a table that is null when there are none at all.</summary>
internal sealed class Followers
{
    private readonly Lock _lock = new();
    private volatile FrozenDictionary<FunctionName, CallFollower>? _table;

    /// <summary>What follows a function's calls from now on; null for nothing.</summary>
    public void Set(FunctionName function, CallFollower? follower)
    {
        lock (_lock)
        {
            var entries = _table?.ToDictionary() ?? [];
            if (follower is null) entries.Remove(function);
            else entries[function] = follower;
            _table = entries.Count == 0 ? null : entries.ToFrozenDictionary();
        }
    }

    /// <summary>What follows a function's calls; null for nothing.</summary>
    public CallFollower? Find(FunctionName function) => _table is { } table && table.TryGetValue(function, out var follower) ? follower : null;
}
