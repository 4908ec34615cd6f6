namespace Stint.Functions.Archives;

/// <summary>
/// The files and folders that an archive has named so far. Refuses what could not exist side by side on every file system, or would let a
/// later entry replace an earlier one: duplicates, names that differ in case only, a file where another entry needs a folder.
/// </summary>
internal sealed class EntryTree
{
    private readonly Dictionary<string, (string Path, bool IsFolder)> _seen = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Enters the path and the folders above it.</summary>
    /// <exception cref="ArchiveRejectedException">It clashes with an earlier entry.</exception>
    public void Add(EntryPath entry)
    {
        var end = entry.Segments.Length;
        for (var depth = 1; depth <= end; depth++)
        {
            var isLast = depth == end;
            Enter(string.Join('/', entry.Segments.AsSpan(0, depth)!), isFolder: !isLast || entry.IsFolder);
        }
    }

    private void Enter(string path, bool isFolder)
    {
        if (_seen.TryAdd(path, (path, isFolder))) return;
        var earlier = _seen[path];
        var shown = ArchiveRejectedException.Show(path);
        if (earlier.Path != path)
            throw new ArchiveRejectedException($"archive rejected: {shown} and {ArchiveRejectedException.Show(earlier.Path)} differ in upper and lower case only; rename one of them");
        if (earlier.IsFolder != isFolder)
            throw new ArchiveRejectedException($"archive rejected: {shown} is both a file and a folder");
        if (!isFolder)
            throw new ArchiveRejectedException($"archive rejected: the file {shown} occurs twice");
    }
}
