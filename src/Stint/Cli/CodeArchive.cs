using System.IO.Compression;

namespace Stint.Cli;

/// <summary>
/// Packs a folder of code into a zip on disk (code may be larger than memory). Executable bits are kept; links within the folder are followed,
/// those that leave it are refused; what belongs to version control or can be made again stays out.
/// </summary>
internal sealed class CodeArchive
{
    // S_IFREG, inode(7); a zip made on Unix carries st_mode in the upper half of its external attributes.
    private const int RegularFile = 0x8000;

    private static readonly string[] Skipped = [".git", ".hg", ".svn", "__pycache__", ".venv", ".DS_Store"];

    private readonly ZipArchive _zip;
    private readonly string _root;
    private readonly bool _skipNodeModules;
    private readonly IReadOnlyList<string>? _only;

    private CodeArchive(ZipArchive zip, string root, bool skipNodeModules, IReadOnlyList<string>? only) => (_zip, _root, _skipNodeModules, _only) = (zip, root, skipNodeModules, only);

    /// <summary>Packs; the result is positioned at its beginning, and the file is gone when it is closed.</summary>
    /// <param name="skipNodeModules">Leave <c>node_modules</c> at the top out.</param>
    /// <param name="only">What is packed, relative paths of files and folders; null = everything.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="CliException">A link leaves the folder, or a file is no regular one.</exception>
    public static async Task<FileStream> PackAsync(string folder, bool skipNodeModules, IReadOnlyList<string>? only, CancellationToken cancellationToken)
    {
        var root = UnixFiles.RealPath(folder) ?? throw new CliException($"{folder} does not exist.");
        var file = new FileStream(Path.Combine(Path.GetTempPath(), "stint-" + Path.GetRandomFileName()), new FileStreamOptions
        {
            Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose | FileOptions.Asynchronous,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        try
        {
            using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
                await new CodeArchive(zip, root, skipNodeModules, only).AddFolderAsync(root, "", [root], cancellationToken);
            file.Position = 0;
            return file;
        }
        catch
        {
            await file.DisposeAsync();
            throw;
        }
    }

    /// <param name="ancestors">Real paths of the folder and those above it, to notice a link that leads back up.</param>
    private async Task AddFolderAsync(string folder, string prefix, string[] ancestors, CancellationToken cancellationToken)
    {
        // Sorted, so that equal code makes equal archives.
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos().OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            if (Skipped.Contains(entry.Name) || (_skipNodeModules && prefix.Length == 0 && entry.Name is "node_modules")) continue;
            var name = prefix + entry.Name;
            if (_only?.Any(wanted => wanted == name || wanted.StartsWith(name + "/", StringComparison.Ordinal) || name.StartsWith(wanted + "/", StringComparison.Ordinal)) == false) continue;
            var path = entry.LinkTarget is null ? entry.FullName : Follow(entry, name);
            if (!Directory.Exists(path)) await AddFileAsync(new FileInfo(path), name, cancellationToken);
            else if (ancestors.Contains(path)) throw new CliException($"{name} is a link to a folder that contains it. Remove the link.");
            else await AddFolderAsync(path, name + "/", [.. ancestors, path], cancellationToken);
        }
    }

    private string Follow(FileSystemInfo entry, string name)
    {
        var target = UnixFiles.RealPath(entry.FullName) ?? throw new CliException($"{name} is a link to {entry.LinkTarget}, which does not exist. Remove the link.");
        return target == _root || target.StartsWith(_root + "/", StringComparison.Ordinal)
            ? target
            : throw new CliException($"{name} is a link to {entry.LinkTarget}, outside of the code. Copy what it points to into the folder, or remove the link.");
    }

    private async Task AddFileAsync(FileInfo file, string name, CancellationToken cancellationToken)
    {
        // Opening a pipe would wait for ever; a device or socket has nothing to send.
        if (!UnixFiles.IsRegularFile(file.FullName)) throw new CliException($"{name} is a pipe, socket or device, which cannot be sent. Remove it from the folder.");
        var entry = _zip.CreateEntry(name);
        entry.ExternalAttributes = (RegularFile | (int)file.UnixFileMode) << 16;
        // The MS-DOS time of a zip entry counts from 1980 to 2107; ZipArchive throws beyond.
        if (file.LastWriteTimeUtc.Year is >= 1980 and <= 2107) entry.LastWriteTime = new DateTimeOffset(file.LastWriteTimeUtc);
        await using var from = file.OpenRead();
        await using var to = entry.Open();
        await from.CopyToAsync(to, cancellationToken);
    }
}
