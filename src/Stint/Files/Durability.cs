using System.Runtime.InteropServices;

namespace Stint.Files;

/// <summary>Has the kernel write to the disk what it holds in memory. A file's name is durable only when the folder that holds it has been flushed, too.</summary>
internal static partial class Durability
{
    /// <summary>Flushes a file, or the names in a folder (fsync(2)).</summary>
    /// <exception cref="IOException">The host could not write it.</exception>
    public static void Flush(string path) => WithDescriptor(path, FSync);

    /// <summary>Flushes the whole file system that a path is on (syncfs(2)).</summary>
    /// <exception cref="IOException">The host could not write it.</exception>
    public static void FlushFileSystem(string path) => WithDescriptor(path, SyncFs);

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
