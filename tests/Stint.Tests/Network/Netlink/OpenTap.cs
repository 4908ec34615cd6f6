using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Stint.Network.Netlink;

namespace Stint.Tests.Network.Netlink;

/// <summary>The other end of a tap, as a hypervisor has it.</summary>
internal static unsafe class OpenTap
{
    /// <summary>Opens the file through which taps of the calling thread's network namespace are had. On some hosts only root may.</summary>
    public static SafeFileHandle Open() => File.OpenHandle(TapDevice.ControlFile, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

    /// <summary>Makes the file the other end of a tap, with the rights of the calling thread.</summary>
    /// <returns>errno; zero when it is.</returns>
    public static int Attach(SafeFileHandle file, string name)
    {
        var request = new byte[40]; // ifreq
        Encoding.ASCII.GetBytes(name, request);
        BitConverter.TryWriteBytes(request.AsSpan(16), (short)0x5002); // IFF_TAP, IFF_NO_PI, IFF_VNET_HDR
        fixed (byte* argument = request) return LinuxCalls.Control(file, 0x400454ca, argument) < 0 ? Marshal.GetLastPInvokeError() : 0; // TUNSETIFF
    }
}
