// /dev/kvm is mostly open to a group (Debian: kvm) or to all (systemd's default), but on some hosts to root only. Hypervisors run as nobody's users, so there they get a device file of their own, of the same device,
// that a group may open which nobody else is in.
using System.Runtime.InteropServices;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms.Kvm;

/// <summary>How an unprivileged hypervisor opens KVM.</summary>
/// <param name="Path">The device file, on the host.</param>
/// <param name="Group">The group that its user must be in; null = none.</param>
internal sealed partial record KvmDevice(string Path, int? Group)
{
    /// <summary>Where hypervisors look for it.</summary>
    public const string UsualPath = "/dev/kvm";

    // makedev(10, 232): misc, KVM_MINOR (linux/miscdevice.h)
    private const ulong DeviceNumber = (10 << 8) | 232;
    private const uint CharacterDevice = 0x2000;

    /// <summary>Finds or makes it.</summary>
    /// <param name="folder">A folder of the daemon's state.</param>
    /// <param name="user">A user number that is nobody's; null: hypervisors run as the daemon.</param>
    /// <exception cref="IOException">There is no KVM, or it cannot be made accessible; the message says why.</exception>
    public static KvmDevice Open(string folder, int? user)
    {
        if (!FileStat.TryRead(UsualPath, out var stat)) throw new IOException("there is no /dev/kvm: the processor has no virtualization, it is off in the firmware, or the kernel's kvm module is not loaded");
        if (user is null) return new KvmDevice(UsualPath, null);
        var mode = (UnixFileMode)(stat.Mode & 0x1ff);
        if (mode.HasFlag(UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) return new KvmDevice(UsualPath, null);
        if (mode.HasFlag(UnixFileMode.GroupRead | UnixFileMode.GroupWrite) && stat.Group != 0) return new KvmDevice(UsualPath, (int)stat.Group);
        var path = System.IO.Path.Combine(folder, "kvm");
        File.Delete(path);
        if (mknod(path, CharacterDevice, DeviceNumber) != 0 || lchown(path, 0, (uint)user) != 0)
            throw new IOException($"/dev/kvm is open to root only, and a device file for hypervisors cannot be made: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}. Let a group open it: chgrp kvm /dev/kvm && chmod 660 /dev/kvm");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite);
        return new KvmDevice(path, user);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mknod(string path, uint mode, ulong device);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint user, uint group);
}
