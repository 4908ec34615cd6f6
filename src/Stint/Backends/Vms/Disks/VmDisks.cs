using System.Runtime.InteropServices;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Disks;

/// <summary>An instance's own disks, in its folder, readable and writable for its hypervisor's user and nobody else.</summary>
internal static partial class VmDisks
{
    /// <summary>A private copy of an image: sharing its blocks where the file system can, else of its data alone.</summary>
    public static void Copy(string image, string path, int? user, CancellationToken cancellationToken)
    {
        FileClone.Copy(image, path, cancellationToken);
        GiveTo(path, user);
    }

    /// <summary>A disk over an image that stays as it is.</summary>
    public static void Overlay(string image, string path, int? user)
    {
        Qcow2Overlay.Create(path, image, new FileInfo(image).Length);
        GiveTo(path, user);
    }

    /// <summary>An empty disk, all of it a hole.</summary>
    public static void Empty(string path, int sizeMiB, int? user)
    {
        using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write)) file.SetLength(sizeMiB * 1024L * 1024L);
        GiveTo(path, user);
    }

    /// <summary>A private copy of a folder and all that is in it, for 9p.</summary>
    public static void CopyFolder(string folder, string path, int? user, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(path);
        Own(path, user);
        foreach (var (relative, stat) in CodeTree.Walk(folder))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (from, to) = (Path.Combine(folder, relative), Path.Combine(path, relative));
            if (stat.IsFolder) Directory.CreateDirectory(to);
            else if (stat.IsLink) File.CreateSymbolicLink(to, new FileInfo(from).LinkTarget!);
            else FileClone.Copy(from, to, cancellationToken);
            if (!stat.IsLink) File.SetUnixFileMode(to, (UnixFileMode)(stat.Mode & 0x1ff));
            Own(to, user);
        }
    }

    /// <summary>Makes a file the user's, for nobody else to open.</summary>
    public static void GiveTo(string path, int? user)
    {
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Own(path, user);
    }

    /// <summary>Lets a group write to a file that stays its owner's.</summary>
    public static void ShareWith(string path, int group)
    {
        if (chown(path, uint.MaxValue, (uint)group) != 0) throw new IOException($"{path} cannot be given to the group {group}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
    }

    /// <summary>Makes a folder that only the user may use.</summary>
    public static void MakeFolder(string path, int? user)
    {
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Own(path, user);
    }

    private static void Own(string path, int? user)
    {
        if (user is { } number && lchown(path, (uint)number, (uint)number) != 0) throw new IOException($"{path} cannot be given to the user {number}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint user, uint group);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint user, uint group);
}
