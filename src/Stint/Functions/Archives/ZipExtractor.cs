using System.Buffers;
using System.IO.Compression;

namespace Stint.Functions.Archives;

/// <summary>
/// Unpacks an uploaded zip and trusts nothing in it: names, kinds, sizes and sums are checked while inflating, since headers may lie.
/// Only plain files and folders come out, files 0644 or 0755, folders 0755.
/// </summary>
internal sealed class ZipExtractor(ArchiveLimits limits)
{
    // The Unix mode in the upper half of the external attributes (APPNOTE 4.4.15; stat(2) S_IFMT).
    private const int KindMask = 0xF000;
    private const int RegularKind = 0x8000;
    private const int FolderKind = 0x4000;
    private const int LinkKind = 0xA000;
    private const int ExecuteBits = 0x49;

    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Runnable = Readable | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Unpacks into an empty folder, which is made if need be. On failure what was written so far stays: the caller throws its staging folder away.</summary>
    /// <param name="zip">A seekable stream, read from any position.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="subfolder">Take only this folder of the archive, as its root; <c>/</c>, empty or null: everything.</param>
    /// <param name="cancellationToken">Stops between blocks.</param>
    /// <exception cref="ArchiveRejectedException">The archive is no zip, is damaged or hostile, or has no such subfolder.</exception>
    public void Extract(Stream zip, string folder, string? subfolder, CancellationToken cancellationToken)
    {
        var root = ParseSubfolder(subfolder);
        var count = CentralDirectory.Count(zip, limits.MaxEntries);
        if (count > limits.MaxEntries) throw new ArchiveRejectedException($"archive rejected: it has more than {limits.MaxEntries} entries");

        Directory.CreateDirectory(folder, Runnable);
        try
        {
            zip.Position = 0;
            using var archive = new ZipArchive(zip, ZipArchiveMode.Read, leaveOpen: true);
            if (archive.Entries.Count != count) throw CentralDirectory.NotAZip();
            ExtractEntries(archive, folder, root, zip.Length, cancellationToken);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or ArgumentException or OverflowException)
        {
            throw CentralDirectory.NotAZip(e);
        }
    }

    private void ExtractEntries(ZipArchive archive, string folder, EntryPath root, long archiveSize, CancellationToken cancellationToken)
    {
        var tree = new EntryTree();
        var found = root.Segments.Length == 0;
        var total = 0L;
        foreach (var entry in archive.Entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var path = EntryPath.Parse(entry.FullName, limits.MaxPathBytes);
            CheckKind(entry, path);
            tree.Add(path);

            var inside = path.Segments.AsSpan().StartsWith(root.Segments);
            if (!inside) continue;
            if (path.Segments.Length == root.Segments.Length)
            {
                if (!path.IsFolder) throw new ArchiveRejectedException($"{ArchiveRejectedException.Show(root.Text)} in the archive is a file, not a folder");
                found = true;
                continue;
            }
            found = true;
            var target = Path.Combine([folder, .. path.Segments.AsSpan(root.Segments.Length)]);
            Directory.CreateDirectory(path.IsFolder ? target : Path.GetDirectoryName(target)!, Runnable);
            if (path.IsFolder) continue;
            total += ExtractFile(entry, target, total, archiveSize, cancellationToken);
        }
        if (!found) throw new ArchiveRejectedException($"the archive has no folder {ArchiveRejectedException.Show(root.Text)}; at its top are: {TopOf(archive)}");
    }

    private static void CheckKind(ZipArchiveEntry entry, EntryPath path)
    {
        var shown = ArchiveRejectedException.Show(entry.FullName);
        if (entry.IsEncrypted) throw new ArchiveRejectedException($"archive rejected: entry {shown} is encrypted; zip it without a password");
        var kind = (entry.ExternalAttributes >> 16) & KindMask;
        var expected = path.IsFolder ? FolderKind : RegularKind;
        if (kind == LinkKind) throw new ArchiveRejectedException($"archive rejected: entry {shown} is a symbolic link; put the file itself into the zip (zip without -y)");
        if (kind is not (0 or RegularKind or FolderKind)) throw new ArchiveRejectedException($"archive rejected: entry {shown} is a device, pipe or socket");
        if (kind != 0 && kind != expected || path.IsFolder && entry.Length > 0) throw new ArchiveRejectedException($"archive rejected: entry {shown} is both a file and a folder");
    }

    private long ExtractFile(ZipArchiveEntry entry, string target, long before, long archiveSize, CancellationToken cancellationToken)
    {
        var runnable = ((entry.ExternalAttributes >> 16) & ExecuteBits) != 0;
        var mode = runnable ? Runnable : Readable;
        var shown = ArchiveRejectedException.Show(entry.FullName);
        using var source = entry.Open();
        using var file = new FileStream(target, new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, UnixCreateMode = mode,
        });
        File.SetUnixFileMode(file.SafeFileHandle, mode);

        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            var written = 0L;
            var crc = 0u;
            for (int read; (read = source.Read(buffer)) > 0;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                written += read;
                if (written > limits.MaxFileBytes) throw new ArchiveRejectedException($"archive rejected: entry {shown} is larger than {limits.MaxFileBytes >> 20} MiB");
                if (before + written > limits.MaxTotalBytes) throw new ArchiveRejectedException($"archive rejected: its files are larger than {limits.MaxTotalBytes >> 20} MiB together");
                // Against the entry's own size, and against the whole file's too: entries may overlap, and their sizes may lie.
                if (IsBomb(written, entry.CompressedLength) || IsBomb(before + written, archiveSize))
                    throw new ArchiveRejectedException($"archive rejected: entry {shown} inflates to more than {limits.MaxRatio} times its size");
                crc = Crc32.Append(crc, buffer.AsSpan(0, read));
                file.Write(buffer, 0, read);
            }
            if (written != entry.Length || crc != entry.Crc32) throw new ArchiveRejectedException($"archive rejected: entry {shown} is damaged: its size or checksum is wrong; upload it again");
            return written;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private bool IsBomb(long inflated, long archived) => inflated > limits.RatioFreeBytes && inflated > limits.RatioFreeBytes + archived * limits.MaxRatio;

    private EntryPath ParseSubfolder(string? subfolder)
    {
        var text = subfolder?.Trim('/') ?? "";
        return text.Length == 0 ? new EntryPath([], true) : EntryPath.Parse(text, limits.MaxPathBytes);
    }

    private static string TopOf(ZipArchive archive)
    {
        var names = archive.Entries.Select(e => e.FullName.Split('/').FirstOrDefault(s => s is not ("" or "."))).OfType<string>().Distinct().Take(8);
        return string.Join(", ", names.Select(ArchiveRejectedException.Show)) is { Length: > 0 } text ? text : "nothing";
    }
}
