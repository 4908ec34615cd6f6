using Stint.Invocations;

namespace Stint.Deliveries.Storage.Sqlite;

/// <summary>
/// Entries in a SQLite file of this daemon's own: a write-ahead log that is flushed with every commit, one thread that changes it (<see cref="CommitThread"/>), one connection that only reads.
/// </summary>
internal sealed class SqliteEntryStore : IEntryStore
{
    /// <summary>Bytes of bodies that one claim takes into memory, the first one excepted.</summary>
    private const long MaxClaimedBytes = 1024 * 1024;

    /// <summary>Rows that one sweep removes, so that it does not keep callers waiting.</summary>
    private const int SweepRows = 2000;

    private readonly CommitThread _commits;
    private readonly SqliteDatabase _reader;
    private readonly SemaphoreSlim _reading = new(1);
    private readonly EntryStatements _sql;
    private readonly BodyFiles _files;
    private readonly StoreLimits _limits;
    private readonly TimeProvider _time;
    private readonly string _path;

    // Of the transaction that runs; the thread's own.
    private readonly List<UsageChange> _usageChanges = [];
    private readonly List<string> _unneeded = [];
    private long _lastNumber;
    private long? _room;
    private bool _isDisposed;

    private SqliteEntryStore(SqliteDatabase writer, SqliteDatabase reader, string path, BodyFiles files, StoreLimits limits, TimeProvider time)
    {
        (_reader, _path, _files, _limits, _time) = (reader, path, files, limits, time);
        _sql = new EntryStatements(writer);
        _lastNumber = writer.ReadNumber("SELECT max(number) FROM entries");
        CountAll(writer);
        _commits = new CommitThread(writer, Committed, Undo, Describe);
    }

    /// <inheritdoc/>
    public StoreUsage Usage { get; } = new();

    /// <inheritdoc/>
    public TimeSpan? LookEvery => null;

    /// <inheritdoc/>
    public (long Commits, long Changes) Counters => (_commits.Commits, _commits.Changes);

    /// <summary>Opens the file, or makes it. Leases of an earlier run end: the state folder's lock says that its daemon is gone.</summary>
    /// <exception cref="StoreException">It cannot be used.</exception>
    /// <exception cref="SqliteException">It is damaged.</exception>
    public static SqliteEntryStore Open(string path, BodyFiles files, StoreLimits limits, TimeProvider time)
    {
        SqliteDatabase? writer = null, reader = null;
        try
        {
            writer = new SqliteDatabase(path);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            // FULL: the log is flushed with every commit. The cache is small because rows are written once, read once.
            writer.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -1024; PRAGMA wal_autocheckpoint = 1000");
            if (writer.ReadText("PRAGMA quick_check(1)") is var check && check != "ok") throw new SqliteException(SqliteLibrary.Corrupt, check);
            SqliteSchema.Migrate(writer, path);
            writer.Execute("UPDATE entries SET owner = NULL, due = accepted WHERE owner IS NOT NULL AND state = 0");
            files.Sweep(Names(writer));
            reader = new SqliteDatabase(path, readOnly: true);
            reader.Execute("PRAGMA cache_size = -256");
            return new SqliteEntryStore(writer, reader, path, files, limits, time);
        }
        catch
        {
            reader?.Dispose();
            writer?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Addition>> AddAsync(IReadOnlyList<Entry> entries) => _commits.RunAsync<IReadOnlyList<Addition>>(() =>
    {
        RequireRoom(entries);
        var added = new Addition[entries.Count];
        for (var i = 0; i < added.Length; i++) added[i] = Add(entries[i]);
        return added;
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<LaneKey>> LanesAsync(TimeSpan? waiting = null) => ReadAsync<IReadOnlyList<LaneKey>>(database =>
    {
        using var rows = database.PrepareOnce("SELECT lane, kind, function FROM entries WHERE state = 0 AND due <= ?1 GROUP BY lane");
        rows.Bind(1, waiting is { } some ? Milliseconds(_time.GetUtcNow() - some) : long.MaxValue);
        var lanes = new List<LaneKey>();
        while (rows.Step()) lanes.Add(new LaneKey(rows.Text(0), rows.Text(1), EntryStatements.Name(rows.Text(2))));
        return lanes;
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<Claimed>> ClaimAsync(string lane, bool ordered, int limit, Lease lease) => _commits.RunAsync<IReadOnlyList<Claimed>>(() =>
    {
        var claimed = new List<Claimed>();
        var now = Milliseconds(lease.Now);
        var rows = ordered ? _sql.InOrder : _sql.ByDue;
        rows.Reset().Bind(1, lane).Bind(2, limit);
        if (!ordered) rows.Bind(3, now);
        for (long bytes = 0; bytes < MaxClaimedBytes && rows.Step();)
        {
            // In order, what is not due holds up what comes after it.
            if (rows.Int64(EntryStatements.DueColumn) > now) break;
            var entry = EntryStatements.Read(rows);
            claimed.Add(entry with { Attempts = entry.Attempts + 1, Owner = lease.Owner });
            bytes += entry.Entry.Body.Length;
        }
        rows.Reset();
        foreach (var entry in claimed) _sql.Claim.Bind(1, entry.Number).Bind(2, lease.Owner).Bind(3, Milliseconds(lease.Until)).Run();
        return claimed;
    });

    /// <inheritdoc/>
    public Task<DateTimeOffset?> NextDueAsync(string lane, bool ordered) => ReadAsync<DateTimeOffset?>(database =>
    {
        using var rows = database.PrepareOnce(ordered
            ? "SELECT due FROM entries WHERE lane = ?1 AND state = 0 ORDER BY number LIMIT 1"
            : "SELECT min(due) FROM entries WHERE lane = ?1 AND state = 0");
        return rows.Bind(1, lane).Step() && !rows.IsNull(0) ? DateTimeOffset.FromUnixTimeMilliseconds(rows.Int64(0)) : null;
    });

    /// <inheritdoc/>
    public Task RenewAsync(IReadOnlyList<long> numbers, Lease lease) => _commits.RunAsync(() =>
    {
        foreach (var number in numbers) _sql.Renew.Bind(1, number).Bind(2, lease.Owner).Bind(3, Milliseconds(lease.Until)).Run();
        return numbers.Count;
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<Addition>> EndAsync(Claimed claimed, Ending ending) => _commits.RunAsync<IReadOnlyList<Addition>>(() =>
    {
        var number = claimed.Number;
        if (_sql.Find(number) is not { IsOpen: true } row || row.Owner != claimed.Owner && ending is not Ending.Done) return [];
        IReadOnlyList<Entry> then = [];
        switch (ending)
        {
            case Ending.Done done:
                Finish(row);
                then = done.Then;
                break;
            case Ending.Later later:
                _sql.Postpone.Bind(1, number).Bind(2, Milliseconds(later.Due)).Bind(3, later.IsFailure ? 1 : 0).Bind(4, later.Status).Bind(5, later.Reason).Run();
                break;
            case Ending.Dead dead:
                Bury(row, dead.Status, dead.Reason);
                then = dead.Then;
                break;
            case Ending.Untried:
                _sql.Release.Bind(1, number).Run();
                break;
        }
        return [.. then.Select(Add)];
    });

    /// <inheritdoc/>
    public Task<int> BuryCallsAsync(FunctionName function, string reason) => _commits.RunAsync(() =>
    {
        var rows = _sql.Select("function = ?1 AND kind = 'call' AND state = 0 AND owner IS NULL", statement => statement.Bind(1, function.ToString()));
        foreach (var row in rows) Bury(row, null, reason);
        return rows.Count;
    });

    /// <inheritdoc/>
    public async Task SweepAsync()
    {
        while (await _commits.RunAsync(SweepSome).ConfigureAwait(false) >= SweepRows) { }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<EntryView>> ListAsync(EntryFilter filter, int limit) => ReadAsync<IReadOnlyList<EntryView>>(database =>
    {
        using var rows = database.PrepareOnce($"""
            SELECT number, kind, function, id, call, state, accepted, due, owner, attempts, status, reason, ended, length FROM entries
            WHERE {EntryStatements.Where(filter)} ORDER BY number LIMIT {limit}
            """);
        EntryStatements.Bind(rows, filter);
        var views = new List<EntryView>();
        while (rows.Step()) views.Add(EntryStatements.ReadView(rows));
        return views;
    });

    /// <inheritdoc/>
    public Task<Entry?> ReadAsync(long number) => ReadAsync(database =>
    {
        using var rows = database.PrepareOnce($"SELECT {EntryStatements.Columns} FROM entries WHERE number = ?1 AND state <> 2");
        return rows.Bind(1, number).Step() ? EntryStatements.Read(rows).Entry : null;
    });

    /// <inheritdoc/>
    public Task<(int Count, IReadOnlyList<LaneKey> Lanes)> ReviveAsync(EntryFilter filter) => _commits.RunAsync<(int, IReadOnlyList<LaneKey>)>(() =>
    {
        var rows = _sql.Select(EntryStatements.Where(filter) + " AND owner IS NULL", statement => EntryStatements.Bind(statement, filter));
        foreach (var row in rows)
        {
            if (row.IsDead) Revive(row);
            else _sql.Hasten.Bind(1, row.Number).Run();
        }
        return (rows.Count, [.. rows.Select(static row => new LaneKey(row.Lane, row.Kind, row.Function)).Distinct()]);
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<(FunctionName Function, DateTimeOffset Accepted)>> OldestCallsAsync()
    {
        var functions = Usage.Functions.Where(static entry => entry.Value.Calls > 0).Select(static entry => entry.Key).ToList();
        return ReadAsync<IReadOnlyList<(FunctionName, DateTimeOffset)>>(database =>
        {
            using var rows = database.PrepareOnce("SELECT accepted FROM entries WHERE lane = ?1 AND state = 0 ORDER BY number LIMIT 1");
            var oldest = new List<(FunctionName, DateTimeOffset)>();
            foreach (var function in functions)
                if (rows.Reset().Bind(1, $"{Entry.CallKind}:{function}").Step()) oldest.Add((function, DateTimeOffset.FromUnixTimeMilliseconds(rows.Int64(0))));
            return oldest;
        });
    }

    /// <inheritdoc/>
    public Task<int> DropAsync(EntryFilter filter) => _commits.RunAsync(() =>
    {
        var rows = _sql.Select(EntryStatements.Where(filter) + " AND owner IS NULL", statement => EntryStatements.Bind(statement, filter));
        foreach (var row in rows) Remove(row);
        return rows.Count;
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        await _reading.WaitAsync().ConfigureAwait(false);
        _reader.Dispose();
        _reading.Dispose();
        // Last: whoever closes last moves the log into the file, and a connection that only reads cannot.
        await _commits.DisposeAsync().ConfigureAwait(false);
    }

    private static long Milliseconds(DateTimeOffset time) => time.ToUnixTimeMilliseconds();

    private static HashSet<string> Names(SqliteDatabase database)
    {
        using var rows = database.PrepareOnce("SELECT file FROM entries WHERE file IS NOT NULL");
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (rows.Step()) names.Add(rows.Text(0));
        return names;
    }

    private void CountAll(SqliteDatabase database)
    {
        using var rows = database.PrepareOnce("SELECT function, kind = 'call', state, count(*), sum(length + coalesce(length(head), 0)) FROM entries WHERE state <> 2 GROUP BY 1, 2, 3");
        while (rows.Step())
        {
            var usage = Usage.Of(EntryStatements.Name(rows.Text(0)));
            for (var i = 1L; i < rows.Int64(3); i++) usage.Count(rows.Int64(1) != 0, rows.Int64(2) != 0, 1, 0);
            usage.Count(rows.Int64(1) != 0, rows.Int64(2) != 0, 1, rows.Int64(4));
        }
    }

    private Addition Add(Entry entry)
    {
        if (_sql.Find(entry.Lane, entry.Id) is { } known)
        {
            if (entry.File is { } copy) _unneeded.Add(copy);
            if (!known.IsDead) return Addition.Known;
            // Whoever sends a call again whose first try is a dead letter wants it done.
            Revive(known);
            return Addition.Added;
        }
        var usage = Usage.Of(entry.Function);
        if ((entry.IsCall ? usage.Calls >= _limits.Calls : usage.Deliveries >= _limits.Deliveries) || usage.Bytes + entry.Size > _limits.FunctionBytes || Usage.Bytes + entry.Size > _limits.Bytes)
        {
            if (entry.File is { } refused) _unneeded.Add(refused);
            return Addition.TooMany;
        }
        _sql.Insert(++_lastNumber, entry, Milliseconds(entry.Accepted));
        Count(entry.Function, entry.IsCall, isDead: false, 1, entry.Size);
        return Addition.Added;
    }

    private void Revive(EntryRow row)
    {
        _sql.Revive.Bind(1, row.Number).Bind(2, Milliseconds(_time.GetUtcNow())).Run();
        Count(row.Function, row.IsCall, isDead: true, -1, row.Size);
        Count(row.Function, row.IsCall, isDead: false, 1, row.Size);
    }

    private void Finish(EntryRow row)
    {
        if (!row.KeepsId)
        {
            Remove(row);
            return;
        }
        _sql.Remember.Bind(1, row.Number).Bind(2, Milliseconds(_time.GetUtcNow())).Run();
        Forget(row);
    }

    private void Bury(EntryRow row, int? status, string reason)
    {
        _sql.Bury.Bind(1, row.Number).Bind(2, Milliseconds(_time.GetUtcNow())).Bind(3, status).Bind(4, reason).Run();
        Count(row.Function, row.IsCall, isDead: false, -1, row.Size);
        Count(row.Function, row.IsCall, isDead: true, 1, row.Size);
        if (Usage.Of(row.Function) is var usage && usage.DeadCalls + usage.DeadDeliveries > _limits.MaxDead)
            foreach (var oldest in _sql.Select("function = ?1 AND state = 1 ORDER BY ended LIMIT 1", statement => statement.Bind(1, row.Function.ToString()))) Remove(oldest);
    }

    private void Remove(EntryRow row)
    {
        _sql.Delete.Bind(1, row.Number).Run();
        Forget(row);
    }

    private void Forget(EntryRow row)
    {
        if (row.File is { } file) _unneeded.Add(file);
        if (!row.IsDone) Count(row.Function, row.IsCall, row.IsDead, -1, row.Size);
    }

    private int SweepSome()
    {
        var now = _time.GetUtcNow();
        var dead = _sql.Select($"state = 1 AND ended < ?1 LIMIT {SweepRows}", statement => statement.Bind(1, Milliseconds(now - _limits.KeepDead)));
        foreach (var row in dead) Remove(row);
        var done = _sql.Select($"state = 2 AND ended < ?1 LIMIT {SweepRows}", statement => statement.Bind(1, Milliseconds(now - _limits.KeepIds)));
        foreach (var row in done) Remove(row);
        var surplus = _sql.Database.ReadNumber("SELECT count(*) FROM entries WHERE state = 2") - _limits.MaxIds;
        if (surplus > 0)
            foreach (var row in _sql.Select($"state = 2 ORDER BY ended LIMIT {Math.Min(surplus, SweepRows)}", static _ => { })) Remove(row);
        return (int)Math.Max(Math.Max(dead.Count, done.Count), Math.Max(surplus, 0));
    }

    // The disk is asked once for each transaction: statvfs is cheap, but not for nothing. What is inserted is written twice, to the log and to its page.
    private void RequireRoom(IReadOnlyList<Entry> entries)
    {
        const long row = 4096;
        _room ??= DiskRoom.Of(Folder, _limits.Reserve);
        foreach (var entry in entries) _room -= 2 * (entry.Head.Length + entry.Body.Length + row);
        if (_room < 0) throw DiskRoom.Full(Folder);
    }

    private void Count(FunctionName function, bool isCall, bool isDead, long sign, long bytes)
    {
        Usage.Of(function).Count(isCall, isDead, sign, bytes);
        _usageChanges.Add(new UsageChange(function, isCall, isDead, sign, bytes));
    }

    private void Committed()
    {
        foreach (var file in _unneeded) _files.Delete(file);
        EndTransaction();
    }

    private void Undo()
    {
        foreach (var change in _usageChanges) Usage.Of(change.Function).Count(change.IsCall, change.IsDead, -change.Sign, change.Bytes);
        EndTransaction();
    }

    private void EndTransaction()
    {
        _usageChanges.Clear();
        _unneeded.Clear();
        _room = null;
    }

    private string Folder => Path.GetDirectoryName(_path)!;

    private StoreException Describe(SqliteException failure) => failure.IsFull ? DiskRoom.Full(Folder, failure)
        : new StoreException($"{_path} cannot be used: {failure.Message}" + (failure.IsCorrupt ? "; restart the daemon, it sets a damaged file aside" : ""), inner: failure);

    private async Task<T> ReadAsync<T>(Func<SqliteDatabase, T> read)
    {
        await _reading.WaitAsync().ConfigureAwait(false);
        try
        {
            return await Task.Run(() => read(_reader)).ConfigureAwait(false);
        }
        catch (SqliteException failure)
        {
            throw Describe(failure);
        }
        finally
        {
            _reading.Release();
        }
    }

    private readonly record struct UsageChange(FunctionName Function, bool IsCall, bool IsDead, long Sign, long Bytes);
}
