using Stint.Invocations;

namespace Stint.Deliveries.Storage;

/// <summary>
/// Keeps entries until they have been done, through anything but the loss of the disk. When a task that changes something has ended well, the change is durable. Several daemons may share one:
/// what is worked on is claimed for a time. All tasks may fail with <see cref="StoreException"/>.
/// </summary>
internal interface IEntryStore : IAsyncDisposable
{
    /// <summary>What there is, by function; read without waiting.</summary>
    StoreUsage Usage { get; }

    /// <summary>Adds entries, all or none; the answer is for each.</summary>
    Task<IReadOnlyList<Addition>> AddAsync(IReadOnlyList<Entry> entries);

    /// <summary>Transactions so far, and changes in them.</summary>
    (long Commits, long Changes) Counters { get; }

    /// <summary>Other daemons add entries and let go of them: how often to look for lanes that nobody here was told of; null when the store is this daemon's own.</summary>
    TimeSpan? LookEvery { get; }

    /// <summary>Lanes that have entries to be done.</summary>
    /// <param name="waiting">Only those with an entry that has been due for so long and that nobody has taken; null = all.</param>
    Task<IReadOnlyList<LaneKey>> LanesAsync(TimeSpan? waiting = null);

    /// <summary>Takes entries of a lane that are due, the oldest first, until their bodies get many.</summary>
    /// <param name="lane">The lane.</param>
    /// <param name="ordered">No entry is taken before one that was added before it.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="lease">For whom and how long.</param>
    Task<IReadOnlyList<Claimed>> ClaimAsync(string lane, bool ordered, int limit, Lease lease);

    /// <summary>When an entry of a lane is due, or a lease ends; null when the lane is empty.</summary>
    Task<DateTimeOffset?> NextDueAsync(string lane, bool ordered);

    /// <summary>Holds entries for longer.</summary>
    Task RenewAsync(IReadOnlyList<long> numbers, Lease lease);

    /// <summary>
    /// Says how a try ended, and what became of what was to be added with it. An entry that somebody has removed meanwhile stays removed, and nothing is added. Who has lost the lease to another may
    /// still say that it is done; anything else is the other's to say.
    /// </summary>
    Task<IReadOnlyList<Addition>> EndAsync(Claimed claimed, Ending ending);

    /// <summary>Makes dead letters of what waits for a function, deliveries excepted. Says how many.</summary>
    Task<int> BuryCallsAsync(FunctionName function, string reason);

    /// <summary>Forgets identities and dead letters that have been kept long enough.</summary>
    Task SweepAsync();

    /// <summary>Entries, the oldest first, those that are done excepted.</summary>
    Task<IReadOnlyList<EntryView>> ListAsync(EntryFilter filter, int limit);

    /// <summary>The whole entry; null when it has gone.</summary>
    Task<Entry?> ReadAsync(long number);

    /// <summary>Has dead letters tried again as if they were new, and what waits for another try at once; says how many, and of which lanes.</summary>
    Task<(int Count, IReadOnlyList<LaneKey> Lanes)> ReviveAsync(EntryFilter filter);

    /// <summary>When the oldest call of each function that has one was accepted.</summary>
    Task<IReadOnlyList<(FunctionName Function, DateTimeOffset Accepted)>> OldestCallsAsync();

    /// <summary>Removes entries for good; says how many. Those that run are not stopped, and not removed.</summary>
    Task<int> DropAsync(EntryFilter filter);
}

/// <summary>A lane, with what is needed to work on it.</summary>
/// <param name="Lane">Its name.</param>
/// <param name="Kind">The kind of its entries.</param>
/// <param name="Function">The function of one of its entries; of all of them if they are calls.</param>
internal readonly record struct LaneKey(string Lane, string Kind, FunctionName Function);
