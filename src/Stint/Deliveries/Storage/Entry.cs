using Stint.Invocations;

namespace Stint.Deliveries.Storage;

/// <summary>What is stored until it has been done: an asynchronous call, or a delivery.</summary>
/// <param name="Kind"><see cref="CallKind"/>, or the name of an <see cref="IDeliveryKind"/>.</param>
/// <param name="Lane">Entries of one lane are worked on together, if need be one after another.</param>
/// <param name="Function">Whose it is.</param>
/// <param name="Id">Unique in its lane.</param>
/// <param name="CallId">The call's identity.</param>
/// <param name="Head">Everything but the body, as the owner of the kind writes it.</param>
/// <param name="Body">The body; empty when it is in a file.</param>
/// <param name="File">The body's file, by <see cref="IBodyStore"/>; null when the body is in <paramref name="Body"/>.</param>
/// <param name="Length">Bytes of the body.</param>
/// <param name="KeepsId">The identity is remembered for a while when it has been done: it is the caller's own, who may use it again for the same call.</param>
/// <param name="Accepted">When it was accepted.</param>
internal sealed record Entry(
    string Kind, string Lane, FunctionName Function, string Id, string CallId, byte[] Head, ReadOnlyMemory<byte> Body, string? File, long Length, bool KeepsId, DateTimeOffset Accepted)
{
    /// <summary>The kind of asynchronous calls.</summary>
    public const string CallKind = "call";

    /// <summary>Whether it is an asynchronous call.</summary>
    public bool IsCall => Kind == CallKind;

    /// <summary>Bytes that it takes up, roughly.</summary>
    public long Size => Head.Length + Length;
}

/// <summary>An entry that somebody holds the lease of.</summary>
/// <param name="Number">The store's number; grows with time, is not used twice.</param>
/// <param name="Entry">The entry.</param>
/// <param name="Attempts">Tries, the one that begins now included.</param>
/// <param name="Failures">Tries that were the entry's own failures, not the platform's.</param>
/// <param name="Owner">Who holds it, as <see cref="Lease"/> said.</param>
internal sealed record Claimed(long Number, Entry Entry, int Attempts, int Failures, string Owner);

/// <summary>On whose behalf, and for how long, entries are held. Who does not renew in time has lost them to whoever asks next.</summary>
/// <param name="Owner">The daemon's run.</param>
/// <param name="Now">The time.</param>
/// <param name="Until">When the lease ends.</param>
internal readonly record struct Lease(string Owner, DateTimeOffset Now, DateTimeOffset Until);

/// <summary>How a try ended, for the store.</summary>
internal abstract record Ending
{
    private Ending() { }

    /// <summary>Done. Together with it, or not at all, these deliveries are added.</summary>
    internal sealed record Done(IReadOnlyList<Entry> Then) : Ending;

    /// <summary>To be tried again, not before <paramref name="Due"/>.</summary>
    /// <param name="Due">The moment.</param>
    /// <param name="IsFailure">It was the entry's own failure.</param>
    /// <param name="Status">The last status, if there was one.</param>
    /// <param name="Reason">Why, in one line.</param>
    internal sealed record Later(DateTimeOffset Due, bool IsFailure, int? Status, string Reason) : Ending;

    /// <summary>Never to be tried again unless somebody says so: a dead letter. Together with it these deliveries are added.</summary>
    internal sealed record Dead(int? Status, string Reason, IReadOnlyList<Entry> Then) : Ending;

    /// <summary>It was not tried at all.</summary>
    internal sealed record Untried : Ending;
}

/// <summary>What became of an entry that was to be added.</summary>
internal enum Addition
{
    /// <summary>It is stored.</summary>
    Added,

    /// <summary>An entry of that identity is there already, or was until lately.</summary>
    Known,

    /// <summary>The function has as many entries, or bytes, as it may have.</summary>
    TooMany,
}

/// <summary>An entry as people see it.</summary>
internal sealed record EntryView
{
    /// <summary>The store's number.</summary>
    public required long Number { get; init; }

    /// <summary><see cref="Entry.Kind"/>.</summary>
    public required string Kind { get; init; }

    /// <summary><see cref="Entry.Function"/>.</summary>
    public required FunctionName Function { get; init; }

    /// <summary><see cref="Entry.Id"/>.</summary>
    public required string Id { get; init; }

    /// <summary><see cref="Entry.CallId"/>.</summary>
    public required string CallId { get; init; }

    /// <summary>Whether it is a dead letter; else it waits or runs.</summary>
    public required bool IsDead { get; init; }

    /// <summary>Whether somebody holds its lease.</summary>
    public required bool IsRunning { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset Accepted { get; init; }

    /// <summary>When it is tried next, if it waits.</summary>
    public required DateTimeOffset Due { get; init; }

    /// <summary>When it died.</summary>
    public DateTimeOffset? Ended { get; init; }

    /// <summary>Tries so far.</summary>
    public required int Attempts { get; init; }

    /// <summary>The last status.</summary>
    public int? Status { get; init; }

    /// <summary>Why the last try did not do.</summary>
    public string? Reason { get; init; }

    /// <summary>Bytes of the body.</summary>
    public required long Length { get; init; }
}

/// <summary>Which entries are meant.</summary>
/// <param name="Function">Only this function's.</param>
/// <param name="Id">Only of this call, or delivery.</param>
/// <param name="IsDead">Only dead letters, or only the others.</param>
internal sealed record EntryFilter(FunctionName? Function = null, string? Id = null, bool? IsDead = null);
