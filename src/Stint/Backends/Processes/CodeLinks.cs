using System.Runtime.InteropServices;

namespace Stint.Backends.Processes;

/// <summary>
/// Brings a bundle into a spare's code folder, which is mounted into its sandbox already, read-only: hard links to the bundle's files, which are immutable and belong to somebody else than the sandbox's user.
/// </summary>
internal static partial class CodeLinks
{
    // A link costs about 10 µs; beyond this a start without a spare, which mounts the bundle whole, is as quick.
    private const int MaxEntries = 1000;

    /// <summary>Links everything.</summary>
    /// <returns>False when there is too much, or it cannot be linked; what was linked so far stays.</returns>
    public static bool TryLink(string bundle, string target)
    {
        var left = MaxEntries;
        try
        {
            return Link(new DirectoryInfo(bundle), target, ref left);
        }
        catch (IOException)
        {
            return false; // another file system, or no space for the folders: the start without a spare says what is wrong, if it is
        }
    }

    private static bool Link(DirectoryInfo from, string to, ref int left)
    {
        foreach (var entry in from.EnumerateFileSystemInfos())
        {
            if (--left < 0) return false;
            var path = Path.Combine(to, entry.Name);
            if (entry.LinkTarget is { } target)
            {
                File.CreateSymbolicLink(path, target);
            }
            else if (entry is DirectoryInfo folder)
            {
                Directory.CreateDirectory(path);
                File.SetUnixFileMode(path, folder.UnixFileMode);
                if (!Link(folder, path, ref left)) return false;
            }
            else if (link(entry.FullName, path) != 0)
            {
                return false;
            }
        }
        return true;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string existing, string created);
}
