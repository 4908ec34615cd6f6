using Stint.Invocations;

namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>The statements that change entries, prepared once. <c>state</c>: 0 to be done, 1 dead letter, 2 done and remembered.</summary>
internal sealed class EntryStatements(SqliteDatabase database)
{
    /// <summary>What <see cref="Read"/> reads.</summary>
    public const string Columns = "number, kind, lane, function, id, call, accepted, attempts, failures, keep, head, body, file, length, due";

    /// <summary>The index of <c>due</c> among them.</summary>
    public const int DueColumn = 14;

    private readonly SqliteStatement _insert = database.Prepare("""
        INSERT INTO entries(number, kind, lane, function, id, call, state, accepted, due, attempts, failures, keep, head, body, file, length)
        VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?7, 0, 0, ?8, ?9, ?10, ?11, ?12)
        """);

    private readonly SqliteStatement _byNumber = database.Prepare($"SELECT {RowColumns} FROM entries WHERE number = ?1");
    private readonly SqliteStatement _byId = database.Prepare($"SELECT {RowColumns} FROM entries WHERE lane = ?1 AND id = ?2");

    private const string RowColumns = "number, kind, lane, function, state, keep, file, length + coalesce(length(head), 0), owner";

    /// <summary>The connection.</summary>
    public SqliteDatabase Database => database;

    /// <summary>Entries of lane 1 that are due at 3, at most 2.</summary>
    public SqliteStatement ByDue { get; } = database.Prepare($"SELECT {Columns} FROM entries WHERE lane = ?1 AND state = 0 AND due <= ?3 ORDER BY due, number LIMIT ?2");

    /// <summary>Entries of lane 1 in the order of their addition, at most 2.</summary>
    public SqliteStatement InOrder { get; } = database.Prepare($"SELECT {Columns} FROM entries WHERE lane = ?1 AND state = 0 ORDER BY number LIMIT ?2");

    /// <summary>Entry 1 for owner 2 until 3.</summary>
    public SqliteStatement Claim { get; } = database.Prepare("UPDATE entries SET owner = ?2, due = ?3, attempts = attempts + 1 WHERE number = ?1");

    /// <summary>The same, if it is the owner's still.</summary>
    public SqliteStatement Renew { get; } = database.Prepare("UPDATE entries SET due = ?3 WHERE number = ?1 AND owner = ?2 AND state = 0");

    /// <summary>Entry 1 untried.</summary>
    public SqliteStatement Release { get; } = database.Prepare("UPDATE entries SET owner = NULL, due = accepted, attempts = attempts - 1 WHERE number = ?1");

    /// <summary>Entry 1 at 2, with failures 3, status 4, reason 5.</summary>
    public SqliteStatement Postpone { get; } = database.Prepare("UPDATE entries SET owner = NULL, due = ?2, failures = failures + ?3, status = ?4, reason = ?5 WHERE number = ?1");

    /// <summary>Entry 1 is dead since 2, with status 3 and reason 4.</summary>
    public SqliteStatement Bury { get; } = database.Prepare("UPDATE entries SET state = 1, owner = NULL, ended = ?2, status = ?3, reason = ?4 WHERE number = ?1");

    /// <summary>Entry 1 as good as new since 2.</summary>
    public SqliteStatement Revive { get; } = database.Prepare("UPDATE entries SET state = 0, owner = NULL, accepted = ?2, due = ?2, attempts = 0, failures = 0, ended = NULL WHERE number = ?1");

    /// <summary>Entry 1 is due.</summary>
    public SqliteStatement Hasten { get; } = database.Prepare("UPDATE entries SET due = accepted WHERE number = ?1");

    /// <summary>Of entry 1 only the identity is kept, since 2.</summary>
    public SqliteStatement Remember { get; } = database.Prepare("UPDATE entries SET state = 2, owner = NULL, ended = ?2, head = NULL, body = NULL, file = NULL, length = 0, status = NULL, reason = NULL WHERE number = ?1");

    /// <summary>Entry 1 has gone.</summary>
    public SqliteStatement Delete { get; } = database.Prepare("DELETE FROM entries WHERE number = ?1");

    /// <summary>Adds an entry.</summary>
    public void Insert(long number, Entry entry, long accepted)
    {
        _insert.Bind(1, number).Bind(2, entry.Kind).Bind(3, entry.Lane).Bind(4, entry.Function.ToString()).Bind(5, entry.Id).Bind(6, entry.CallId).Bind(7, accepted)
            .Bind(8, entry.KeepsId ? 1 : 0).Bind(9, entry.Head);
        if (entry.File is null) _insert.Bind(10, entry.Body.Span);
        _insert.Bind(11, entry.File).Bind(12, entry.Length).Run();
    }

    /// <summary>What is needed to change an entry; null when it has gone.</summary>
    public EntryRow? Find(long number) => First(_byNumber.Bind(1, number));

    /// <inheritdoc cref="Find(long)"/>
    public EntryRow? Find(string lane, string id) => First(_byId.Bind(1, lane).Bind(2, id));

    /// <summary>All entries that fulfil a condition.</summary>
    public IReadOnlyList<EntryRow> Select(string where, Action<SqliteStatement> bind)
    {
        using var rows = database.PrepareOnce($"SELECT {RowColumns} FROM entries WHERE {where}");
        bind(rows);
        var found = new List<EntryRow>();
        while (rows.Step()) found.Add(ReadRow(rows));
        return found;
    }

    /// <summary>The condition of a filter; done entries are never meant. Its values are for <see cref="Bind"/>.</summary>
    public static string Where(EntryFilter filter) => string.Join(" AND", new[]
    {
        filter.IsDead switch { null => "state <> 2", true => "state = 1", false => "state = 0" },
        filter.Function is null ? null : " function = ?1",
        filter.Id is null ? null : " (id = ?2 OR call = ?2)",
    }.OfType<string>());

    /// <summary>Binds what <see cref="Where"/> asks for.</summary>
    public static void Bind(SqliteStatement statement, EntryFilter filter)
    {
        if (filter.Function is { } function) statement.Bind(1, function.ToString());
        if (filter.Id is { } id) statement.Bind(2, id);
    }

    /// <summary>Reads <see cref="Columns"/>.</summary>
    public static Claimed Read(SqliteStatement row) => new(row.Int64(0), new Entry(
        row.Text(1), row.Text(2), Name(row.Text(3)), row.Text(4), row.Text(5), row.Blob(10), row.Blob(11), row.TextOrNull(12), row.Int64(13), row.Int64(9) != 0, Time(row.Int64(6))),
        (int)row.Int64(7), (int)row.Int64(8), Owner: "");

    /// <summary>Reads what a list shows.</summary>
    public static EntryView ReadView(SqliteStatement row) => new()
    {
        Number = row.Int64(0),
        Kind = row.Text(1),
        Function = Name(row.Text(2)),
        Id = row.Text(3),
        CallId = row.Text(4),
        IsDead = row.Int64(5) == 1,
        Accepted = Time(row.Int64(6)),
        Due = Time(row.Int64(7)),
        IsRunning = !row.IsNull(8),
        Attempts = (int)row.Int64(9),
        Status = (int?)row.Int64OrNull(10),
        Reason = row.TextOrNull(11),
        Ended = row.Int64OrNull(12) is { } ended ? Time(ended) : null,
        Length = row.Int64(13),
    };

    /// <summary>A function's name out of the file.</summary>
    public static FunctionName Name(string text) => FunctionName.TryParse(text, out var name) ? name : default;

    private static DateTimeOffset Time(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

    private static EntryRow? First(SqliteStatement rows)
    {
        EntryRow? row = rows.Step() ? ReadRow(rows) : null;
        rows.Reset();
        return row;
    }

    private static EntryRow ReadRow(SqliteStatement row) =>
        new(row.Int64(0), row.Text(1), row.Text(2), Name(row.Text(3)), (int)row.Int64(4), row.Int64(5) != 0, row.TextOrNull(6), row.Int64(7), row.TextOrNull(8));
}

/// <summary>What is needed to change an entry.</summary>
internal sealed record EntryRow(long Number, string Kind, string Lane, FunctionName Function, int State, bool KeepsId, string? File, long Size, string? Owner)
{
    /// <summary>Whether it is an asynchronous call.</summary>
    public bool IsCall => Kind == Entry.CallKind;

    /// <summary>It is to be done.</summary>
    public bool IsOpen => State == 0;

    /// <summary>It is a dead letter.</summary>
    public bool IsDead => State == 1;

    /// <summary>It was done, and only its identity is left.</summary>
    public bool IsDone => State == 2;
}
