using System.Runtime.InteropServices;
using System.Text;
using Npgsql;
using Stint.Cluster.Store;
using Stint.Deliveries.Storage;

namespace Stint.Cluster.Queue;

/// <summary>One group of endings and additions, each kind with one statement whatever their number.</summary>
/// <param name="connection">In a transaction.</param>
/// <param name="changes">Counts what comes and goes.</param>
/// <param name="stored">What there was before, as far as this gateway knows: others' last second may be missing, so that all together may go beyond a limit by what they accept in that.</param>
/// <param name="limits">How much may be stored.</param>
/// <param name="now">This machine's time, which what is postponed is said in.</param>
/// <param name="cancellationToken">Gives up.</param>
internal sealed class QueueTransaction(NpgsqlConnection connection, QueueUsage changes, StoreUsage stored, StoreLimits limits, DateTimeOffset now, CancellationToken cancellationToken)
{
    private readonly List<string> _unneeded = [];

    /// <summary>Makes the changes; what became of each one's additions.</summary>
    public async Task<IReadOnlyList<IReadOnlyList<Addition>>> RunAsync(IReadOnlyList<QueueChange> group)
    {
        var ended = new HashSet<long>();
        ended.UnionWith(await FinishAsync([.. group.OfType<QueueChange.End>().Where(static end => end.Ending is Ending.Done)]).ConfigureAwait(false));
        await PostponeAsync([.. group.OfType<QueueChange.End>().Where(static end => end.Ending is Ending.Later)]).ConfigureAwait(false);
        await ReleaseAsync([.. group.OfType<QueueChange.End>().Where(static end => end.Ending is Ending.Untried)]).ConfigureAwait(false);
        ended.UnionWith(await BuryAsync([.. group.OfType<QueueChange.End>().Where(static end => end.Ending is Ending.Dead)]).ConfigureAwait(false));

        // What somebody has removed meanwhile adds nothing.
        var wanted = group.Select(change => change switch
        {
            QueueChange.Add add => add.Entries,
            QueueChange.End end when ended.Contains(end.Claimed.Number) => end.Then,
            _ => [],
        }).ToList();
        var additions = await AddAsync([.. wanted.SelectMany(static entries => entries)]).ConfigureAwait(false);
        await QueueBodies.DeleteAsync(connection, _unneeded, cancellationToken).ConfigureAwait(false);
        var next = 0;
        return [.. wanted.Select(entries =>
        {
            next += entries.Count;
            return (IReadOnlyList<Addition>)additions[(next - entries.Count)..next];
        })];
    }

    /// <summary>Makes dead letters beyond a function's share go, the oldest first.</summary>
    public static async Task TrimDeadAsync(NpgsqlConnection connection, QueueUsage changes, IEnumerable<string> functions, int maxDead, CancellationToken cancellationToken)
    {
        foreach (var function in functions.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            // OFFSET finds nothing to delete in the common case, without counting.
            var gone = await connection.RowsAsync(
                """
                delete from stint.queue where number in (select number from stint.queue where function = $1 and state = 1 order by ended desc, number desc offset $2)
                returning number, function, kind, size, file, state
                """, [Sql.Text(function), Sql.Small(maxDead)], Gone.Read, cancellationToken).ConfigureAwait(false);
            await ForgetAsync(connection, changes, gone, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Counts rows that went, and removes their bodies.</summary>
    public static async Task ForgetAsync(NpgsqlConnection connection, QueueUsage changes, IReadOnlyList<Gone> gone, CancellationToken cancellationToken)
    {
        foreach (var row in gone)
            if (row.State != 2) changes.Count(row.Function, row.IsCall, row.State == 1, -1, row.Size);
        await QueueBodies.DeleteAsync(connection, [.. gone.Select(static row => row.File).OfType<string>()], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What PostgreSQL takes as a text: no NUL, and whole characters.</summary>
    public static string Clean(string text)
    {
        var zero = text.Contains('\0', StringComparison.Ordinal) ? text.Replace('\0', ' ') : text;
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(zero));
    }

    private async Task<IEnumerable<long>> FinishAsync(List<QueueChange.End> ends)
    {
        if (ends.Count == 0) return [];
        var rows = await connection.RowsAsync(
            """
            with ended as (select number, keep, function, kind, size, file, state from stint.queue where number = any($1) and state = 0 order by number for update),
                gone as (delete from stint.queue q using ended e where q.number = e.number and not e.keep),
                kept as (update stint.queue q set state = 2, owner = null, ended = clock_timestamp(), head = null, body = null, file = null, length = 0, size = 0, status = null, reason = null
                    from ended e where q.number = e.number and e.keep)
            select number, function, kind, size, file, state from ended
            """, [Sql.Numbers(ends.Select(static end => end.Claimed.Number))], Gone.Read, cancellationToken).ConfigureAwait(false);
        await ForgetAsync(connection, changes, rows, cancellationToken).ConfigureAwait(false);
        return rows.Select(static row => row.Number);
    }

    private async Task PostponeAsync(List<QueueChange.End> ends)
    {
        if (ends.Count == 0) return;
        var laters = ends.Select(static end => (Ending.Later)end.Ending).ToList();
        await connection.ExecuteAsync(
            """
            update stint.queue q set owner = null, due = clock_timestamp() + e.wait * interval '1 second', failures = failures + e.failure::integer, status = e.status, reason = e.reason
            from unnest($1, $2, $3, $4, $5, $6) as e (number, owner, wait, failure, status, reason) where q.number = e.number and q.owner = e.owner and q.state = 0
            """,
            [
                Numbers(ends), Owners(ends), Sql.Doubles(laters.Select(later => Math.Max(0, (later.Due - now).TotalSeconds))), Sql.Flags(laters.Select(static later => later.IsFailure)),
                Sql.Smalls(laters.Select(static later => later.Status)), Sql.Texts(laters.Select(static later => Clean(later.Reason))),
            ], cancellationToken).ConfigureAwait(false);
    }

    private async Task ReleaseAsync(List<QueueChange.End> ends)
    {
        if (ends.Count == 0) return;
        await connection.ExecuteAsync(
            """
            update stint.queue q set owner = null, due = least(q.due, clock_timestamp()), attempts = attempts - 1
            from unnest($1, $2) as e (number, owner) where q.number = e.number and q.owner = e.owner and q.state = 0
            """, [Numbers(ends), Owners(ends)], cancellationToken).ConfigureAwait(false);
    }

    private async Task<IEnumerable<long>> BuryAsync(List<QueueChange.End> ends)
    {
        if (ends.Count == 0) return [];
        var deads = ends.Select(static end => (Ending.Dead)end.Ending).ToList();
        var rows = await connection.RowsAsync(
            """
            update stint.queue q set state = 1, owner = null, ended = clock_timestamp(), status = e.status, reason = e.reason
            from unnest($1, $2, $3, $4) as e (number, owner, status, reason) where q.number = e.number and q.owner = e.owner and q.state = 0
            returning q.number, q.function, q.kind, q.size, q.file, q.state
            """,
            [
                Numbers(ends), Owners(ends), Sql.Smalls(deads.Select(static dead => dead.Status)), Sql.Texts(deads.Select(static dead => Clean(dead.Reason))),
            ], Gone.Read, cancellationToken).ConfigureAwait(false);
        foreach (var row in rows)
        {
            changes.Count(row.Function, row.IsCall, isDead: false, -1, row.Size);
            changes.Count(row.Function, row.IsCall, isDead: true, 1, row.Size);
        }
        await TrimDeadAsync(connection, changes, rows.Select(static row => row.Function), limits.MaxDead, cancellationToken).ConfigureAwait(false);
        return rows.Select(static row => row.Number);
    }

    private async Task<Addition[]> AddAsync(List<Entry> entries)
    {
        var additions = new Addition[entries.Count];
        if (entries.Count == 0) return additions;
        var fits = Fitting(entries);
        var inserted = await InsertAsync([.. entries.Where((_, i) => fits[i])]).ConfigureAwait(false);
        // What is not new is known: revived when it is a dead letter, for whoever sends a call again whose first try is one wants it done.
        var others = entries.Where(entry => !inserted.ContainsKey((entry.Lane, entry.Id))).ToList();
        var (known, revived) = await FindAsync(others).ConfigureAwait(false);
        for (var i = 0; i < additions.Length; i++)
        {
            var key = (entries[i].Lane, entries[i].Id);
            if (inserted.TryGetValue(key, out var isNew) && isNew)
            {
                // The first of two with the same identity in one group.
                inserted[key] = false;
                changes.Count(entries[i].Function.ToString(), entries[i].IsCall, isDead: false, 1, entries[i].Size);
                continue;
            }
            additions[i] = revived.Remove(key) ? Addition.Added : inserted.ContainsKey(key) || known.Contains(key) ? Addition.Known : Addition.TooMany;
            if (entries[i].File is { } copy) _unneeded.Add(copy);
        }
        return additions;
    }

    // As if one came after the other: what the first ones take is not there for the next.
    private bool[] Fitting(List<Entry> entries)
    {
        var fits = new bool[entries.Count];
        var taken = new Dictionary<(Invocations.FunctionName, bool), long>();
        var bytes = new Dictionary<Invocations.FunctionName, long>();
        var total = stored.Bytes;
        for (var i = 0; i < fits.Length; i++)
        {
            var entry = entries[i];
            var usage = stored.Of(entry.Function);
            var (count, size) = (taken.GetValueOrDefault((entry.Function, entry.IsCall)), bytes.GetValueOrDefault(entry.Function));
            fits[i] = (entry.IsCall ? usage.Calls + count < limits.Calls : usage.Deliveries + count < limits.Deliveries) && usage.Bytes + size + entry.Size <= limits.FunctionBytes && total + entry.Size <= limits.Bytes;
            if (!fits[i]) continue;
            taken[(entry.Function, entry.IsCall)] = count + 1;
            bytes[entry.Function] = size + entry.Size;
            total += entry.Size;
        }
        return fits;
    }

    private async Task<Dictionary<(string Lane, string Id), bool>> InsertAsync(List<Entry> entries)
    {
        if (entries.Count == 0) return [];
        // Age, not time: this machine's clock is not the server's.
        var rows = await connection.RowsAsync(
            """
            insert into stint.queue (kind, lane, function, id, call, keep, head, body, file, length, size)
            select e.kind, e.lane, e.function, e.id, e.call, e.keep, e.head, e.body, e.file, e.length, e.size
            from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) with ordinality as e (kind, lane, function, id, call, keep, head, body, file, length, size, place) order by e.place
            on conflict (lane, id) do nothing returning lane, id
            """,
            [
                Sql.Texts(entries.Select(static entry => entry.Kind)), Sql.Texts(entries.Select(static entry => entry.Lane)), Sql.Texts(entries.Select(static entry => entry.Function.ToString())),
                Sql.Texts(entries.Select(static entry => entry.Id)), Sql.Texts(entries.Select(static entry => entry.CallId)), Sql.Flags(entries.Select(static entry => entry.KeepsId)),
                Sql.Blobs(entries.Select(static entry => entry.Head)), Sql.Blobs(entries.Select(static entry => entry.File is null ? Array(entry.Body) : null)), Sql.Texts(entries.Select(static entry => entry.File)),
                Sql.Numbers(entries.Select(static entry => entry.Length)), Sql.Numbers(entries.Select(static entry => entry.Size)),
            ], static row => (row.GetString(0), row.GetString(1)), cancellationToken).ConfigureAwait(false);
        return rows.ToDictionary(static key => key, static _ => true);
    }

    private async Task<(HashSet<(string, string)> Known, HashSet<(string, string)> Revived)> FindAsync(List<Entry> entries)
    {
        if (entries.Count == 0) return ([], []);
        NpgsqlParameter[] keys = [Sql.Texts(entries.Select(static entry => entry.Lane)), Sql.Texts(entries.Select(static entry => entry.Id))];
        var revived = await connection.RowsAsync(
            """
            update stint.queue q set state = 0, owner = null, accepted = clock_timestamp(), due = clock_timestamp(), attempts = 0, failures = 0, ended = null
            from (select distinct lane, id from unnest($1, $2) as k (lane, id)) k where q.lane = k.lane and q.id = k.id and q.state = 1 returning q.lane, q.id, q.function, q.kind, q.size
            """, keys, static row => (Key: (row.GetString(0), row.GetString(1)), Function: row.GetString(2), IsCall: row.GetString(3) == Entry.CallKind, Size: row.GetInt64(4)), cancellationToken).ConfigureAwait(false);
        foreach (var row in revived)
        {
            changes.Count(row.Function, row.IsCall, isDead: true, -1, row.Size);
            changes.Count(row.Function, row.IsCall, isDead: false, 1, row.Size);
        }
        NpgsqlParameter[] again = [Sql.Texts(entries.Select(static entry => entry.Lane)), Sql.Texts(entries.Select(static entry => entry.Id))];
        var known = await connection.RowsAsync("select q.lane, q.id from stint.queue q join unnest($1, $2) as k (lane, id) on q.lane = k.lane and q.id = k.id", again,
            static row => (row.GetString(0), row.GetString(1)), cancellationToken).ConfigureAwait(false);
        return ([.. known], [.. revived.Select(static row => row.Key)]);
    }

    private static NpgsqlParameter Numbers(List<QueueChange.End> ends) => Sql.Numbers(ends.Select(static end => end.Claimed.Number));

    private static NpgsqlParameter Owners(List<QueueChange.End> ends) => Sql.Texts(ends.Select(static end => end.Claimed.Owner));

    private static byte[] Array(ReadOnlyMemory<byte> bytes) => MemoryMarshal.TryGetArray(bytes, out var segment) && segment.Offset == 0 && segment.Count == segment.Array!.Length ? segment.Array : bytes.ToArray();
}

/// <summary>A row that goes, or changes what it counts as.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Function">Whose.</param>
/// <param name="IsCall">It is an asynchronous call.</param>
/// <param name="Size">Bytes that it counts for.</param>
/// <param name="File">Its body's name.</param>
/// <param name="State">What it was: 0 to be done, 1 dead letter, 2 done and remembered.</param>
internal sealed record Gone(long Number, string Function, bool IsCall, long Size, string? File, int State)
{
    /// <summary>Reads number, function, kind, size, file and state.</summary>
    public static Gone Read(NpgsqlDataReader row) => new(row.GetInt64(0), row.GetString(1), row.GetString(2) == Entry.CallKind, row.GetInt64(3), row.IsDBNull(4) ? null : row.GetString(4), row.GetInt16(5));
}
