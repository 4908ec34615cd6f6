using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Stint.Network.Netlink;

/// <summary>The system calls of this folder, as glibc declares them. None of them waits: netlink(7) answers before send returns, and ioctl on a tap only changes it.</summary>
internal static partial class LinuxCalls
{
    internal const int AddressFamilyUnspecified = 0;
    internal const int AddressFamilyInet = 2;
    internal const int AddressFamilyInet6 = 10;
    internal const int AddressFamilyNetlink = 16;
    internal const int SocketRaw = 3;
    internal const int CloseOnExec = 0x80000; // SOCK_CLOEXEC and O_CLOEXEC on every Linux architecture that .NET runs on
    internal const int NetlinkRoute = 0;
    internal const int LevelNetlink = 270;
    internal const int OptionExtendedAcks = 11;
    internal const int MessageDontWait = 0x40;
    internal const int MessageTruncated = 0x20; // as a flag of recv: the real length, even when it did not fit
    internal const int NewNetwork = 0x40000000; // CLONE_NEWNET

    internal const int ErrorNotPermitted = 1;
    internal const int ErrorNoEntry = 2;
    internal const int ErrorNoSuchDevice = 19;
    internal const int ErrorExists = 17;
    internal const int ErrorBusy = 16;

    /// <summary>sockaddr_nl: family, pad, the sender's port (0 = the kernel), multicast groups.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NetlinkAddress
    {
        internal ushort Family;
        internal ushort Pad;
        internal uint Port;
        internal uint Groups;
    }

    [LibraryImport("libc", SetLastError = true, EntryPoint = "socket")]
    internal static partial int OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "setsockopt")]
    internal static unsafe partial int SetSocketOption(SafeFileHandle socket, int level, int option, int* value, uint length);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "sendto")]
    internal static unsafe partial nint Send(SafeFileHandle socket, byte* buffer, nint length, int flags, NetlinkAddress* to, uint addressLength);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "recvfrom")]
    internal static unsafe partial nint Receive(SafeFileHandle socket, byte* buffer, nint length, int flags, NetlinkAddress* from, uint* addressLength);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "ioctl")]
    internal static unsafe partial int Control(SafeFileHandle file, nuint request, void* argument);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "ioctl")]
    internal static partial int Control(SafeFileHandle file, nuint request, nint argument);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "unshare")]
    internal static partial int Unshare(int flags);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "setns")]
    internal static partial int EnterNamespace(SafeFileHandle namespaceFile, int type);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    internal static partial uint EffectiveUser();
}
