// The queue that all gateways of a store share. What is due is claimed with SKIP LOCKED, so that gateways do not wait for each other, and held by a lease on the server's clock: due is both when an entry may be
// taken and when its lease ends. Times are said to this machine as if the server's clock were its own, so that clocks that differ do not matter.
using Npgsql;
using Stint.Cluster.Store;
using Stint.Deliveries.Storage;
using Stint.Invocations;
using StoreException = Stint.Deliveries.Storage.StoreException;

namespace Stint.Cluster.Queue;

/// <summary>Entries in PostgreSQL.</summary>
internal sealed class SharedEntryStore : IEntryStore
{
    /// <summary>Bytes of bodies that one claim takes into memory, the first one excepted.</summary>
    private const long MaxClaimedBytes = 1024 * 1024;

    /// <summary>Rows that one transaction of a sweep removes, so that it does not keep callers waiting.</summary>
    private const int SweepRows = 2000;

    /// <summary>Connections for claims and reads: commits have one of their own, and the pool's others are for deployments.</summary>
    private const int Connections = 6;

    private readonly ClusterStore _store;
    private readonly QueueOptions _options;
    private readonly TimeProvider _time;
    private readonly QueueCommits _commits;
    private readonly SemaphoreSlim _places = new(Connections);
    private readonly ITimer _counting;
    private int _isCounting;
    private bool _isDisposed;

    /// <summary>Begins to count what there is, once the tables are there: they are made with the store's others.</summary>
    /// <param name="store">The store; outlives this.</param>
    /// <param name="options">Settings.</param>
    /// <param name="time">The clock.</param>
    public SharedEntryStore(ClusterStore store, QueueOptions options, TimeProvider time)
    {
        (_store, _options, _time) = (store, options, time);
        _commits = new QueueCommits(store, options, Usage, time);
        // Before anything is added: neither faults.
        _ = CountFirstAsync();
        _counting = time.CreateTimer(_ => _ = store.Prepared.IsCompleted ? CountAsync() : Task.CompletedTask, null, options.LookEvery, options.LookEvery);
    }

    /// <inheritdoc/>
    public StoreUsage Usage { get; } = new();

    /// <inheritdoc/>
    public (long Commits, long Changes) Counters => _commits.Counters;

    /// <inheritdoc/>
    public TimeSpan? LookEvery => _options.LookEvery;

    /// <inheritdoc/>
    public Task<IReadOnlyList<Addition>> AddAsync(IReadOnlyList<Entry> entries) => _commits.AddAsync(entries);

    /// <inheritdoc/>
    public Task<IReadOnlyList<Addition>> EndAsync(Claimed claimed, Ending ending) => _commits.EndAsync(claimed, ending);

    /// <inheritdoc/>
    public Task<IReadOnlyList<LaneKey>> LanesAsync(TimeSpan? waiting = null) => AskAsync<IReadOnlyList<LaneKey>>(async (connection, cancellationToken) =>
    {
        // From lane to lane by the index: not every entry is looked at.
        var lanes = await connection.RowsAsync(
            """
            with recursive lanes as (
                (select lane, kind, function, due from stint.queue where state = 0 order by lane, due, number limit 1)
                union all
                select n.lane, n.kind, n.function, n.due from lanes l cross join lateral
                    (select lane, kind, function, due from stint.queue where state = 0 and lane > l.lane order by lane, due, number limit 1) n)
            select lane, kind, function from lanes where not $1 or due <= clock_timestamp() - $2 * interval '1 second'
            """, [Sql.Flag(waiting is not null), Sql.Seconds(waiting ?? default)], static row => (row.GetString(0), row.GetString(1), row.GetString(2)), cancellationToken).ConfigureAwait(false);
        return [.. lanes.Select(static lane => new LaneKey(lane.Item1, lane.Item2, Name(lane.Item3)))];
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<Claimed>> ClaimAsync(string lane, bool ordered, int limit, Lease lease) => AskAsync<IReadOnlyList<Claimed>>((connection, cancellationToken) => ordered
        ? ClaimInOrderAsync(connection, lane, limit, lease, cancellationToken)
        : ClaimAsync(connection, QueueStatements.Claim, lane, limit, lease, cancellationToken));

    /// <inheritdoc/>
    public Task<DateTimeOffset?> NextDueAsync(string lane, bool ordered) => AskAsync<DateTimeOffset?>(async (connection, cancellationToken) =>
    {
        var left = await connection.ValueAsync<double?>(
            $"select extract(epoch from due - clock_timestamp())::float8 from stint.queue where lane = $1 and state = 0 order by {(ordered ? "number" : "due, number")} limit 1",
            [Sql.Text(lane)], cancellationToken).ConfigureAwait(false);
        return left is { } seconds ? Here(seconds) : null;
    });

    /// <inheritdoc/>
    public Task RenewAsync(IReadOnlyList<long> numbers, Lease lease) => AskAsync((connection, cancellationToken) => connection.ExecuteAsync(
        "update stint.queue set due = clock_timestamp() + $3 * interval '1 second' where number = any($1) and owner = $2 and state = 0",
        [Sql.Numbers(numbers), Sql.Text(lease.Owner), Sql.Seconds(lease.Until - lease.Now)], cancellationToken));

    /// <inheritdoc/>
    public Task<int> BuryCallsAsync(FunctionName function, string reason) => _commits.RunAsync(async (connection, changes, cancellationToken) =>
    {
        // Every gateway does this when it hears of the removal; one that is late must not bury what another has accepted since the function was deployed again.
        var rows = await connection.RowsAsync(
            """
            update stint.queue set state = 1, owner = null, ended = clock_timestamp(), status = null, reason = $2
            where function = $1 and kind = 'call' and state = 0 and (owner is null or due < clock_timestamp())
                and not exists (select from stint.function f where f.module = $3 and f.name = $4 and f.hash is not null)
            returning number, function, kind, size, file, state
            """, [Sql.Text(function.ToString()), Sql.Text(QueueTransaction.Clean(reason)), Sql.Text(function.Module), Sql.Text(function.Name)], Gone.Read, cancellationToken).ConfigureAwait(false);
        foreach (var row in rows)
        {
            changes.Count(row.Function, row.IsCall, isDead: false, -1, row.Size);
            changes.Count(row.Function, row.IsCall, isDead: true, 1, row.Size);
        }
        if (rows.Count > 0) await QueueTransaction.TrimDeadAsync(connection, changes, [function.ToString()], _options.Limits.MaxDead, cancellationToken).ConfigureAwait(false);
        return rows.Count;
    });

    /// <inheritdoc/>
    public async Task SweepAsync()
    {
        while (await _commits.RunAsync(SweepSomeAsync).ConfigureAwait(false) >= SweepRows) { }
        await _commits.RunAsync(async (connection, _, cancellationToken) =>
        {
            await QueueUsage.SweepAsync(connection, cancellationToken).ConfigureAwait(false);
            return await QueueBodies.SweepAsync(connection, cancellationToken).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<EntryView>> ListAsync(EntryFilter filter, int limit) => AskAsync<IReadOnlyList<EntryView>>(async (connection, cancellationToken) => await connection.RowsAsync(
        $"""
        select number, kind, function, id, call, state, extract(epoch from accepted - clock_timestamp())::float8, extract(epoch from due - clock_timestamp())::float8,
            owner is not null and due >= clock_timestamp(), attempts, status, reason, extract(epoch from ended - clock_timestamp())::float8, length
        from stint.queue where {QueueStatements.Where} order by number limit $4
        """, [.. QueueStatements.Values(filter), Sql.Small(limit)], ReadView, cancellationToken).ConfigureAwait(false));

    /// <inheritdoc/>
    public Task<Entry?> ReadAsync(long number) => AskAsync(async (connection, cancellationToken) =>
    {
        var rows = await connection.RowsAsync($"select {QueueStatements.Columns} from stint.queue q where number = $1 and state <> 2", [Sql.Number(number)], row => ReadClaimed(row, ""), cancellationToken).ConfigureAwait(false);
        return rows is [var found] ? found.Entry : null;
    });

    /// <inheritdoc/>
    public Task<(int Count, IReadOnlyList<LaneKey> Lanes)> ReviveAsync(EntryFilter filter) => _commits.RunAsync<(int, IReadOnlyList<LaneKey>)>(async (connection, changes, cancellationToken) =>
    {
        var rows = await connection.RowsAsync(
            $"""
            with chosen as (select number as n, state as was from stint.queue where {QueueStatements.Where} and {QueueStatements.Free} order by number for update)
            update stint.queue q set state = 0, owner = null, due = clock_timestamp(), ended = null, accepted = case when c.was = 1 then clock_timestamp() else q.accepted end,
                attempts = case when c.was = 1 then 0 else q.attempts end, failures = case when c.was = 1 then 0 else q.failures end
            from chosen c where q.number = c.n returning q.lane, q.kind, q.function, q.size, c.was
            """, QueueStatements.Values(filter), static row => (Lane: row.GetString(0), Kind: row.GetString(1), Function: row.GetString(2), Size: row.GetInt64(3), Was: row.GetInt16(4)), cancellationToken).ConfigureAwait(false);
        foreach (var row in rows.Where(static row => row.Was == 1))
        {
            changes.Count(row.Function, row.Kind == Entry.CallKind, isDead: true, -1, row.Size);
            changes.Count(row.Function, row.Kind == Entry.CallKind, isDead: false, 1, row.Size);
        }
        return (rows.Count, [.. rows.Select(static row => new LaneKey(row.Lane, row.Kind, Name(row.Function))).Distinct()]);
    });

    /// <inheritdoc/>
    public Task<IReadOnlyList<(FunctionName Function, DateTimeOffset Accepted)>> OldestCallsAsync()
    {
        var functions = Usage.Functions.Where(static entry => entry.Value.Calls > 0).Select(static entry => entry.Key.ToString()).ToList();
        return AskAsync<IReadOnlyList<(FunctionName, DateTimeOffset)>>(async (connection, cancellationToken) => await connection.RowsAsync(
            """
            select f.function, extract(epoch from q.accepted - clock_timestamp())::float8 from unnest($1) as f (function)
            cross join lateral (select accepted from stint.queue where lane = $2 || f.function and state = 0 order by number limit 1) q
            """, [Sql.Texts(functions), Sql.Text($"{Entry.CallKind}:")], row => (Name(row.GetString(0)), Here(row.GetDouble(1))), cancellationToken).ConfigureAwait(false));
    }

    /// <inheritdoc/>
    public Task<int> DropAsync(EntryFilter filter) => _commits.RunAsync(async (connection, changes, cancellationToken) =>
    {
        var gone = await connection.RowsAsync($"delete from stint.queue where {QueueStatements.Where} and {QueueStatements.Free} returning number, function, kind, size, file, state",
            QueueStatements.Values(filter), Gone.Read, cancellationToken).ConfigureAwait(false);
        await QueueTransaction.ForgetAsync(connection, changes, gone, cancellationToken).ConfigureAwait(false);
        return gone.Count;
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        await _counting.DisposeAsync().ConfigureAwait(false);
        await _commits.DisposeAsync().ConfigureAwait(false);
        for (var i = 0; i < Connections; i++) await _places.WaitAsync().ConfigureAwait(false);
        _places.Dispose();
    }

    private async Task CountFirstAsync()
    {
        await _store.Prepared.ConfigureAwait(false);
        await CountAsync().ConfigureAwait(false);
    }

    /// <summary>Reads how much there is, with what the other gateways have added and ended; in its turn, so that no change of ours is counted twice or not at all.</summary>
    private async Task CountAsync()
    {
        if (Interlocked.Exchange(ref _isCounting, 1) != 0) return;
        try
        {
            await _commits.RunAsync(async (connection, _, cancellationToken) =>
            {
                await QueueUsage.ReadAsync(connection, Usage, cancellationToken).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);
        }
        catch (StoreException)
        {
            // Whoever wants something of the store hears it.
        }
        finally
        {
            Volatile.Write(ref _isCounting, 0);
        }
    }

    private async Task<IReadOnlyList<Claimed>> ClaimInOrderAsync(NpgsqlConnection connection, string lane, int limit, Lease lease, CancellationToken cancellationToken)
    {
        // One after another for each lane: with SKIP LOCKED a second gateway would take what comes after the entry that the first is just taking. Two statements, for one would see the rows as they were
        // before it had waited.
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await connection.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended($1, 0))", [Sql.Text("stint lane " + lane)], cancellationToken).ConfigureAwait(false);
        var claimed = await ClaimAsync(connection, QueueStatements.ClaimInOrder, lane, limit, lease, cancellationToken).ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        return claimed;
    }

    private async Task<IReadOnlyList<Claimed>> ClaimAsync(NpgsqlConnection connection, string sql, string lane, int limit, Lease lease, CancellationToken cancellationToken)
    {
        var claimed = await connection.RowsAsync(sql, [Sql.Text(lane), Sql.Small(limit), Sql.Number(MaxClaimedBytes), Sql.Text(lease.Owner), Sql.Seconds(lease.Until - lease.Now)],
            row => (Claimed: ReadClaimed(row, lease.Owner), Due: row.GetDouble(13)), cancellationToken).ConfigureAwait(false);
        // UPDATE returns rows in any order.
        return [.. (ReferenceEquals(sql, QueueStatements.Claim) ? claimed.OrderBy(static one => one.Due).ThenBy(static one => one.Claimed.Number) : claimed.OrderBy(static one => one.Claimed.Number)).Select(static one => one.Claimed)];
    }

    private async Task<int> SweepSomeAsync(NpgsqlConnection connection, QueueUsage changes, CancellationToken cancellationToken)
    {
        var limits = _options.Limits;
        var most = 0;
        foreach (var (state, keep) in new[] { (1, limits.KeepDead), (2, limits.KeepIds) })
        {
            var gone = await connection.RowsAsync(QueueStatements.SweepOld, [Sql.Small(state), Sql.Seconds(keep), Sql.Small(SweepRows)], Gone.Read, cancellationToken).ConfigureAwait(false);
            await QueueTransaction.ForgetAsync(connection, changes, gone, cancellationToken).ConfigureAwait(false);
            most = Math.Max(most, gone.Count);
        }
        // Past the newest ones that may stay.
        return Math.Max(most, await connection.ExecuteAsync(QueueStatements.SweepSurplus, [Sql.Small(limits.MaxIds), Sql.Small(SweepRows)], cancellationToken).ConfigureAwait(false));
    }

    private async Task<T> AskAsync<T>(Func<NpgsqlConnection, CancellationToken, Task<T>> work)
    {
        await _places.WaitAsync().ConfigureAwait(false);
        using var limit = new CancellationTokenSource(_options.Patience, _time);
        try
        {
            return await _store.UseAsync(connection => work(connection, limit.Token), limit.Token).ConfigureAwait(false);
        }
        catch (Store.StoreException failure)
        {
            throw new StoreException(failure.Message, inner: failure);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            throw new StoreException($"the store {_store.Address} did not answer within {_options.Patience.TotalSeconds:0} s");
        }
        finally
        {
            _places.Release();
        }
    }

    // A moment of the server's, by how far it is from the server's now.
    private DateTimeOffset Here(double seconds) => _time.GetUtcNow() + TimeSpan.FromSeconds(seconds);

    private static FunctionName Name(string text) => FunctionName.TryParse(text, out var name) ? name : default;

    private Claimed ReadClaimed(NpgsqlDataReader row, string owner) => new(row.GetInt64(0), new Entry(
        row.GetString(1), row.GetString(2), Name(row.GetString(3)), row.GetString(4), row.GetString(5), row.IsDBNull(6) ? [] : row.GetFieldValue<byte[]>(6), row.IsDBNull(7) ? [] : row.GetFieldValue<byte[]>(7),
        row.IsDBNull(8) ? null : row.GetString(8), row.GetInt64(9), row.GetBoolean(10), Here(row.GetDouble(11))), row.GetInt32(12), row.GetInt32(14), owner);

    private EntryView ReadView(NpgsqlDataReader row) => new()
    {
        Number = row.GetInt64(0),
        Kind = row.GetString(1),
        Function = Name(row.GetString(2)),
        Id = row.GetString(3),
        CallId = row.GetString(4),
        IsDead = row.GetInt16(5) == 1,
        Accepted = Here(row.GetDouble(6)),
        Due = Here(row.GetDouble(7)),
        IsRunning = row.GetBoolean(8),
        Attempts = row.GetInt32(9),
        Status = row.IsDBNull(10) ? null : row.GetInt32(10),
        Reason = row.IsDBNull(11) ? null : row.GetString(11),
        Ended = row.IsDBNull(12) ? null : Here(row.GetDouble(12)),
        Length = row.GetInt64(13),
    };
}
