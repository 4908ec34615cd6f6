using Stint.Invocations;

namespace Stint.Cluster.Store;

/// <summary>Modules that somebody made, with what was said of them. Others come into being with their first function and stand nowhere.</summary>
internal sealed class ModuleTable(ClusterStore store)
{
    /// <summary>Adds or changes one.</summary>
    /// <param name="name">Its name, checked.</param>
    /// <param name="detail">What was said of it: JSON of whoever keeps it; the store does not look into it.</param>
    /// <param name="cancellationToken">Gives up, until the commit.</param>
    /// <returns>The number of the change.</returns>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long> PutAsync(string name, string detail, CancellationToken cancellationToken) => store.ChangeAsync(async (connection, change) =>
    {
        await connection.ExecuteAsync(
            "insert into stint.module (name, detail, change) values ($1, $2, $3) on conflict (name) do update set detail = excluded.detail, change = excluded.change",
            [Sql.Text(Checked(name)), Sql.Text(detail), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
        return change;
    }, cancellationToken);

    /// <summary>Removes one; false when there is none of that name. Its functions stay.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<bool> RemoveAsync(string name, CancellationToken cancellationToken) => store.ChangeAsync(async (connection, change) =>
        await connection.ExecuteAsync("update stint.module set detail = null, change = $2 where name = $1 and detail is not null", [Sql.Text(name), Sql.Number(change)], cancellationToken).ConfigureAwait(false) > 0,
        cancellationToken);

    /// <summary>What has changed since a number, in order; what was removed has no detail. 0: everything.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<List<StoredModule>> ChangedSinceAsync(long change, CancellationToken cancellationToken) => store.UseAsync(connection => connection.RowsAsync(
        "select name, detail, change from stint.module where change > $1 order by change", [Sql.Number(change)],
        static row => new StoredModule(Checked(row.GetString(0)), row.IsDBNull(1) ? null : row.GetString(1), row.GetInt64(2)), cancellationToken), cancellationToken);

    private static string Checked(string name) => FunctionName.IsValidPart(name) ? name : throw new StoreException(StoreFault.Corrupt, $"that is no module's name: {FunctionName.Rule}");
}

/// <summary>A module as the store has it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Detail">What was said of it; null: it was removed.</param>
/// <param name="Change">The number of its last change.</param>
internal sealed record StoredModule(string Name, string? Detail, long Change);
