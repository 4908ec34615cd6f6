using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Stint.Network.Netlink;

/// <summary>Taps: links whose other end is a file that a hypervisor opens (Documentation/networking/tuntap.rst). They are made and given away with ioctl(2); everything else about them is a link's.</summary>
internal static class TapDevice
{
    /// <summary>The file through which taps are made.</summary>
    public const string ControlFile = "/dev/net/tun";

    // linux/if_tun.h; the numbers of TUNSET… as _IOW('T', n, int)
    private const nuint SetInterface = 0x400454ca;
    private const nuint SetPersistent = 0x400454cb;
    private const nuint SetOwner = 0x400454cc;
    private const short KindTap = 0x0002;       // IFF_TAP
    private const short NoHeader = 0x1000;      // IFF_NO_PI
    private const short VirtioHeader = 0x4000;  // IFF_VNET_HDR: what QEMU and Firecracker attach with
    private const short Exclusive = unchecked((short)0x8000); // IFF_TUN_EXCL: not one that is there already
    private const int NameLength = 16;          // IFNAMSIZ, the zero included

    [StructLayout(LayoutKind.Sequential, Size = 40)]
    private unsafe struct InterfaceRequest // ifreq
    {
        public fixed byte Name[NameLength];
        public short Flags;
    }

    /// <summary>Makes a tap in the calling thread's network namespace. It stays until it is removed.</summary>
    /// <param name="name">Its name, at most 15 bytes; a tap of that name that is there already is an error.</param>
    /// <exception cref="NetlinkException">It cannot be made.</exception>
    public static void Make(string name)
    {
        using var file = Open(name);
        Attach(file, name, Exclusive, $"make the tap {name}");
        // A tap without an owner is anybody's who can open /dev/net/tun, and that is everybody.
        Check(file, SetOwner, (nint)LinuxCalls.EffectiveUser(), $"keep the tap {name} from others");
        Check(file, SetPersistent, 1, $"keep the tap {name}");
    }

    /// <summary>Lets a user open a tap without further rights.</summary>
    /// <param name="name">A tap of the calling thread's network namespace that nobody has open.</param>
    /// <param name="user">The host's user number; null = the daemon's own. Whoever has CAP_NET_ADMIN can open it anyway.</param>
    public static void GiveTo(string name, int? user)
    {
        using var file = Open(name);
        Attach(file, name, 0, $"open the tap {name}");
        Check(file, SetOwner, user ?? (nint)LinuxCalls.EffectiveUser(), $"give the tap {name} to the user {user}");
    }

    private static SafeFileHandle Open(string name)
    {
        try
        {
            return File.OpenHandle(ControlFile, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new NetlinkException($"make the tap {name}", $"{ControlFile} cannot be opened: {failure.Message}");
        }
    }

    private static unsafe void Attach(SafeFileHandle file, string name, short further, string operation)
    {
        var request = new InterfaceRequest { Flags = (short)(KindTap | NoHeader | VirtioHeader | further) };
        if (Encoding.ASCII.GetByteCount(name) >= NameLength) throw new NetlinkException(operation, "the name is too long");
        Encoding.ASCII.GetBytes(name, new Span<byte>(request.Name, NameLength));
        if (LinuxCalls.Control(file, SetInterface, &request) < 0) throw new NetlinkException(operation, Marshal.GetLastPInvokeError());
    }

    private static void Check(SafeFileHandle file, nuint request, nint argument, string operation)
    {
        if (LinuxCalls.Control(file, request, argument) < 0) throw new NetlinkException(operation, Marshal.GetLastPInvokeError());
    }
}
