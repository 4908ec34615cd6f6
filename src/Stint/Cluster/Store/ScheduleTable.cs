using System.Security.Cryptography;
using System.Text;
using Stint.Invocations;

namespace Stint.Cluster.Store;

/// <summary>Until when schedules have been dealt with. Only who owns a schedule writes: nobody else learns of it, so these are no changes that are numbered.</summary>
internal sealed class ScheduleTable(ClusterStore store)
{
    /// <summary>Until when a schedule has been dealt with; one that nobody knows yet begins with what is given.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<DateTimeOffset> BeginAsync(string key, string function, DateTimeOffset first, CancellationToken cancellationToken) => store.UseAsync(async connection =>
        DateTimeOffset.FromUnixTimeMilliseconds(await connection.ValueAsync<long>(
            // The update changes nothing: without one there would be no row to return.
            "insert into stint.schedule as s (key, function, done_until) values ($1, $2, $3) on conflict (key) do update set function = excluded.function returning done_until",
            [Sql.Text(Hash(key)), Sql.Text(function), Sql.Number(first.ToUnixTimeMilliseconds())], cancellationToken).ConfigureAwait(false)), cancellationToken);

    /// <summary>Notes that a schedule has been dealt with; a later note of another owner stays.</summary>
    /// <param name="key">Which.</param>
    /// <param name="until">Until when.</param>
    /// <param name="isCorrection">The clock was wrong: an earlier moment counts too.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<int> DoneAsync(string key, DateTimeOffset until, bool isCorrection, CancellationToken cancellationToken) => store.UseAsync(connection => connection.ExecuteAsync(
        "update stint.schedule set done_until = case when $3 then $2 else greatest(done_until, $2) end where key = $1",
        [Sql.Text(Hash(key)), Sql.Number(until.ToUnixTimeMilliseconds()), Sql.Flag(isCorrection)], cancellationToken), cancellationToken);

    /// <summary>Forgets a schedule: one like it begins anew.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<int> ForgetAsync(string key, CancellationToken cancellationToken) => store.UseAsync(
        connection => connection.ExecuteAsync("delete from stint.schedule where key = $1", [Sql.Text(Hash(key))], cancellationToken), cancellationToken);

    /// <summary>Forgets schedules of functions that are not deployed any more: those of a function that was removed while no owner of its schedules lived. How many those were.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<int> SweepAsync(CancellationToken cancellationToken) => store.UseAsync(connection => connection.ExecuteAsync(
        """
        delete from stint.schedule s
        where not exists (select from stint.function f where f.hash is not null and s.function = case when f.module = $1 then f.name else f.name || '.' || f.module end)
        """, [Sql.Text(FunctionName.DefaultModule)], cancellationToken), cancellationToken);

    private static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
