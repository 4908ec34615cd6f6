using System.Runtime.InteropServices;

namespace Stint.Functions.Bundles;

/// <summary>Makes folders survive a power cut before they are renamed into place. A rename is durable only when the folder that holds the name is flushed as well.</summary>
internal static partial class DurableTree
{
    /// <summary>Above so many files one <c>syncfs(2)</c> is cheaper than a journal commit each. Arbitrary; node_modules has thousands.</summary>
    private const int FilesWorthSyncing = 64;

    /// <summary>Flushes the folder and everything below it.</summary>
    /// <exception cref="IOException">The host could not write it; the disk may be full.</exception>
    public static void Flush(string folder)
    {
        var entries = CodeTree.Walk(folder);
        if (entries.Count > FilesWorthSyncing)
        {
            WithDescriptor(folder, SyncFs);
            return;
        }
        foreach (var (path, stat) in entries)
            if (stat.IsFile || stat.IsFolder) WithDescriptor(Path.Combine(folder, path), FSync);
        FlushFolder(folder);
    }

    /// <summary>Flushes the names in a folder.</summary>
    /// <exception cref="IOException">The host could not write it.</exception>
    public static void FlushFolder(string folder) => WithDescriptor(folder, FSync);

    private static void WithDescriptor(string path, Func<int, int> action)
    {
        const int readOnlyCloseOnExec = 0x80000;
        var descriptor = Open(path, readOnlyCloseOnExec);
        if (descriptor < 0) throw Error("open", path);
        try
        {
            if (action(descriptor) != 0) throw Error("flush", path);
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static IOException Error(string doing, string path)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new IOException($"cannot {doing} {path}: {Marshal.GetPInvokeErrorMessage(errno)}", errno);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncFs(int descriptor);
}
