using Npgsql;
using Stint.Cluster.Store;
using Stint.Deliveries.Storage;

namespace Stint.Cluster.Queue;

/// <summary>The longer statements of the queue.</summary>
internal static class QueueStatements
{
    /// <summary>An entry: what is read of a row <c>q</c>. Column 11 is its age below zero, 13 when it was due, 12 and 14 tries and failures.</summary>
    public const string Columns = "q.number, q.kind, q.lane, q.function, q.id, q.call, q.head, q.body, q.file, q.length, q.keep, extract(epoch from q.accepted - clock_timestamp())::float8, q.attempts, extract(epoch from q.due)::float8, q.failures";

    /// <summary>Nobody holds it.</summary>
    public const string Free = "(owner is null or due < clock_timestamp())";

    /// <summary>The condition of a filter: function, identity and state, each null for any. Done entries are never meant.</summary>
    public const string Where = "($1::text is null or function = $1) and ($2::text is null or id = $2 or call = $2) and state <> 2 and ($3::text is null or (state = 1) = ($3::text)::boolean)";

    // The bodies of the ones before it decide whether one is taken; the first always is.
    private const string Update =
        """
        update stint.queue q set owner = $4, due = clock_timestamp() + $5 * interval '1 second', attempts = q.attempts + 1
        from chosen c where q.number = c.number and q.state = 0
        returning q.number, q.kind, q.lane, q.function, q.id, q.call, q.head, q.body, q.file, q.length, q.keep, extract(epoch from q.accepted - clock_timestamp())::float8, q.attempts, extract(epoch from c.due)::float8, q.failures
        """;

    /// <summary>Claims entries of lane 1 that are due, at most 2, with 3 bytes of bodies, for owner 4, for 5 seconds.</summary>
    public const string Claim =
        $"""
        with found as (select number, due, coalesce(octet_length(body), 0) as bytes from stint.queue where lane = $1 and state = 0 and due <= clock_timestamp() order by due, number limit $2 for update skip locked),
            summed as (select number, due, sum(bytes) over (order by due, number) - bytes as before from found),
            chosen as (select number, due from summed where before < $3)
        {Update}
        """;

    /// <summary>The same in order: nothing that comes after one that is not due.</summary>
    public const string ClaimInOrder =
        $"""
        with found as (select number, due, coalesce(octet_length(body), 0) as bytes from stint.queue where lane = $1 and state = 0 order by number limit $2),
            summed as (select number, due, sum(bytes) over (order by number) - bytes as before, bool_and(due <= clock_timestamp()) over (order by number) as is_due from found),
            chosen as (select number, due from summed where before < $3 and is_due)
        {Update}
        """;

    /// <summary>Removes what ended in state 1 more than 2 seconds ago, at most 3.</summary>
    public const string SweepOld =
        """
        delete from stint.queue where number in
            (select number from stint.queue where state = $1::smallint and state <> 0 and ended < clock_timestamp() - $2 * interval '1 second' order by ended limit $3 for update skip locked)
        returning number, function, kind, size, file, state
        """;

    /// <summary>Removes identities beyond the newest 1, at most 2.</summary>
    public const string SweepSurplus = "delete from stint.queue where number in (select number from stint.queue where state = 2 order by ended desc, number desc offset $1 limit $2)";

    /// <summary>The values of <see cref="Where"/>.</summary>
    public static NpgsqlParameter[] Values(EntryFilter filter) => [Sql.Text(filter.Function?.ToString()), Sql.Text(filter.Id), Sql.Text(filter.IsDead is { } dead ? dead ? "true" : "false" : null)];
}
