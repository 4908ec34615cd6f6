using System.Runtime.InteropServices;

namespace Stint.Backends.Processes;

/// <summary>The writable folder of a build, which belongs to the build's user while that runs.</summary>
internal static partial class WorkFolder
{
    /// <summary><c>chown -hR USER:USER FOLDER</c>.</summary>
    // Nothing of the build runs now, and links are changed themselves and never followed: others' code may have left one that points at the host.
    public static void GiveTo(string folder, uint user)
    {
        _ = lchown(folder, user, user);
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            if (entry is DirectoryInfo && entry.LinkTarget is null) GiveTo(entry.FullName, user);
            else _ = lchown(entry.FullName, user, user);
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint user, uint group);
}
