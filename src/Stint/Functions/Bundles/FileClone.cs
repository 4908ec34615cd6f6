// Copies of large, mostly empty files: disks of virtual machines, their memory. In order of what costs least:
//
//   1. FICLONE (ioctl_ficlone(2)): on Btrfs, XFS, bcachefs the copy shares the original's blocks until one of the two is written to
//   2. only where there is data (SEEK_DATA, SEEK_HOLE of lseek(2)), so that holes stay holes
//   3. everything, on file systems that know nothing of holes: they report the whole file as data
using System.Buffers;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Stint.Functions.Bundles;

/// <summary>Copies files cheaply.</summary>
internal static partial class FileClone
{
    private const nuint CloneRequest = 0x40049409; // FICLONE, linux/fs.h: _IOW(0x94, 9, int)
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int ErrorNoSuchAddress = 6; // ENXIO: no data from here on
    private const int PieceSize = 1 << 20;

    /// <summary>Copies a file to one that must not exist.</summary>
    /// <returns>Whether the two share their blocks.</returns>
    /// <exception cref="IOException">It cannot be copied; nothing of the copy is left.</exception>
    public static bool Copy(string from, string to, CancellationToken cancellationToken)
    {
        using var source = File.OpenHandle(from, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        // ReadWrite, or the kernel's lock that .NET takes for FileShare.None would be in the way of the original's other readers on a shared inode.
        using var target = File.OpenHandle(to, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite);
        try
        {
            if (Clone(target, CloneRequest, (int)source.DangerousGetHandle()) == 0) return true;
            CopyData(source, target, cancellationToken);
            return false;
        }
        catch
        {
            File.Delete(to);
            throw;
        }
    }

    private static void CopyData(SafeFileHandle source, SafeFileHandle target, CancellationToken cancellationToken)
    {
        var length = RandomAccess.GetLength(source);
        RandomAccess.SetLength(target, length);
        var buffer = ArrayPool<byte>.Shared.Rent(PieceSize);
        try
        {
            for (var at = NextData(source, 0, length); at < length; at = NextData(source, at, length))
            {
                var end = Seek(source, at, SeekHole) is var hole && hole > at ? Math.Min(hole, length) : length;
                while (at < end)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    var count = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - at)), at);
                    if (count == 0) return; // it was cut short meanwhile
                    RandomAccess.Write(target, buffer.AsSpan(0, count), at);
                    at += count;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static long NextData(SafeFileHandle file, long at, long length)
    {
        if (at >= length) return length;
        var data = Seek(file, at, SeekData);
        if (data >= 0) return data;
        var error = Marshal.GetLastPInvokeError();
        return error == ErrorNoSuchAddress ? length : throw new IOException($"lseek: {new Win32Exception(error).Message}");
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Clone(SafeFileHandle target, nuint request, int source);

    [LibraryImport("libc", EntryPoint = "lseek64", SetLastError = true)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);
}
