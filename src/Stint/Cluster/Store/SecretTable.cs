using Npgsql;
using Stint.Functions.Secrets;
using Stint.Invocations;

namespace Stint.Cluster.Store;

/// <summary>Secrets by module and name. Values are sealed before they come here and opened after they have left.</summary>
internal sealed class SecretTable(ClusterStore store)
{
    /// <summary>Adds a secret; null when there is one of that name, else the number of the change.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long?> AddAsync(StoreKey key, string module, string name, byte[] value, CancellationToken cancellationToken) => PutAsync(key, module, name, value, static present => !present, cancellationToken);

    /// <summary>Gives a secret another value; null when there is none of that name, else the number of the change.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long?> ReplaceAsync(StoreKey key, string module, string name, byte[] value, CancellationToken cancellationToken) => PutAsync(key, module, name, value, static present => present, cancellationToken);

    /// <summary>Removes a secret; null when there is none of that name, else the number of the change.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long?> RemoveAsync(string module, string name, CancellationToken cancellationToken) => store.ChangeAsync<long?>(async (connection, change) =>
        await connection.ExecuteAsync("update stint.secret set sealed = null, change = $3 where module = $1 and name = $2 and sealed is not null",
            [Sql.Text(module), Sql.Text(name), Sql.Number(change)], cancellationToken).ConfigureAwait(false) > 0 ? change : null, cancellationToken);

    /// <summary>What has changed since a number, in order; what was removed has no value. 0: everything.</summary>
    /// <exception cref="StoreException">The store is away, or a value does not open with this key.</exception>
    public Task<List<StoredSecret>> ChangedSinceAsync(StoreKey key, long change, CancellationToken cancellationToken) => store.UseAsync(connection => connection.RowsAsync(
        "select module, name, sealed, change from stint.secret where change > $1 order by change", [Sql.Number(change)], row => Read(key, row), cancellationToken), cancellationToken);

    /// <summary>Gives a secret another module, in the transaction of something larger.</summary>
    public static async Task MoveAsync(NpgsqlConnection connection, StoreKey key, string from, string to, string name, byte[] value, long change, CancellationToken cancellationToken)
    {
        var moved = key.Seal(Purpose(to, name), key.Unseal(Purpose(from, name), value));
        await connection.ExecuteAsync("insert into stint.secret (module, name, sealed, change) values ($1, $2, $3, $4) on conflict (module, name) do update set sealed = excluded.sealed, change = excluded.change",
            [Sql.Text(to), Sql.Text(name), Sql.Bytes(moved), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
        await connection.ExecuteAsync("update stint.secret set sealed = null, change = $3 where module = $1 and name = $2", [Sql.Text(from), Sql.Text(name), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>How many there are.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long> CountAsync(CancellationToken cancellationToken) =>
        store.UseAsync(connection => connection.ValueAsync<long>("select count(*) from stint.secret where sealed is not null", [], cancellationToken), cancellationToken);

    // ChangeAsync holds the row that all changes go through: nobody adds or removes between the two statements.
    private Task<long?> PutAsync(StoreKey key, string module, string name, byte[] value, Func<bool, bool> mayPut, CancellationToken cancellationToken) => store.ChangeAsync<long?>(async (connection, change) =>
    {
        var present = await connection.ValueAsync<bool>("select exists (select from stint.secret where module = $1 and name = $2 and sealed is not null)", [Sql.Text(module), Sql.Text(name)], cancellationToken).ConfigureAwait(false);
        if (!mayPut(present)) return null;
        await connection.ExecuteAsync(
            "insert into stint.secret (module, name, sealed, change) values ($1, $2, $3, $4) on conflict (module, name) do update set sealed = excluded.sealed, change = excluded.change",
            [Sql.Text(module), Sql.Text(name), Sql.Bytes(key.Seal(Purpose(module, name), value)), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
        return change;
    }, cancellationToken);

    private static StoredSecret Read(StoreKey key, NpgsqlDataReader row)
    {
        var (module, name) = (row.GetString(0), row.GetString(1));
        if (!FunctionName.IsValidPart(module) || !SecretName.IsValid(name)) throw new StoreException(StoreFault.Corrupt, "the table stint.secret holds a name that is none; whoever changed the tables by hand must remove it");
        return new StoredSecret(module, name, row.IsDBNull(2) ? null : key.Unseal(Purpose(module, name), row.GetFieldValue<byte[]>(2)), row.GetInt64(3));
    }

    private static string Purpose(string module, string name) => $"secret {module}/{name}";
}

/// <summary>A secret, opened.</summary>
/// <param name="Module">Its module.</param>
/// <param name="Name">Its name.</param>
/// <param name="Value">Its value; null: it was removed.</param>
/// <param name="Change">The number of its last change.</param>
internal sealed record StoredSecret(string Module, string Name, byte[]? Value, long Change)
{
    // Never the value.
    private bool PrintMembers(System.Text.StringBuilder builder)
    {
        builder.Append(System.Globalization.CultureInfo.InvariantCulture, $"{Module}/{Name}");
        return true;
    }
}
