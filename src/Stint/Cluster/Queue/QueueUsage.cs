using Npgsql;
using Stint.Cluster.Store;
using Stint.Deliveries.Storage;
using Stint.Invocations;

namespace Stint.Cluster.Queue;

/// <summary>What one transaction adds to and takes from what is stored. The database counts it in the same transaction; when that is committed, so do we.</summary>
internal sealed class QueueUsage
{
    private readonly Dictionary<string, long[]> _deltas = new(StringComparer.Ordinal);

    /// <summary>Entries come (1) or go (−1).</summary>
    public void Count(string function, bool isCall, bool isDead, long sign, long bytes)
    {
        if (!_deltas.TryGetValue(function, out var delta)) _deltas[function] = delta = new long[5];
        delta[(isCall ? 0 : 2) + (isDead ? 1 : 0)] += sign;
        delta[4] += sign * bytes;
    }

    /// <summary>Writes it down: the last statement before the commit, so that others wait for these rows no longer than for that.</summary>
    public async Task WriteAsync(NpgsqlConnection connection, int shard, CancellationToken cancellationToken)
    {
        if (_deltas.Count == 0) return;
        // In one order, so that no two wait for each other.
        var rows = _deltas.OrderBy(static delta => delta.Key, StringComparer.Ordinal).ToList();
        await connection.ExecuteAsync(
            """
            insert into stint.queue_usage as u (function, shard, calls, dead_calls, deliveries, dead_deliveries, bytes)
            select d.function, $2::smallint, d.calls, d.dead_calls, d.deliveries, d.dead_deliveries, d.bytes
            from unnest($1, $3, $4, $5, $6, $7) with ordinality as d (function, calls, dead_calls, deliveries, dead_deliveries, bytes, place) order by d.place
            on conflict (function, shard) do update set calls = u.calls + excluded.calls, dead_calls = u.dead_calls + excluded.dead_calls, deliveries = u.deliveries + excluded.deliveries,
                dead_deliveries = u.dead_deliveries + excluded.dead_deliveries, bytes = u.bytes + excluded.bytes
            """,
            [
                Sql.Texts(rows.Select(static row => row.Key)), Sql.Small(shard), Column(0), Column(1), Column(2), Column(3), Column(4),
            ], cancellationToken).ConfigureAwait(false);

        NpgsqlParameter Column(int index) => Sql.Numbers(rows.Select(row => row.Value[index]));
    }

    /// <summary>After the commit.</summary>
    public void Apply(StoreUsage usage)
    {
        foreach (var (function, delta) in _deltas)
            if (FunctionName.TryParse(function, out var name)) usage.Of(name).Add(delta[0], delta[1], delta[2], delta[3], delta[4]);
    }

    /// <summary>Reads what all gateways have counted.</summary>
    public static async Task ReadAsync(NpgsqlConnection connection, StoreUsage usage, CancellationToken cancellationToken)
    {
        var rows = await connection.RowsAsync(
            "select function, sum(calls)::bigint, sum(dead_calls)::bigint, sum(deliveries)::bigint, sum(dead_deliveries)::bigint, sum(bytes)::bigint from stint.queue_usage group by function", [],
            static row => (Name: row.GetString(0), Calls: row.GetInt64(1), DeadCalls: row.GetInt64(2), Deliveries: row.GetInt64(3), DeadDeliveries: row.GetInt64(4), Bytes: row.GetInt64(5)), cancellationToken).ConfigureAwait(false);
        var seen = new HashSet<FunctionName>();
        foreach (var row in rows)
        {
            if (!FunctionName.TryParse(row.Name, out var name)) continue;
            seen.Add(name);
            usage.Of(name).Set(row.Calls, row.DeadCalls, row.Deliveries, row.DeadDeliveries, row.Bytes);
        }
        foreach (var (name, function) in usage.Functions)
            if (!seen.Contains(name)) function.Set(0, 0, 0, 0, 0);
    }

    /// <summary>Forgets functions of which nothing is stored any more. The lock keeps others from counting meanwhile, which is a moment.</summary>
    public static async Task SweepAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        const string empty = "select function from stint.queue_usage group by function having sum(calls) = 0 and sum(dead_calls) = 0 and sum(deliveries) = 0 and sum(dead_deliveries) = 0 and sum(bytes) = 0";
        if (!await connection.ValueAsync<bool>($"select exists ({empty})", [], cancellationToken).ConfigureAwait(false)) return;
        await connection.ExecuteAsync("lock table stint.queue_usage in exclusive mode", [], cancellationToken).ConfigureAwait(false);
        await connection.ExecuteAsync($"delete from stint.queue_usage where function in ({empty})", [], cancellationToken).ConfigureAwait(false);
    }
}
