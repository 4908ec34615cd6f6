using Npgsql;

namespace Stint.Cluster.Store;

/// <summary>Gives modules of the store other names.</summary>
internal sealed class ModuleNames(ClusterStore store)
{
    /// <summary>
    /// Gives a module another name: its functions, secrets and what was said of it, in one transaction. The number of the change; null when there is no such module.
    /// Versions begin anew under the new name, with the code that serves.
    /// </summary>
    /// <param name="key">Secrets are sealed for their names.</param>
    /// <param name="from">The module, not the default one.</param>
    /// <param name="to">Its new name, checked.</param>
    /// <param name="by">Who does it.</param>
    /// <param name="cancellationToken">Gives up, until the commit.</param>
    /// <exception cref="StoreException">The store is away; or there is something of the new name (<see cref="StoreFault.Conflict"/>).</exception>
    public Task<long?> ChangeAsync(StoreKey key, string from, string to, string by, CancellationToken cancellationToken) => store.ChangeAsync<long?>(async (connection, change) =>
    {
        if (await IsThereAsync(connection, to, cancellationToken).ConfigureAwait(false)) throw new StoreException(StoreFault.Conflict, $"there is a module {to} already; choose another name");
        if (!await IsThereAsync(connection, from, cancellationToken).ConfigureAwait(false)) return null;
        // A function that was there once and was removed goes on counting.
        await connection.ExecuteAsync(
            """
            with moved as (
                insert into stint.function as f (module, name, version, hash, is_flat, change) select $2, name, 1, hash, false, $3 from stint.function where module = $1 and hash is not null
                on conflict (module, name) do update set version = f.version + 1, hash = excluded.hash, is_flat = false, change = excluded.change
                returning name, version, hash)
            insert into stint.function_version (module, name, version, hash, deployed_by) select $2, name, version, hash, $4 from moved
            """, [Sql.Text(from), Sql.Text(to), Sql.Number(change), Sql.Text(by)], cancellationToken).ConfigureAwait(false);
        await connection.ExecuteAsync(
            """
            with gone as (delete from stint.function_version where module = $1 returning hash), used as (update stint.blob set used_at = clock_timestamp() where hash in (select hash from gone))
            update stint.function set hash = null, change = $2 where module = $1 and hash is not null
            """, [Sql.Text(from), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
        var secrets = await connection.RowsAsync("select name, sealed from stint.secret where module = $1 and sealed is not null", [Sql.Text(from)], static row => (Name: row.GetString(0), Sealed: row.GetFieldValue<byte[]>(1)), cancellationToken).ConfigureAwait(false);
        foreach (var (name, value) in secrets) await SecretTable.MoveAsync(connection, key, from, to, name, value, change, cancellationToken).ConfigureAwait(false);
        await TextTable.MoveAsync(connection, TextTable.Modules, from, to, change, cancellationToken).ConfigureAwait(false);
        return change;
    }, cancellationToken);

    private static Task<bool> IsThereAsync(NpgsqlConnection connection, string module, CancellationToken cancellationToken) => connection.ValueAsync<bool>(
        """
        select exists (select from stint.function where module = $1 and hash is not null) or exists (select from stint.secret where module = $1 and sealed is not null)
            or exists (select from stint.text where kind = 'modules' and name = $1 and content is not null)
        """, [Sql.Text(module)], cancellationToken);
}
