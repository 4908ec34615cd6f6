// A function's folder as bytes. Its hash is the folder's identity in the cluster, so there is one way only to write a folder: our own format, since tar leaves open order, times, owners and how long
// paths are written.
//
//   "stint-folder 1\n"
//   for the folder itself (path "") and everything below it, in ordinal order of the paths:
//     kind       1 byte      d folder, f file, l link
//     mode       2 bytes     the nine permission bits, little-endian; 0 for a link
//     path       2 + n       length, UTF-8, relative, with forward slashes
//     content    8 + n       length, bytes: of a file its content, of a link its target, of a folder none
//   "e"
//
// Owners, times and the bits above the nine (setuid and so on) are not part of it: they belong to the machine.
//
// What is read comes out of a database, and is trusted no more than an upload: order must be strict, every entry lies in a folder that this archive has made, and files are made anew, so no link
// that came before can lead a write to another place. Where links lead is checked when a bundle is made of the folder (CodeTree.Check), as for a registry's folder that people edit.
using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Stint.Cluster.Store;

/// <summary>The format of stored folders, and its reader.</summary>
internal static class FolderArchive
{
    /// <summary>Begins every archive.</summary>
    public static ReadOnlySpan<byte> Magic => "stint-folder 1\n"u8;

    /// <summary>The longest path of an entry and the longest target of a link, bytes (PATH_MAX).</summary>
    public const int MaxPath = 4096;

    /// <summary>The permission bits that are kept.</summary>
    public const int ModeMask = 0x1FF;

    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Writes the folder that an archive holds.</summary>
    /// <param name="archive">The bytes.</param>
    /// <param name="target">The folder, not there yet. After an exception, what is there of it is of no use.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="InvalidDataException">It is no archive.</exception>
    /// <exception cref="IOException">The disk is full, for instance.</exception>
    public static async Task UnpackAsync(Stream archive, string target, CancellationToken cancellationToken)
    {
        var magic = new byte[Magic.Length];
        await FillAsync(archive, magic, cancellationToken).ConfigureAwait(false);
        if (!magic.AsSpan().SequenceEqual(Magic)) throw new InvalidDataException("it does not begin as one");
        var folders = new List<(string Path, UnixFileMode Mode)>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        string? last = null;
        while (await ReadEntryAsync(archive, cancellationToken).ConfigureAwait(false) is { } entry)
        {
            Require(entry, last, known);
            last = entry.Path;
            var path = Path.Combine(target, entry.Path);
            switch (entry.Kind)
            {
                case 'd':
                    Directory.CreateDirectory(path);
                    known.Add(entry.Path);
                    folders.Add((path, entry.Mode));
                    break;
                case 'f':
                    await WriteAsync(archive, path, entry, cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    File.CreateSymbolicLink(path, await TextAsync(archive, (int)entry.Size, cancellationToken).ConfigureAwait(false));
                    break;
            }
        }
        if (last is null) throw new InvalidDataException("it is empty");
        // Last, and the innermost first: a folder may be one that nobody may write to.
        for (var i = folders.Count - 1; i >= 0; i--) File.SetUnixFileMode(folders[i].Path, folders[i].Mode);
    }

    private static void Require(Entry entry, string? last, HashSet<string> known)
    {
        if (last is null)
        {
            if (entry is not { Path: "", Kind: 'd' }) throw new InvalidDataException("its first entry is not the folder itself");
            return;
        }
        if (string.CompareOrdinal(last, entry.Path) >= 0) throw new InvalidDataException("its entries are out of order");
        var parts = entry.Path.Split('/');
        if (parts.Any(static part => part is "" or "." or "..") || entry.Path.Contains('\0', StringComparison.Ordinal)) throw new InvalidDataException($"\"{entry.Path}\" is no path");
        if (!known.Contains(string.Join('/', parts[..^1]))) throw new InvalidDataException($"\"{entry.Path}\" is in no folder");
    }

    private static async Task<Entry?> ReadEntryAsync(Stream archive, CancellationToken cancellationToken)
    {
        var head = new byte[5];
        await FillAsync(archive, head.AsMemory(0, 1), cancellationToken).ConfigureAwait(false);
        if (head[0] == 'e') return null;
        await FillAsync(archive, head.AsMemory(1), cancellationToken).ConfigureAwait(false);
        var path = await TextAsync(archive, BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(3)), cancellationToken).ConfigureAwait(false);
        var length = new byte[8];
        await FillAsync(archive, length, cancellationToken).ConfigureAwait(false);
        var entry = new Entry((char)head[0], (UnixFileMode)BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(1)), path, BinaryPrimitives.ReadInt64LittleEndian(length));
        var fits = entry switch
        {
            { Kind: 'd', Size: 0 } or { Kind: 'f', Size: >= 0 } or { Kind: 'l', Size: > 0 and <= MaxPath, Mode: UnixFileMode.None } => ((int)entry.Mode & ~ModeMask) == 0,
            _ => false,
        };
        return fits ? entry : throw new InvalidDataException($"the entry \"{path}\" is none");
    }

    private static async Task WriteAsync(Stream archive, string path, Entry entry, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            await using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite });
            for (var left = entry.Size; left > 0;)
            {
                var piece = buffer.AsMemory(0, (int)Math.Min(buffer.Length, left));
                await FillAsync(archive, piece, cancellationToken).ConfigureAwait(false);
                await file.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
                left -= piece.Length;
            }
            // The process's umask does not count.
            File.SetUnixFileMode(file.SafeFileHandle, entry.Mode);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task<string> TextAsync(Stream archive, int length, CancellationToken cancellationToken)
    {
        if (length > MaxPath) throw new InvalidDataException("a path in it is too long");
        var bytes = new byte[length];
        await FillAsync(archive, bytes, cancellationToken).ConfigureAwait(false);
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException("a path in it is not UTF-8", e);
        }
    }

    private static async Task FillAsync(Stream archive, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            await archive.ReadExactlyAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException("it ends in the middle", e);
        }
    }

    private readonly record struct Entry(char Kind, UnixFileMode Mode, string Path, long Size);
}
