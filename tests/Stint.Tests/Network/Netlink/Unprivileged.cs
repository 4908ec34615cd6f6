using System.Runtime.InteropServices;

namespace Stint.Tests.Network.Netlink;

/// <summary>A thread without rights: the system call itself changes the calling thread only, unlike glibc's function of that name.</summary>
internal static partial class Unprivileged
{
    /// <summary>Becomes another user for good.</summary>
    public static int SetThreadUser(uint user) => (int)SystemCall(RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? 147 : 117, user, user, user); // setresuid

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, uint real, uint effective, uint saved);
}
