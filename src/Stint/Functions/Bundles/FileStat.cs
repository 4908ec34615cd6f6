using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Stint.Functions.Bundles;

/// <summary>
/// What <c>statx(2)</c> says of a path itself, links not followed. .NET's own file classes know neither the change time nor the inode, without which an edit that
/// keeps size and modification time (<c>cp -p</c>, unpacked archives) would go unnoticed.
/// </summary>
/// <param name="Mode">Kind and permission bits.</param>
/// <param name="Inode">Identity within the file system.</param>
/// <param name="Size">Bytes of a file.</param>
/// <param name="Modified">Modification time, nanoseconds since 1970.</param>
/// <param name="Changed">Change time, nanoseconds since 1970: moves with every change, and no program can set it.</param>
internal readonly partial record struct FileStat(ushort Mode, ulong Inode, long Size, long Modified, long Changed)
{
    private const int KindMask = 0xF000;

    /// <summary>The owner's number.</summary>
    public uint User { get; init; }

    /// <summary>The group's number.</summary>
    public uint Group { get; init; }

    /// <summary>Of a device file, which device: a number as mknod(2) takes it.</summary>
    public ulong Device { get; init; }

    /// <summary>A plain file.</summary>
    public bool IsFile => (Mode & KindMask) == 0x8000;

    /// <summary>A folder.</summary>
    public bool IsFolder => (Mode & KindMask) == 0x4000;

    /// <summary>A symbolic link.</summary>
    public bool IsLink => (Mode & KindMask) == 0xA000;

    /// <summary>A socket.</summary>
    public bool IsSocket => (Mode & KindMask) == 0xC000;

    /// <summary>Somebody may execute it.</summary>
    public bool IsExecutable => (Mode & 0x49) != 0;

    /// <summary>Reads it; false when there is nothing of that name, or nothing that may be looked at.</summary>
    public static unsafe bool TryRead(string path, out FileStat stat)
    {
        const int currentFolder = -100, noFollow = 0x100;
        const uint basicStats = 0x7ff;
        // struct statx of linux/stat.h: the same on every architecture.
        Span<byte> buffer = stackalloc byte[256];
        fixed (byte* pointer = buffer)
        {
            if (StatX(currentFolder, path, noFollow, basicStats, pointer) != 0)
            {
                stat = default;
                return false;
            }
        }
        stat = new FileStat(
            BinaryPrimitives.ReadUInt16LittleEndian(buffer[28..]), BinaryPrimitives.ReadUInt64LittleEndian(buffer[32..]),
            BinaryPrimitives.ReadInt64LittleEndian(buffer[40..]), ReadTime(buffer[112..]), ReadTime(buffer[96..]))
        {
            User = BinaryPrimitives.ReadUInt32LittleEndian(buffer[20..]),
            Group = BinaryPrimitives.ReadUInt32LittleEndian(buffer[24..]),
            Device = DeviceNumber(BinaryPrimitives.ReadUInt32LittleEndian(buffer[128..]), BinaryPrimitives.ReadUInt32LittleEndian(buffer[132..])),
        };
        return true;
    }

    // makedev(3) of glibc and musl
    private static ulong DeviceNumber(ulong major, ulong minor) => (major & 0xfffff000) << 32 | (major & 0xfff) << 8 | (minor & 0xffffff00) << 12 | (minor & 0xff);

    private static long ReadTime(ReadOnlySpan<byte> timestamp) =>
        BinaryPrimitives.ReadInt64LittleEndian(timestamp) * 1_000_000_000 + BinaryPrimitives.ReadUInt32LittleEndian(timestamp[8..]);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int StatX(int folder, string path, int flags, uint mask, byte* result);
}
