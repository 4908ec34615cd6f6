using System.Runtime.InteropServices;

namespace Stint.Checks;

/// <summary>What this process may do with a file, by the kernel's own answer.</summary>
internal static partial class Access
{
    // unistd.h
    private const int WriteOk = 2;
    private const int ExecuteOk = 1;

    /// <summary>Whether entries may be made in the folder, or the file be written. access(2).</summary>
    public static bool CanWrite(string path) => Ask(path, Directory.Exists(path) ? WriteOk | ExecuteOk : WriteOk) == 0;

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Ask(string path, int mode);
}
