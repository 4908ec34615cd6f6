namespace Stint.Management;

/// <summary>Asynchronous calls that wait, run or are dead letters, and deliveries of results likewise.</summary>
/// <param name="Entries">The oldest first.</param>
/// <param name="IsCut">There are more than were asked for.</param>
internal sealed record AsyncListView(IReadOnlyList<AsyncEntryView> Entries, bool IsCut);

/// <summary>One of them.</summary>
internal sealed record AsyncEntryView
{
    /// <summary>A call's <c>X-Call-Id</c>; a delivery's own identity.</summary>
    public required string Id { get; init; }

    /// <summary>The <c>X-Call-Id</c> of the call.</summary>
    public required string CallId { get; init; }

    /// <summary><c>call</c>, or a kind of delivery: <c>callback</c> …</summary>
    public required string Kind { get; init; }

    /// <summary>The function's full name.</summary>
    public required string Function { get; init; }

    /// <summary><c>waiting</c>, <c>running</c> or <c>dead</c>.</summary>
    public required string State { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset Accepted { get; init; }

    /// <summary>When it is tried next; null unless it waits.</summary>
    public DateTimeOffset? Due { get; init; }

    /// <summary>When it became a dead letter.</summary>
    public DateTimeOffset? Died { get; init; }

    /// <summary>Tries so far.</summary>
    public required int Attempts { get; init; }

    /// <summary>The last status; null when there was none.</summary>
    public int? Status { get; init; }

    /// <summary>Why the last try did not do.</summary>
    public string? Reason { get; init; }

    /// <summary>Bytes of the body.</summary>
    public required long Bytes { get; init; }
}

/// <summary>Those of one identity, whole.</summary>
internal sealed record AsyncDetailsView(IReadOnlyList<AsyncDetailView> Entries);

/// <summary>One of them, whole.</summary>
internal sealed record AsyncDetailView
{
    /// <summary>What the list shows.</summary>
    public required AsyncEntryView Entry { get; init; }

    /// <summary>A call's method.</summary>
    public string? Method { get; init; }

    /// <summary>A call's path after the function's name, with its query.</summary>
    public string? Target { get; init; }

    /// <summary>A call's headers; of a delivery its target as its kind writes it, and the result's status.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    /// <summary>The first 64 KiB of the body.</summary>
    public required byte[] Body { get; init; }
}

/// <summary>How many entries were meant.</summary>
internal sealed record AsyncCountView(int Count);
