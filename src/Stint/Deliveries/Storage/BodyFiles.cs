using System.IO.Pipelines;
using Stint.Files;

namespace Stint.Deliveries.Storage;

/// <summary>
/// Bodies too large for the database: a file each, durable before the entry that names it is, removed after it. A database would copy them twice (its log, its pages) and hold them in memory for that.
/// </summary>
internal sealed class BodyFiles : IBodyStore
{
    private readonly string _folder;
    private readonly long _reserve;

    /// <summary>Opens, or makes, the folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="reserve">Bytes of the disk that are left free, see <see cref="StoreLimits.Reserve"/>.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    public BodyFiles(string folder, long reserve)
    {
        (_folder, _reserve) = (folder, reserve);
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <inheritdoc/>
    public async Task<(string Name, long Length)?> WriteAsync(PipeReader body, long room)
    {
        var name = Guid.NewGuid().ToString("N");
        var path = Path.Combine(_folder, name);
        try
        {
            long length = 0;
            var free = DiskRoom.Of(_folder, _reserve);
            await using (var file = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                while (true)
                {
                    var read = await body.ReadAsync().ConfigureAwait(false);
                    try
                    {
                        foreach (var piece in read.Buffer)
                        {
                            if ((length += piece.Length) > room) break;
                            if (length > free) throw DiskRoom.Full(_folder);
                            await WriteAsync(file, piece).ConfigureAwait(false);
                        }
                    }
                    finally
                    {
                        // Whatever happened: the connection reads the rest of a body that was refused, and cannot while somebody else is reading.
                        body.AdvanceTo(read.Buffer.End);
                    }
                    if (length > room)
                    {
                        File.Delete(path);
                        return null;
                    }
                    if (read.IsCompleted) break;
                }
                RandomAccess.FlushToDisk(file.SafeFileHandle);
            }
            SyncFolder();
            return (name, length);
        }
        catch
        {
            Delete(name);
            throw;
        }
    }

    // Others fill disks too.
    private async ValueTask WriteAsync(FileStream file, ReadOnlyMemory<byte> piece)
    {
        const int noSpace = 28; // ENOSPC
        try
        {
            await file.WriteAsync(piece).ConfigureAwait(false);
        }
        catch (IOException failure)
        {
            throw failure.HResult == noSpace ? DiskRoom.Full(_folder, failure) : new StoreException(failure.Message, inner: failure);
        }
    }

    /// <inheritdoc/>
    public Task<FileStream> OpenAsync(string name)
    {
        try
        {
            return Task.FromResult(new FileStream(Path.Combine(_folder, name), new FileStreamOptions { Access = FileAccess.Read, Options = FileOptions.Asynchronous | FileOptions.SequentialScan, BufferSize = 0 }));
        }
        catch (IOException failure)
        {
            return Task.FromException<FileStream>(failure);
        }
    }

    /// <summary>Removes a body; what cannot be removed now is by the next start's <see cref="Sweep"/>.</summary>
    public void Delete(string name)
    {
        try
        {
            File.Delete(Path.Combine(_folder, name));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // later
        }
    }

    /// <summary>Removes bodies that no entry names: a daemon was killed between the two.</summary>
    public void Sweep(IReadOnlySet<string> known)
    {
        foreach (var path in Directory.EnumerateFiles(_folder))
            if (!known.Contains(Path.GetFileName(path))) Delete(Path.GetFileName(path));
    }

    private void SyncFolder()
    {
        try
        {
            Durability.Flush(_folder);
        }
        catch (IOException failure)
        {
            throw new StoreException($"{_folder} cannot be made durable: {failure.Message}", inner: failure);
        }
    }
}
