using System.Formats.Tar;
using Stint.Functions.Bundles;

namespace Stint.Backends.Containers.Images;

/// <summary>A user's folder with a Dockerfile, as the engine wants it.</summary>
internal static class BuildContext
{
    /// <summary>The archive of a folder without what its <c>.dockerignore</c> names. Links stay links; everything belongs to root.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="always">Path in it that is sent in any case: the Dockerfile's.</param>
    /// <param name="cancellationToken">Stops the writing.</param>
    public static Stream Open(string folder, string always, CancellationToken cancellationToken)
    {
        var ignored = IgnoreList.Of(folder);
        return TarStream.Open(async (writer, stop) =>
        {
            // A folder that is ignored may still hold something that a later line takes back, so all are looked into.
            foreach (var path in Walk(folder, "").Where(path => path == always || !ignored.Ignores(path))) await WriteAsync(writer, folder, path, stop).ConfigureAwait(false);
        }, cancellationToken);
    }

    private static IEnumerable<string> Walk(string root, string folder)
    {
        foreach (var name in Directory.EnumerateFileSystemEntries(Path.Combine(root, folder)).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal))
        {
            var path = folder.Length == 0 ? name : $"{folder}/{name}";
            yield return path;
            if (!FileStat.TryRead(Path.Combine(root, path), out var stat) || !stat.IsFolder) continue;
            foreach (var inner in Walk(root, path)) yield return inner;
        }
    }

    private static async Task WriteAsync(TarWriter writer, string root, string path, CancellationToken cancellationToken)
    {
        var host = Path.Combine(root, path);
        if (!FileStat.TryRead(host, out var stat)) return; // gone meanwhile
        var mode = (UnixFileMode)(stat.Mode & 0xFFF);
        var modified = DateTimeOffset.FromUnixTimeSeconds(stat.Modified / 1_000_000_000);
        if (stat.IsFolder)
        {
            await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.Directory, path + "/") { Mode = mode, ModificationTime = modified }, cancellationToken).ConfigureAwait(false);
        }
        else if (stat.IsLink)
        {
            await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.SymbolicLink, path) { LinkName = new FileInfo(host).LinkTarget!, ModificationTime = modified }, cancellationToken).ConfigureAwait(false);
        }
        else if (stat.IsFile)
        {
            await using var file = File.OpenRead(host);
            await writer.WriteEntryAsync(new GnuTarEntry(TarEntryType.RegularFile, path) { Mode = mode, ModificationTime = modified, DataStream = file }, cancellationToken).ConfigureAwait(false);
        }
    }
}
