using Npgsql;
using Stint.Invocations;

namespace Stint.Cluster.Store;

/// <summary>Functions and their versions.</summary>
internal sealed class FunctionTable(ClusterStore store, BlobTable blobs)
{
    /// <summary>Versions of a function that are kept, the serving one included.</summary>
    public const int KeptVersions = 10;

    /// <summary>Makes a stored folder the serving version of a function. Of two at the same time the later one serves, and both have a number of their own.</summary>
    /// <param name="name">The function.</param>
    /// <param name="hash">The blob of its folder (<see cref="FolderArchive"/>).</param>
    /// <param name="isFlat">It lay in UniFaaS's flat form; null: as it was before, nested when it is new.</param>
    /// <param name="by">Who deployed it: the node's name.</param>
    /// <param name="cancellationToken">Gives up, until the commit.</param>
    /// <exception cref="StoreException">The store is away; or the blob is gone (<see cref="StoreFault.Conflict"/>), because it took too long from the upload to here.</exception>
    public async Task<StoredFunction> CommitAsync(FunctionName name, string hash, bool? isFlat, string by, CancellationToken cancellationToken)
    {
        try
        {
            return await store.ChangeAsync(async (connection, change) =>
            {
                var version = await connection.ValueAsync<long>(
                    """
                    insert into stint.function as f (module, name, version, hash, is_flat, change) values ($1, $2, 1, $3, coalesce($4::boolean, false), $5)
                    on conflict (module, name) do update set version = f.version + 1, hash = excluded.hash, is_flat = coalesce($4::boolean, f.is_flat and f.hash is not null), change = excluded.change
                    returning version
                    """,
                    [Sql.Text(name.Module), Sql.Text(name.Name), Sql.Text(hash), Sql.Text(isFlat is { } flat ? flat ? "true" : "false" : null), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
                await connection.ExecuteAsync("insert into stint.function_version (module, name, version, hash, deployed_by) values ($1, $2, $3, $4, $5)",
                    [Sql.Text(name.Module), Sql.Text(name.Name), Sql.Number(version), Sql.Text(hash), Sql.Text(by)], cancellationToken).ConfigureAwait(false);
                await ForgetVersionsAsync(connection, name, version - KeptVersions, cancellationToken).ConfigureAwait(false);
                return new StoredFunction(name, version, hash, isFlat ?? false, change);
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException e) when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.ForeignKeyViolation })
        {
            throw new StoreException(StoreFault.Conflict, $"the code of {name} was removed from the store before it was deployed; try again", e);
        }
    }

    /// <summary>Removes a function; null when there is none of that name, else the number of the change. Its versions go, their code with the next sweep.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public async Task<long?> RemoveAsync(FunctionName name, CancellationToken cancellationToken)
    {
        // Nobody is to be woken for nothing.
        if (await FindAsync(name, cancellationToken).ConfigureAwait(false) is null) return null;
        return await store.ChangeAsync<long?>(async (connection, change) =>
        {
            var count = await connection.ExecuteAsync("update stint.function set hash = null, change = $3 where module = $1 and name = $2 and hash is not null",
                [Sql.Text(name.Module), Sql.Text(name.Name), Sql.Number(change)], cancellationToken).ConfigureAwait(false);
            await ForgetVersionsAsync(connection, name, long.MaxValue, cancellationToken).ConfigureAwait(false);
            return count > 0 ? change : null;
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>One function; null when there is none of that name.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<StoredFunction?> FindAsync(FunctionName name, CancellationToken cancellationToken) => store.UseAsync(async connection =>
    {
        var rows = await connection.RowsAsync($"{Select} where module = $1 and name = $2 and hash is not null", [Sql.Text(name.Module), Sql.Text(name.Name)], Read, cancellationToken).ConfigureAwait(false);
        return rows is [var function] ? function : null;
    }, cancellationToken);

    /// <summary>What has changed since a number, in order of the changes; what was removed has no hash. 0: everything.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<List<StoredFunction>> ChangedSinceAsync(long change, CancellationToken cancellationToken) => store.UseAsync(
        connection => connection.RowsAsync($"{Select} where change > $1 order by change", [Sql.Number(change)], Read, cancellationToken), cancellationToken);

    /// <summary>A function's versions, the newest first.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<List<StoredVersion>> VersionsAsync(FunctionName name, CancellationToken cancellationToken) => store.UseAsync(connection => connection.RowsAsync(
        "select version, hash, deployed_by, deployed_at from stint.function_version where module = $1 and name = $2 order by version desc", [Sql.Text(name.Module), Sql.Text(name.Name)],
        static row => new StoredVersion(row.GetInt64(0), row.GetString(1), row.GetString(2), new DateTimeOffset(row.GetDateTime(3), TimeSpan.Zero)), cancellationToken), cancellationToken);

    /// <summary>Stores a function's folder and says under which hash. Nothing is deployed by that.</summary>
    /// <exception cref="StoreException">The store is away, or the folder holds what cannot be stored.</exception>
    public async Task<string> UploadAsync(string folder, CancellationToken cancellationToken)
    {
        var (hash, size) = await HashAsync(folder, cancellationToken).ConfigureAwait(false);
        await blobs.PutAsync(hash, size, () => new FolderArchiveReader(folder), cancellationToken).ConfigureAwait(false);
        return hash;
    }

    /// <summary>The hash under which a function's folder would be stored, and the size.</summary>
    /// <exception cref="StoreException">The folder holds what cannot be stored.</exception>
    public static async Task<(string Hash, long Size)> HashAsync(string folder, CancellationToken cancellationToken)
    {
        await using var archive = new FolderArchiveReader(folder);
        return await BlobTable.HashAsync(archive, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes a stored folder to one that is not there yet.</summary>
    /// <exception cref="StoreException">The store is away, or what it gives is not what was stored; what has been written is of no use.</exception>
    public async Task DownloadAsync(string hash, string target, CancellationToken cancellationToken)
    {
        await using var blob = blobs.Open(hash);
        try
        {
            await FolderArchive.UnpackAsync(blob, target, cancellationToken).ConfigureAwait(false);
        }
        catch (InvalidDataException e)
        {
            throw new StoreException(StoreFault.Corrupt, $"the blob {hash[..12]} of the store is no function's folder: {e.Message}; deploy the function again, with any change", e);
        }
        await blob.RequireWholeAsync(cancellationToken).ConfigureAwait(false);
    }

    // Their blobs count as used until now: another gateway may be fetching one this moment.
    private static Task<int> ForgetVersionsAsync(NpgsqlConnection connection, FunctionName name, long last, CancellationToken cancellationToken) => connection.ExecuteAsync(
        """
        with gone as (delete from stint.function_version where module = $1 and name = $2 and version <= $3 returning hash)
        update stint.blob set used_at = clock_timestamp() where hash in (select hash from gone)
        """, [Sql.Text(name.Module), Sql.Text(name.Name), Sql.Number(last)], cancellationToken);

    private const string Select = "select module, name, version, hash, is_flat, change from stint.function";

    private static StoredFunction Read(NpgsqlDataReader row) => new(
        FunctionName.TryCreate(row.GetString(0), row.GetString(1), out var name)
            ? name
            : throw new StoreException(StoreFault.Corrupt, "the table stint.function holds a name that is none; whoever changed the tables by hand must remove it"),
        row.GetInt64(2), row.IsDBNull(3) ? null : row.GetString(3), row.GetBoolean(4), row.GetInt64(5));
}

/// <summary>A function as the store has it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Version">Counts its deployments.</param>
/// <param name="Hash">The blob of its folder; null: it was removed.</param>
/// <param name="IsFlat">In a registry's folder it belongs into UniFaaS's flat form.</param>
/// <param name="Change">The number of its last change.</param>
internal sealed record StoredFunction(FunctionName Name, long Version, string? Hash, bool IsFlat, long Change);

/// <summary>A version that was deployed.</summary>
/// <param name="Number">Counts them.</param>
/// <param name="Hash">The blob of its folder.</param>
/// <param name="DeployedBy">The node that deployed it.</param>
/// <param name="DeployedAt">When, by the store's clock.</param>
internal sealed record StoredVersion(long Number, string Hash, string DeployedBy, DateTimeOffset DeployedAt);
