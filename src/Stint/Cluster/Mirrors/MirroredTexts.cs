using System.Collections.Concurrent;
using Stint.Cluster.Store;
using Stint.Files;
using Stint.Functions.Bundles;

namespace Stint.Cluster.Mirrors;

/// <summary>Parts of this daemon that are the same at all gateways. Each keeps its own copy on disk, from which it lives while the store is away.</summary>
/// <param name="store">The store.</param>
internal sealed class MirroredTexts(ClusterStore store)
{
    private readonly ConcurrentDictionary<string, Part> _parts = new(StringComparer.Ordinal);
    private readonly KeyedGate<string> _turns = new();

    /// <summary>Makes a part known.</summary>
    public void Share(string kind, ISharedPart part) => _parts[kind] = new Part(part);

    /// <summary>Brings all parts up to date. What the store never had is brought to it: of several gateways, the first one's.</summary>
    /// <param name="key">Opens and seals.</param>
    /// <param name="isWhole">Whether or not something has changed.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StoreException">The store is away.</exception>
    /// <exception cref="IOException">This machine's disk is full, for instance.</exception>
    public async Task FollowAsync(StoreKey key, bool isWhole, CancellationToken cancellationToken)
    {
        foreach (var (kind, part) in _parts)
        {
            var last = await store.Texts.LastChangeAsync(kind, cancellationToken).ConfigureAwait(false);
            if (!isWhole && last == Interlocked.Read(ref part.Seen) && last != 0) continue;
            if (last == 0)
            {
                if (part.Texts.Export().Count > 0) await ChangeAsync(key, kind, static () => true, cancellationToken).ConfigureAwait(false);
                continue;
            }
            using var turn = await _turns.EnterAsync(kind, cancellationToken).ConfigureAwait(false);
            // Again, in turn: a change of ours may have been meanwhile.
            last = await store.Texts.LastChangeAsync(kind, cancellationToken).ConfigureAwait(false);
            if (await store.Texts.ListAsync(key, kind, cancellationToken).ConfigureAwait(false) is { } texts) part.Texts.Adopt(texts);
            Interlocked.Exchange(ref part.Seen, last);
        }
    }

    /// <summary>Changes a part for all gateways.</summary>
    /// <exception cref="StoreException">The store is away: nothing is changed.</exception>
    public async Task<T> ChangeAsync<T>(StoreKey key, string kind, Func<T> change, CancellationToken cancellationToken)
    {
        var part = _parts[kind];
        using var turn = await _turns.EnterAsync(kind, cancellationToken).ConfigureAwait(false);
        var before = part.Texts.Export();
        try
        {
            return await store.Texts.ChangeAsync(key, kind, (texts, wasEver) =>
            {
                if (wasEver) part.Texts.Adopt(before = texts);
                var answer = change();
                return (part.Texts.Export(), answer);
            }, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            part.Texts.Adopt(before);
            throw;
        }
    }

    private sealed class Part(ISharedPart texts)
    {
        /// <summary>The last change that is in it.</summary>
        public long Seen;

        public ISharedPart Texts => texts;
    }
}
