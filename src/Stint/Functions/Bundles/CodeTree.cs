using System.Text;
using Stint.Functions.Deployments;

namespace Stint.Functions.Bundles;

/// <summary>A file, folder or link below a code folder. <paramref name="Path"/> is relative, with forward slashes.</summary>
internal readonly record struct CodeEntry(string Path, FileStat Stat);

/// <summary>Walks, checks and copies code folders. Links are never followed.</summary>
internal static class CodeTree
{
    /// <summary>Files that others may read: the sandbox's user is not the daemon's.</summary>
    private const UnixFileMode Readable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode Runnable = Readable | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Everything below the folder, unchecked, in ordinal order of the paths.</summary>
    public static List<CodeEntry> Walk(string folder)
    {
        var entries = new List<CodeEntry>();
        Walk(folder, "", entries);
        entries.Sort(static (a, b) => string.CompareOrdinal(a.Path, b.Path));
        return entries;
    }

    private static void Walk(string folder, string prefix, List<CodeEntry> into)
    {
        foreach (var path in Directory.EnumerateFileSystemEntries(folder))
        {
            // What vanished meanwhile is skipped; so is a name that is not UTF-8, which Check finds missing.
            var name = prefix + Path.GetFileName(path);
            if (!FileStat.TryRead(path, out var stat))
            {
                if (name.Contains('\uFFFD', StringComparison.Ordinal)) into.Add(new CodeEntry(name, default));
                continue;
            }
            into.Add(new CodeEntry(name, stat));
            if (stat.IsFolder) Walk(path, name + "/", into);
        }
    }

    /// <summary>Refuses what a bundle cannot hold: devices, pipes, sockets, links that lead out, unreadable names.</summary>
    /// <exception cref="DeploymentException">The first such entry.</exception>
    public static void Check(string folder, List<CodeEntry> entries)
    {
        var links = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (path, stat) in entries)
        {
            if (stat.IsLink) links[path] = new FileInfo(Path.Combine(folder, path)).LinkTarget ?? "";
            else if (stat == default) throw Bad($"\"{path}\" has a name that is not UTF-8; rename it");
            else if (!stat.IsFile && !stat.IsFolder) throw Bad($"\"{path}\" is a device, pipe or socket; only files, folders and links may be deployed");
        }
        foreach (var (path, target) in links)
            if (!StaysInside(path, links)) throw Bad($"the link \"{path}\" points to \"{target}\", which is outside of the function's folder; copy the file instead");
    }

    /// <summary>
    /// Follows a link the way the kernel would, through other links too: <c>x → ../..</c> and then <c>x/..</c> leads further up than its letters say.
    /// Absolute targets lead out wherever they point, since the code runs at another place.
    /// </summary>
    private static bool StaysInside(string link, Dictionary<string, string> links)
    {
        const int maxHops = 40; // as path_resolution(7)
        var at = new List<string>(link.Split('/')[..^1]);
        var ahead = new Stack<string>();
        var hops = 0;
        for (var target = links[link]; ; target = links[ahead.Pop()])
        {
            if (target.StartsWith('/') || ++hops > maxHops) return false;
            foreach (var part in target.Split('/').Reverse()) ahead.Push(part);
            string? next = null;
            while (next is null && ahead.TryPop(out var part))
            {
                if (part is "" or ".") continue;
                if (part == "..")
                {
                    if (at.Count == 0) return false;
                    at.RemoveAt(at.Count - 1);
                    continue;
                }
                at.Add(part);
                var here = string.Join('/', at);
                if (!links.ContainsKey(here)) continue;
                at.RemoveAt(at.Count - 1);
                next = here;
            }
            if (next is null) return true;
            ahead.Push(next);
        }
    }

    /// <summary>Copies checked entries into a folder that is made for them; ownership and modes become the daemon's: files 0644 or 0755, folders 0755.</summary>
    public static void Copy(string folder, List<CodeEntry> entries, string target)
    {
        MakeFolder(target);
        foreach (var (path, stat) in entries)
        {
            var from = Path.Combine(folder, path);
            var to = Path.Combine(target, path);
            if (stat.IsFolder) MakeFolder(to);
            else if (stat.IsLink) File.CreateSymbolicLink(to, new FileInfo(from).LinkTarget ?? throw new FileNotFoundException("a link vanished while it was copied", from));
            else CopyFile(from, to, stat.IsExecutable);
        }
    }

    /// <summary>Makes a folder that everybody may enter and list, whatever the umask.</summary>
    public static void MakeFolder(string path)
    {
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, Runnable);
    }

    /// <summary>Sets a file's mode to that of code: readable by all, executable by all or none.</summary>
    public static void SetExecutable(string path, bool executable) => File.SetUnixFileMode(path, executable ? Runnable : Readable);

    private static void CopyFile(string from, string to, bool executable)
    {
        File.Copy(from, to);
        SetExecutable(to, executable);
    }

    /// <summary>The bytes that stand for an entry in a hash: everything that running code can tell apart.</summary>
    public static byte[] Describe(CodeEntry entry, string? linkTarget, bool executable)
    {
        var kind = entry.Stat.IsFolder ? 'd' : entry.Stat.IsLink ? 'l' : executable ? 'x' : 'f';
        return Encoding.UTF8.GetBytes($"{kind}\0{entry.Path}\0{(entry.Stat.IsFile ? entry.Stat.Size : 0)}\0{linkTarget}\0");
    }

    private static DeploymentException Bad(string message) => new(DeploymentFault.BadRequest, message);
}
