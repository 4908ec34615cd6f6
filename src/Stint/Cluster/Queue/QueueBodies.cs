using System.IO.Pipelines;
using Npgsql;
using Stint.Cluster.Store;
using Stint.Deliveries.Storage;
using StoreException = Stint.Deliveries.Storage.StoreException;

namespace Stint.Cluster.Queue;

/// <summary>Bodies too large for a row: in chunks, each written as soon as it is there, so that neither side holds a body in memory and no transaction waits for a slow caller.</summary>
/// <param name="store">The store.</param>
/// <param name="folder">Where a body lies while it is read; its file has no name there.</param>
internal sealed class QueueBodies(ClusterStore store, string folder) : IBodyStore
{
    /// <summary>Bytes of a chunk.</summary>
    private const int ChunkSize = 256 * 1024;

    /// <summary>A body that nobody has written to for so long and that no entry names was never accepted.</summary>
    public static readonly TimeSpan UnusedFor = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    public async Task<(string Name, long Length)?> WriteAsync(PipeReader body, long room)
    {
        var name = Guid.NewGuid().ToString("N");
        var number = 0;
        try
        {
            long length = 0;
            var chunk = new byte[ChunkSize];
            var filled = 0;
            while (true)
            {
                var read = await body.ReadAsync().ConfigureAwait(false);
                try
                {
                    foreach (var piece in read.Buffer)
                    {
                        if ((length += piece.Length) > room) break;
                        for (var rest = piece; rest.Length > 0;)
                        {
                            var count = Math.Min(rest.Length, ChunkSize - filled);
                            rest[..count].CopyTo(chunk.AsMemory(filled));
                            rest = rest[count..];
                            if ((filled += count) < ChunkSize) continue;
                            await PutAsync(name, number++, chunk).ConfigureAwait(false);
                            filled = 0;
                        }
                    }
                }
                finally
                {
                    // Whatever happened: the connection reads the rest of a body that was refused, and cannot while somebody else is reading.
                    body.AdvanceTo(read.Buffer.End);
                }
                if (length > room)
                {
                    await DeleteAsync(name).ConfigureAwait(false);
                    return null;
                }
                if (read.IsCompleted) break;
            }
            await PutAsync(name, number, chunk.AsMemory(0, filled)).ConfigureAwait(false);
            return (name, length);
        }
        catch
        {
            await DeleteAsync(name).ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<FileStream> OpenAsync(string name)
    {
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var path = Path.Combine(folder, Guid.NewGuid().ToString("N"));
        var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.Asynchronous, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        try
        {
            // It goes with its last user, whatever happens to that.
            File.Delete(path);
            var number = 0;
            while (await ChunkAsync(name, number).ConfigureAwait(false) is { } chunk)
            {
                await file.WriteAsync(chunk).ConfigureAwait(false);
                number++;
            }
            if (number == 0) throw new IOException("the store has no such body");
            file.Position = 0;
            return file;
        }
        catch
        {
            await file.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Removes bodies whose entries go, in the transaction of that.</summary>
    public static async Task DeleteAsync(NpgsqlConnection connection, IReadOnlyCollection<string> names, CancellationToken cancellationToken)
    {
        if (names.Count > 0) await connection.ExecuteAsync("delete from stint.queue_body where name = any($1)", [Sql.Texts(names)], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes bodies that no entry names: a gateway was killed between the two.</summary>
    public static Task<int> SweepAsync(NpgsqlConnection connection, CancellationToken cancellationToken) => connection.ExecuteAsync(
        "delete from stint.queue_body b where used_at < clock_timestamp() - $1 * interval '1 second' and not exists (select from stint.queue q where q.file = b.name)", [Sql.Seconds(UnusedFor)], cancellationToken);

    private async Task PutAsync(string name, int number, ReadOnlyMemory<byte> data)
    {
        try
        {
            await store.UseAsync(connection => connection.ExecuteAsync(
                """
                with body as (insert into stint.queue_body (name) values ($1) on conflict (name) do update set used_at = clock_timestamp() returning name)
                insert into stint.queue_body_chunk (name, number, data) select name, $2, $3 from body
                """, [Sql.Text(name), Sql.Small(number), Sql.Bytes(data)], default), default).ConfigureAwait(false);
        }
        catch (Store.StoreException failure)
        {
            throw new StoreException(failure.Message, inner: failure);
        }
    }

    private async Task<byte[]?> ChunkAsync(string name, int number)
    {
        try
        {
            return await store.UseAsync(connection => connection.ValueAsync<byte[]>("select data from stint.queue_body_chunk where name = $1 and number = $2", [Sql.Text(name), Sql.Small(number)], default), default).ConfigureAwait(false);
        }
        catch (Store.StoreException failure)
        {
            throw new StoreException(failure.Message, inner: failure);
        }
    }

    private async Task DeleteAsync(string name)
    {
        try
        {
            await store.UseAsync(connection => connection.ExecuteAsync("delete from stint.queue_body where name = $1", [Sql.Text(name)], default), default).ConfigureAwait(false);
        }
        catch (Store.StoreException)
        {
            // The sweep finds it.
        }
    }
}
