// /dev/kvm and /dev/net/tun are mostly open to all, or to a group (Debian: kvm), but on some hosts to root only. Hypervisors run as nobody's users, so there they get a device file of their own, of the same device,
// that a group may open which nobody else is in. What a tap's user may do with /dev/net/tun is attach to that tap; to make others it needs a capability.
using System.Runtime.InteropServices;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms;

/// <summary>How an unprivileged hypervisor opens a device.</summary>
/// <param name="UsualPath">Where it looks for it.</param>
/// <param name="Path">The device file, on the host.</param>
/// <param name="Group">The group that its user must be in; null = none.</param>
internal sealed partial record HostDevice(string UsualPath, string Path, int? Group)
{
    /// <summary>Hardware virtualization.</summary>
    public const string Kvm = "/dev/kvm";

    /// <summary>Taps.</summary>
    public const string Tun = "/dev/net/tun";

    private const uint CharacterDevice = 0x2000; // S_IFCHR
    private const ushort KindMask = 0xF000;

    /// <summary>Finds or makes it.</summary>
    /// <param name="path">The device.</param>
    /// <param name="folder">A folder of the daemon's state.</param>
    /// <param name="group">A group number that is nobody's; null: hypervisors run as the daemon.</param>
    /// <exception cref="IOException">There is no such device, or it cannot be made accessible; the message says why.</exception>
    public static HostDevice Open(string path, string folder, int? group)
    {
        if (!FileStat.TryRead(path, out var stat) || (stat.Mode & KindMask) != CharacterDevice) throw new IOException($"there is no {path}");
        if (group is null) return new HostDevice(path, path, null);
        var mode = (UnixFileMode)(stat.Mode & 0x1ff);
        if (mode.HasFlag(UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) return new HostDevice(path, path, null);
        if (mode.HasFlag(UnixFileMode.GroupRead | UnixFileMode.GroupWrite) && stat.Group != 0) return new HostDevice(path, path, (int)stat.Group);
        var own = System.IO.Path.Combine(folder, System.IO.Path.GetFileName(path));
        File.Delete(own);
        if (mknod(own, CharacterDevice, stat.Device) != 0 || lchown(own, 0, (uint)group) != 0)
            throw new IOException($"{path} is open to root only, and a device file for hypervisors cannot be made: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}. Let a group open it: chgrp kvm {path} && chmod 660 {path}");
        File.SetUnixFileMode(own, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
        return new HostDevice(path, own, group);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mknod(string path, uint mode, ulong device);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint user, uint group);
}
