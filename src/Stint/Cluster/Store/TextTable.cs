using Npgsql;

namespace Stint.Cluster.Store;

/// <summary>Small texts by kind and name.</summary>
internal sealed class TextTable(ClusterStore store)
{
    /// <summary>Modules that somebody made, with what was said of them (JSON).</summary>
    public const string Modules = "modules";

    /// <summary>Scheduling scripts.</summary>
    public const string Scripts = "scripts";

    /// <summary>Subjects of FunLess's API, with the key that signs their tokens; sealed.</summary>
    public const string Subjects = "subjects";

    /// <summary>Changes texts of one kind by what they are. One at a time in the whole cluster.</summary>
    /// <param name="key">Seals.</param>
    /// <param name="kind">Which.</param>
    /// <param name="decide">Is given all of the kind, and whether there ever were any; says what all of it is from now on, and what to answer. On a thread of the pool.</param>
    /// <param name="cancellationToken">Gives up, until the commit.</param>
    /// <exception cref="StoreException">The store is away, or a text does not open with this key.</exception>
    public Task<T> ChangeAsync<T>(StoreKey key, string kind, Func<IReadOnlyDictionary<string, byte[]>, bool, (IReadOnlyDictionary<string, byte[]> All, T Answer)> decide, CancellationToken cancellationToken) =>
        store.ChangeAsync(async (connection, change) =>
        {
            var rows = await ReadAsync(connection, key, kind, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            var before = Present(rows);
            var (all, answer) = decide(before, rows.Count > 0);
            foreach (var (name, content) in all)
                if (!before.TryGetValue(name, out var present) || !present.AsSpan().SequenceEqual(content)) await PutAsync(connection, key, kind, name, content, change, cancellationToken).ConfigureAwait(false);
            foreach (var name in before.Keys.Where(name => !all.ContainsKey(name))) await PutAsync(connection, key, kind, name, null, change, cancellationToken).ConfigureAwait(false);
            return answer;
        }, cancellationToken);

    /// <summary>Adds or changes one; the number of the change.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long> PutAsync(StoreKey? key, string kind, string name, byte[] content, CancellationToken cancellationToken) => store.ChangeAsync(async (connection, change) =>
    {
        await PutAsync(connection, key, kind, name, content, change, cancellationToken).ConfigureAwait(false);
        return change;
    }, cancellationToken);

    /// <summary>All of one kind, by name; null when there never was any.</summary>
    /// <param name="key">Opens what is sealed; null where nothing of the kind is.</param>
    /// <param name="kind">Which.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StoreException">The store is away, or a text does not open with this key.</exception>
    public Task<IReadOnlyDictionary<string, byte[]>?> ListAsync(StoreKey? key, string kind, CancellationToken cancellationToken) => store.UseAsync<IReadOnlyDictionary<string, byte[]>?>(async connection =>
        await ReadAsync(connection, key, kind, cancellationToken).ConfigureAwait(false) is { Count: > 0 } rows ? Present(rows) : null, cancellationToken);

    /// <summary>The number of the last change of one kind; 0 when there was none.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<long> LastChangeAsync(string kind, CancellationToken cancellationToken) =>
        store.UseAsync(connection => connection.ValueAsync<long>("select coalesce(max(change), 0) from stint.text where kind = $1", [Sql.Text(kind)], cancellationToken), cancellationToken);

    /// <summary>Gives a text another name, in the transaction of something larger.</summary>
    public static async Task MoveAsync(NpgsqlConnection connection, string kind, string from, string to, long change, CancellationToken cancellationToken)
    {
        await connection.ExecuteAsync(
            """
            insert into stint.text (kind, name, content, is_sealed, change) select kind, $3, content, is_sealed, $4 from stint.text where kind = $1 and name = $2 and content is not null
            on conflict (kind, name) do update set content = excluded.content, is_sealed = excluded.is_sealed, change = excluded.change
            """, [Sql.Text(kind), Sql.Text(from), Sql.Text(to), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
        await connection.ExecuteAsync("update stint.text set content = null, change = $3 where kind = $1 and name = $2 and content is not null", [Sql.Text(kind), Sql.Text(from), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
    }

    private static Dictionary<string, byte[]> Present(List<(string Name, byte[]? Content)> rows) => rows.Where(static row => row.Content is not null).ToDictionary(static row => row.Name, static row => row.Content!, StringComparer.Ordinal);

    private static Task<List<(string Name, byte[]? Content)>> ReadAsync(NpgsqlConnection connection, StoreKey? key, string kind, CancellationToken cancellationToken) => connection.RowsAsync(
        "select name, content, is_sealed from stint.text where kind = $1", [Sql.Text(kind)], row =>
        {
            var name = row.GetString(0);
            if (row.IsDBNull(1)) return (name, (byte[]?)null);
            var content = row.GetFieldValue<byte[]>(1);
            return (name, row.GetBoolean(2) ? key!.Unseal(Purpose(kind, name), content) : content);
        }, cancellationToken);

    private static Task<int> PutAsync(NpgsqlConnection connection, StoreKey? key, string kind, string name, byte[]? content, long change, CancellationToken cancellationToken)
    {
        var isSealed = kind == Subjects && content is not null;
        return connection.ExecuteAsync(
            """
            insert into stint.text (kind, name, content, is_sealed, change) values ($1, $2, $3, $4, $5)
            on conflict (kind, name) do update set content = excluded.content, is_sealed = excluded.is_sealed, change = excluded.change
            """, [Sql.Text(kind), Sql.Text(name), Sql.Bytes(isSealed ? key!.Seal(Purpose(kind, name), content) : content), Sql.Flag(isSealed), Sql.Number(change)], cancellationToken);
    }

    private static string Purpose(string kind, string name) => $"text {kind}/{name}";
}
