using System.Globalization;
using System.Text;

namespace Stint.Backends.Vms.Images;

/// <summary>Writes the archive that a kernel takes as its first file system: cpio's "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst). Equal entries make equal bytes: there are no times in it.</summary>
internal sealed class CpioWriter(Stream output)
{
    private const int File = 0x8000, Folder = 0x4000, Link = 0xA000, CharacterDevice = 0x2000;

    private int _inode;
    private long _written;

    /// <summary>A folder that everybody may read.</summary>
    public void AddFolder(string path) => Add(path, Folder | 0b111_101_101, []);

    /// <summary>A file that everybody may read, and execute if so said.</summary>
    public void AddFile(string path, ReadOnlySpan<byte> content, bool isExecutable = false) => Add(path, File | (isExecutable ? 0b111_101_101 : 0b110_100_100), content);

    /// <summary>A symbolic link.</summary>
    public void AddLink(string path, string target) => Add(path, Link | 0b111_111_111, Encoding.UTF8.GetBytes(target));

    /// <summary>A character device that only root may use.</summary>
    public void AddDevice(string path, int major, int minor) => Add(path, CharacterDevice | 0b110_000_000, [], major, minor);

    /// <summary>The end of the archive.</summary>
    public void End()
    {
        Add("TRAILER!!!", 0, []);
        Pad(512);
    }

    private void Add(string path, int mode, ReadOnlySpan<byte> content, int major = 0, int minor = 0)
    {
        var name = Encoding.UTF8.GetBytes(path + '\0');
        // magic, ino, mode, uid, gid, nlink, mtime, filesize, maj, min, rmaj, rmin, namesize, chksum
        int[] fields = [mode == 0 ? 0 : ++_inode, mode, 0, 0, 1, 0, content.Length, 0, 0, major, minor, name.Length, 0];
        var header = new StringBuilder("070701", 110);
        foreach (var field in fields) header.Append(CultureInfo.InvariantCulture, $"{field:X8}");
        Write(Encoding.ASCII.GetBytes(header.ToString()));
        Write(name);
        Pad(4);
        Write(content);
        Pad(4);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        _written += bytes.Length;
    }

    private void Pad(int boundary) => Write(new byte[(boundary - _written % boundary) % boundary]);
}
