using Stint.Functions.Bundles;

namespace Stint.Backends.Containers.Images;

/// <summary>
/// A file system to be packed into an image: what stands at which path. What is taken from the host keeps its path, and brings along the links and folders on the way to it (on a merged-/usr system
/// <c>/lib/x.so</c> is the link <c>/lib</c> and the file <c>/usr/lib/x.so</c>). Everything belongs to root inside.
/// </summary>
internal sealed class Rootfs
{
    // As many as the kernel follows (path_resolution(7)).
    private const int MaxLinks = 40;

    private readonly SortedDictionary<string, RootfsEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _folders = new(StringComparer.Ordinal) { ["/"] = "/" };
    private readonly HashSet<string> _walked = new(StringComparer.Ordinal);

    /// <summary>Everything, each folder before what is in it.</summary>
    public IReadOnlyCollection<RootfsEntry> Entries => _entries.Values;

    /// <summary>Bytes of all files.</summary>
    public long Size => _entries.Values.Sum(static entry => entry.Size);

    /// <summary>The host's paths of all files.</summary>
    public IReadOnlyList<string> Files => [.. _entries.Values.Select(static entry => entry.HostPath).OfType<string>()];

    /// <summary>Whether something stands at that path; also behind links.</summary>
    public bool Has(string path) => _entries.ContainsKey(path) || Path.GetDirectoryName(path) is { } folder && _folders.TryGetValue(folder, out var real) && _entries.ContainsKey(Path.Combine(real, Path.GetFileName(path)));

    /// <summary>A folder of our own making, with those above it.</summary>
    public void AddFolder(string path, UnixFileMode mode = RootfsEntry.Folder0755)
    {
        if (path == "/" || _entries.ContainsKey(path)) return;
        AddFolder(Path.GetDirectoryName(path)!);
        _entries.Add(path, new RootfsEntry(path, mode));
    }

    /// <summary>A link of our own making.</summary>
    public void AddLink(string path, string target)
    {
        AddFolder(Path.GetDirectoryName(path)!);
        _entries.TryAdd(path, new RootfsEntry(path, default) { LinkTarget = target });
    }

    /// <summary>A file of the host at a path of our choosing.</summary>
    public void AddFile(string path, string hostPath)
    {
        AddFolder(Path.GetDirectoryName(path)!);
        var file = new FileInfo(hostPath);
        // Who owns it on the host does not matter inside, so neither do set-user-id bits: they would make root of whoever runs it.
        const UnixFileMode permissions = (UnixFileMode)0b111_111_111;
        _entries.TryAdd(path, new RootfsEntry(path, file.UnixFileMode & permissions) { HostPath = hostPath, Size = file.Length, Modified = file.LastWriteTimeUtc });
    }

    /// <summary>A file or link of the host, with what the links on the way lead to; of a folder only itself. One that does not exist is passed over.</summary>
    /// <returns>Whether there is such a thing.</returns>
    public bool AddHost(string path)
    {
        if (Resolve(path) is not { } real) return false;
        if (File.Exists(real)) AddFile(real, real);
        return true;
    }

    /// <summary>A folder of the host with all that is in it.</summary>
    /// <param name="path">The folder; one that does not exist is passed over.</param>
    /// <param name="skip">Names of entries to leave out, with all that is in them.</param>
    public bool AddHostTree(string path, params string[] skip)
    {
        if (Resolve(path) is not { } real || !Directory.Exists(real)) return false;
        if (!_walked.Add(real)) return true;
        foreach (var entry in new DirectoryInfo(real).EnumerateFileSystemInfos())
        {
            if (skip.Contains(entry.Name) || entry.Extension == ".a") continue; // of static libraries nothing runs
            if (entry.LinkTarget is not null)
            {
                AddHost(entry.FullName);
                if (Directory.Exists(entry.FullName)) AddHostTree(entry.FullName, skip);
            }
            else if (entry is DirectoryInfo) AddHostTree(entry.FullName, skip);
            else if (FileStat.TryRead(entry.FullName, out var stat) && stat.IsFile) AddFile(entry.FullName, entry.FullName); // sockets and devices are nobody's library
        }
        return true;
    }

    /// <summary>A folder of the host under another path, with what its links lead to on the host.</summary>
    /// <param name="path">The path inside.</param>
    /// <param name="hostFolder">The folder.</param>
    /// <param name="skip">Names of entries to leave out, with all that is in them.</param>
    public void AddTree(string path, string hostFolder, params string[] skip)
    {
        AddFolder(path);
        foreach (var entry in new DirectoryInfo(hostFolder).EnumerateFileSystemInfos())
        {
            if (skip.Contains(entry.Name)) continue;
            var inside = Path.Combine(path, entry.Name);
            if (entry.LinkTarget is { } target)
            {
                AddLink(inside, target);
                AddHost(Path.GetFullPath(target, path));
            }
            else if (entry is DirectoryInfo) AddTree(inside, entry.FullName, skip);
            else AddFile(inside, entry.FullName);
        }
    }

    /// <summary>The path without links; every link and folder on the way is added. Null when it leads nowhere.</summary>
    private string? Resolve(string path)
    {
        var links = 0;
        var real = "/";
        var rest = new Stack<string>(Enumerable.Reverse(path.Split('/', StringSplitOptions.RemoveEmptyEntries))); // as an array, .NET 9 would reverse it in place
        while (rest.TryPop(out var name))
        {
            if (name == ".") continue;
            if (name == "..")
            {
                real = Path.GetDirectoryName(real) ?? "/";
                continue;
            }
            var next = Path.Combine(real, name);
            if (_folders.TryGetValue(next, out var known))
            {
                real = known;
                continue;
            }
            var info = new FileInfo(next);
            if (info.LinkTarget is { } target)
            {
                if (++links > MaxLinks) return null;
                AddLink(next, target);
                if (target.StartsWith('/')) real = "/";
                foreach (var part in Enumerable.Reverse(target.Split('/', StringSplitOptions.RemoveEmptyEntries))) rest.Push(part);
            }
            else if (Directory.Exists(next))
            {
                AddFolder(next);
                _folders.Add(next, next);
                real = next;
            }
            else
            {
                return rest.Count == 0 && info.Exists ? next : null;
            }
        }
        return real;
    }
}

/// <summary>One thing in a file system to be packed: a folder, unless it has a <see cref="HostPath"/> or a <see cref="LinkTarget"/>.</summary>
/// <param name="Path">Absolute path inside.</param>
/// <param name="Mode">Permissions.</param>
internal sealed record RootfsEntry(string Path, UnixFileMode Mode)
{
    /// <summary>Folders that everybody may read.</summary>
    public const UnixFileMode Folder0755 = (UnixFileMode)0b111_101_101;

    /// <summary>The file of the host whose bytes it has.</summary>
    public string? HostPath { get; init; }

    /// <summary>What the link says.</summary>
    public string? LinkTarget { get; init; }

    /// <summary>Bytes.</summary>
    public long Size { get; init; }

    /// <summary>Python trusts what it compiled only while the source has the time that it had.</summary>
    public DateTimeOffset Modified { get; init; }
}
