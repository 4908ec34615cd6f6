using System.Buffers.Binary;
using System.Text;
using Stint.Functions.Bundles;

namespace Stint.Cluster.Store;

/// <summary>The archive of a folder as a stream that is made while it is read (<see cref="FolderArchive"/>). Links are never followed.</summary>
/// <param name="folder">The folder. One that is changed meanwhile is noticed, or gives another hash.</param>
internal sealed class FolderArchiveReader(string folder) : Stream
{
    private List<CodeEntry>? _entries;
    private int _next;
    private ReadOnlyMemory<byte> _ready;
    private FileStream? _file;
    private long _left;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    /// <exception cref="StoreException">The folder holds what cannot be stored, or was changed while it was read.</exception>
    public override int Read(Span<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            if (_ready.Length > 0)
            {
                var count = Math.Min(buffer.Length, _ready.Length);
                _ready.Span[..count].CopyTo(buffer);
                _ready = _ready[count..];
                return count;
            }
            if (_file is not null)
            {
                if (_left > 0)
                {
                    var count = _file.Read(buffer[..(int)Math.Min(buffer.Length, _left)]);
                    _left -= count;
                    return count > 0 ? count : throw Changed();
                }
                _file.Dispose();
                _file = null;
            }
            if (!Advance()) return 0;
        }
        return 0;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // Plain blocking file access: whoever reads this is on a thread of the pool.
        cancellationToken.ThrowIfCancellationRequested();
        return new(Read(buffer.Span));
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _file?.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Makes the next piece ready; false at the end.</summary>
    private bool Advance()
    {
        if (_entries is null)
        {
            if (!FileStat.TryRead(folder, out var itself) || !itself.IsFolder) throw new StoreException(StoreFault.Conflict, $"there is no folder {folder}");
            _entries = CodeTree.Walk(folder);
            _ready = (byte[])[.. FolderArchive.Magic, .. Head('d', itself.Mode, "", 0)];
            return true;
        }
        if (_next > _entries.Count) return false;
        if (_next == _entries.Count)
        {
            _next++;
            _ready = "e"u8.ToArray();
            return true;
        }
        var (path, stat) = _entries[_next++];
        var full = Path.Combine(folder, path);
        if (stat == default) throw Unfit(path, "has a name that is not UTF-8; rename it");
        if (Encoding.UTF8.GetByteCount(path) > FolderArchive.MaxPath) throw Unfit(path[..64] + "…", "has too long a path");
        if (stat.IsFolder) _ready = Head('d', stat.Mode, path, 0);
        else if (stat.IsLink)
        {
            var target = Encoding.UTF8.GetBytes(new FileInfo(full).LinkTarget ?? throw Changed());
            _ready = (byte[])[.. Head('l', 0, path, target.Length), .. target];
        }
        else if (stat.IsFile)
        {
            _file = new FileStream(full, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0, Options = FileOptions.SequentialScan });
            _left = stat.Size;
            if (_file.Length != _left) throw Changed();
            _ready = Head('f', stat.Mode, path, stat.Size);
        }
        else throw Unfit(path, "is a device, pipe or socket; only files, folders and links can be stored");
        return true;
    }

    private static byte[] Head(char kind, int mode, string path, long size)
    {
        var name = Encoding.UTF8.GetBytes(path);
        var head = new byte[1 + 2 + 2 + name.Length + 8];
        head[0] = (byte)kind;
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(1), (ushort)(mode & FolderArchive.ModeMask));
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(3), (ushort)name.Length);
        name.CopyTo(head.AsSpan(5));
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(5 + name.Length), size);
        return head;
    }

    private StoreException Changed() => new(StoreFault.Conflict, $"{folder} was changed while it was read; try again");

    private StoreException Unfit(string path, string why) => new(StoreFault.Conflict, $"{folder} cannot be stored: \"{path}\" {why}");
}
