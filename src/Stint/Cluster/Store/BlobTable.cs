using System.Buffers;
using System.Security.Cryptography;

namespace Stint.Cluster.Store;

/// <summary>Bytes by their SHA3-256, in chunks of a MiB: neither side ever holds more of one in memory.</summary>
internal sealed class BlobTable(ClusterStore store)
{
    /// <summary>Bytes of a chunk.</summary>
    public const int ChunkSize = 1 << 20;

    /// <summary>What nobody has used for so long, and no version names, goes: it was uploaded for a deployment that did not happen.</summary>
    public static readonly TimeSpan UnusedFor = TimeSpan.FromHours(1);

    /// <summary>The hash of a stream, lower-case hex, and its length.</summary>
    public static async Task<(string Hash, long Size)> HashAsync(Stream content, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA3_256);
        var buffer = ArrayPool<byte>.Shared.Rent(ChunkSize);
        try
        {
            long size = 0;
            for (int read; (read = await content.ReadAsync(buffer.AsMemory(0, ChunkSize), cancellationToken).ConfigureAwait(false)) > 0; size += read) hash.AppendData(buffer, 0, read);
            return (Convert.ToHexStringLower(hash.GetHashAndReset()), size);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Stores what a stream gives, unless it is there already. Of two that store the same, one waits for the other and finds it done.</summary>
    /// <param name="hash">Its hash, as <see cref="HashAsync"/> says.</param>
    /// <param name="size">Its length.</param>
    /// <param name="open">Gives the bytes.</param>
    /// <param name="cancellationToken">Gives up; nothing is stored then.</param>
    /// <exception cref="StoreException">The store is away, or the stream gave something else than what was hashed.</exception>
    public Task PutAsync(string hash, long size, Func<Stream> open, CancellationToken cancellationToken) => store.TransactAsync(async connection =>
    {
        if (await connection.ExecuteAsync("update stint.blob set used_at = clock_timestamp() where hash = $1", [Sql.Text(hash)], cancellationToken).ConfigureAwait(false) > 0) return true;
        if (await connection.ExecuteAsync("insert into stint.blob (hash, size) values ($1, $2) on conflict do nothing", [Sql.Text(hash), Sql.Number(size)], cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding) == 0) return true;
        // From here on on a thread of the pool, again after each chunk: reading the file blocks.
        await using var content = open();
        using var check = IncrementalHash.CreateHash(HashAlgorithmName.SHA3_256);
        var buffer = ArrayPool<byte>.Shared.Rent(ChunkSize);
        try
        {
            for (var number = 0; ; number++)
            {
                var read = await content.ReadAtLeastAsync(buffer.AsMemory(0, ChunkSize), ChunkSize, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
                if (read == 0) break;
                check.AppendData(buffer, 0, read);
                await connection.ExecuteAsync("insert into stint.blob_chunk (hash, number, data) values ($1, $2, $3)",
                    [Sql.Text(hash), Sql.Small(number), Sql.Bytes(buffer.AsMemory(0, read))], cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return Convert.ToHexStringLower(check.GetHashAndReset()) == hash ? true : throw new StoreException(StoreFault.Conflict, "the files were changed while they were stored; try again");
    }, cancellationToken);

    /// <summary>Reads a blob from its beginning; its hash is checked by whoever has read all of it (<see cref="BlobReader.RequireWholeAsync"/>).</summary>
    public BlobReader Open(string hash) => new(hash, ChunkAsync);

    /// <summary>Removes blobs that no version names and that nobody has touched for a while; says how many.</summary>
    /// <exception cref="StoreException">The store is away.</exception>
    public Task<int> SweepAsync(TimeSpan unusedFor, CancellationToken cancellationToken) => store.UseAsync(connection => connection.ExecuteAsync(
        """
        delete from stint.blob b
        where used_at < clock_timestamp() - $1 * interval '1 second'
          and not exists (select from stint.function f where f.hash = b.hash) and not exists (select from stint.function_version v where v.hash = b.hash)
        """, [Sql.Seconds(unusedFor)], cancellationToken), cancellationToken);

    private Task<byte[]?> ChunkAsync(string hash, int number, CancellationToken cancellationToken) => store.UseAsync(
        connection => connection.ValueAsync<byte[]>("select data from stint.blob_chunk where hash = $1 and number = $2", [Sql.Text(hash), Sql.Small(number)], cancellationToken), cancellationToken);
}
