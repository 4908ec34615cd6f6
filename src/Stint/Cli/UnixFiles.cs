using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Stint.Cli;

/// <summary>What .NET does not tell about files on Unix.</summary>
internal static unsafe partial class UnixFiles
{
    // linux/stat.h and linux/fcntl.h; the layout of struct statx is the same on every architecture, unlike that of struct stat.
    private const int AtFdCwd = -100;
    private const uint StatxType = 1;
    private const int StatxSize = 256;
    private const int StatxMode = 28;
    private const int TypeMask = 0xF000;
    private const int RegularFile = 0x8000;

    /// <summary>The absolute path without links, null when it leads nowhere. realpath(3).</summary>
    public static string? RealPath(string path)
    {
        var resolved = ResolvePath(path, 0);
        if (resolved == 0) return null;
        try
        {
            return Marshal.PtrToStringUTF8(resolved);
        }
        finally
        {
            NativeMemory.Free((void*)resolved);
        }
    }

    /// <summary>Whether it is a file with bytes in it: no pipe, socket or device. Links are followed. statx(2).</summary>
    public static bool IsRegularFile(string path)
    {
        var buffer = stackalloc byte[StatxSize];
        if (Statx(AtFdCwd, path, 0, StatxType, buffer) != 0) return false;
        return (BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(buffer + StatxMode, 2)) & TypeMask) == RegularFile;
    }

    [LibraryImport("libc", EntryPoint = "realpath", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ResolvePath(string path, nint buffer);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, byte* result);
}
