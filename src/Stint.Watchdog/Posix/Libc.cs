using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Stint.Watchdog.Posix;

/// <summary>The system calls of the watchdog, as glibc and musl declare them for 64-bit Linux. Calls that return a number return −1 on failure; <see cref="Error"/> then has errno.</summary>
internal static unsafe partial class Libc
{
    internal const int CloseOnExec = 0x80000; // O_CLOEXEC, SOCK_CLOEXEC, EFD_CLOEXEC: one number on x86-64 and arm64
    internal const int NonBlocking = 0x800;   // O_NONBLOCK, likewise
    internal const int SetStatusFlags = 4;    // F_SETFL

    internal const int ErrorNoEntry = 2;      // ENOENT
    internal const int ErrorInterrupted = 4;  // EINTR
    internal const int ErrorTooBig = 7;       // E2BIG
    internal const int ErrorAgain = 11;       // EAGAIN
    internal const int ErrorNoMemory = 12;    // ENOMEM
    internal const int ErrorAccess = 13;      // EACCES
    internal const int ErrorFileTable = 23;   // ENFILE
    internal const int ErrorManyFiles = 24;   // EMFILE
    internal const int ErrorConnecting = 115; // EINPROGRESS
    internal const int ErrorRefused = 111;    // ECONNREFUSED

    internal const int Inet = 2;
    internal const int Inet6 = 10;
    internal const int Stream = 1;
    internal const int SocketLevel = 1;       // SOL_SOCKET
    internal const int ReuseAddress = 2;      // SO_REUSEADDR
    internal const int SocketError = 4;       // SO_ERROR
    internal const int TcpLevel = 6;          // IPPROTO_TCP
    internal const int NoDelay = 1;           // TCP_NODELAY
    internal const int Ipv6Level = 41;        // IPPROTO_IPV6
    internal const int Ipv6Only = 26;         // IPV6_V6ONLY

    internal const uint EpollIn = 0x1;
    internal const uint EpollOut = 0x4;
    internal const uint EpollError = 0x8;
    internal const uint EpollHangUp = 0x10;
    internal const uint EpollEdge = 1u << 31;
    internal const int EpollAdd = 1;

    internal const int SigKill = 9;
    internal const int SigPipe = 13;
    internal const int SigTerm = 15;
    internal const int NoHang = 1;            // WNOHANG
    internal const int SpliceMove = 1;        // SPLICE_F_MOVE
    internal const int SpliceNonBlock = 2;    // SPLICE_F_NONBLOCK
    internal const ulong BytesToRead = 0x541B; // FIONREAD

    internal const short SpawnSetGroup = 0x02;
    internal const short SpawnSetSignalDefaults = 0x04;
    internal const short SpawnSetSignalMask = 0x08;

    // The same on all architectures, being newer than 2018 (include/uapi/asm-generic/unistd.h).
    private const long SysPidfdOpen = 434;

    /// <summary>One piece of a gathered write.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Piece
    {
        internal byte* Start;
        internal nint Length;
    }

    /// <summary>errno of the last call on this thread.</summary>
    internal static int Error => Marshal.GetLastPInvokeError();

    [LibraryImport("libc", SetLastError = true)] internal static partial int close(int descriptor);
    [LibraryImport("libc", SetLastError = true)] internal static partial nint read(int descriptor, byte* buffer, nint count);
    [LibraryImport("libc", SetLastError = true)] internal static partial nint write(int descriptor, byte* buffer, nint count);
    [LibraryImport("libc", SetLastError = true)] internal static partial nint writev(int descriptor, Piece* pieces, int count);
    [LibraryImport("libc", SetLastError = true)] internal static partial nint splice(int from, nint fromOffset, int to, nint toOffset, nint count, uint flags);
    [LibraryImport("libc", SetLastError = true)] internal static partial nint sendfile(int to, int from, long* offset, nint count);
    [LibraryImport("libc", SetLastError = true)] internal static partial int ioctl(int descriptor, ulong request, int* value);
    [LibraryImport("libc", SetLastError = true)] internal static partial int fcntl(int descriptor, int command, int argument);
    [LibraryImport("libc", SetLastError = true)] internal static partial int pipe2(int* ends, int flags);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] internal static partial int open(string path, int flags, int mode);
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)] internal static partial int access(string path, int mode);

    [LibraryImport("libc", SetLastError = true)] internal static partial int epoll_create1(int flags);
    [LibraryImport("libc", SetLastError = true)] internal static partial int epoll_ctl(int epoll, int operation, int descriptor, byte* entry);
    [LibraryImport("libc", SetLastError = true)] internal static partial int epoll_wait(int epoll, byte* entries, int count, int milliseconds);
    [LibraryImport("libc", SetLastError = true)] internal static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)] internal static partial int socket(int family, int type, int protocol);
    [LibraryImport("libc", SetLastError = true)] internal static partial int bind(int descriptor, byte* address, uint length);
    [LibraryImport("libc", SetLastError = true)] internal static partial int listen(int descriptor, int backlog);
    [LibraryImport("libc", SetLastError = true)] internal static partial int accept4(int descriptor, byte* address, uint* length, int flags);
    [LibraryImport("libc", SetLastError = true)] internal static partial int connect(int descriptor, byte* address, uint length);
    [LibraryImport("libc", SetLastError = true)] internal static partial int shutdown(int descriptor, int how);
    [LibraryImport("libc", SetLastError = true)] internal static partial int getsockname(int descriptor, byte* address, uint* length);
    [LibraryImport("libc", SetLastError = true)] internal static partial int getsockopt(int descriptor, int level, int option, int* value, uint* length);
    [LibraryImport("libc", SetLastError = true)] internal static partial int setsockopt(int descriptor, int level, int option, int* value, uint length);

    [LibraryImport("libc", SetLastError = true)] internal static partial int waitpid(int pid, int* status, int options);
    [LibraryImport("libc", SetLastError = true)] internal static partial int waitid(int type, int id, byte* info, int options);
    [LibraryImport("libc", SetLastError = true)] internal static partial int kill(int pid, int signal);
    [LibraryImport("libc", SetLastError = true)] internal static partial int getpid();
    [LibraryImport("libc", SetLastError = true)] internal static partial nint signal(int signal, nint handler);
    [LibraryImport("libc", SetLastError = true, EntryPoint = "syscall")] private static partial long PidfdOpen(long number, int pid, uint flags);

    // posix_spawn returns the error number. Its opaque structures are at most 336 bytes in glibc and in musl.
    internal const int SpawnStructureSize = 512;

    [LibraryImport("libc")] internal static partial int posix_spawn(int* pid, byte* path, void* fileActions, void* attributes, byte** argv, byte** envp);
    [LibraryImport("libc")] internal static partial int posix_spawn_file_actions_init(void* actions);
    [LibraryImport("libc")] internal static partial int posix_spawn_file_actions_destroy(void* actions);
    [LibraryImport("libc")] internal static partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);
    [LibraryImport("libc")] internal static partial int posix_spawnattr_init(void* attributes);
    [LibraryImport("libc")] internal static partial int posix_spawnattr_setflags(void* attributes, short flags);
    [LibraryImport("libc")] internal static partial int posix_spawnattr_setpgroup(void* attributes, int group);
    [LibraryImport("libc")] internal static partial int posix_spawnattr_setsigdefault(void* attributes, void* signals);
    [LibraryImport("libc")] internal static partial int posix_spawnattr_setsigmask(void* attributes, void* signals);
    [LibraryImport("libc")] internal static partial int sigfillset(void* signals);
    [LibraryImport("libc")] internal static partial int sigemptyset(void* signals);

    /// <summary>A descriptor that becomes readable when the process ends (Linux 5.3); −1 on failure. It closes on exec by itself.</summary>
    internal static int OpenPidfd(int pid) => (int)PidfdOpen(SysPidfdOpen, pid, 0);

    /// <summary>Throws when a call returned a negative number.</summary>
    internal static int Check(int result, string call) => result >= 0 ? result : throw Failure(call, Error);

    /// <summary>What went wrong in a call, in words.</summary>
    internal static Win32Exception Failure(string call, int error) => new(error, $"{call}: {Marshal.GetPInvokeErrorMessage(error)}");

    /// <summary>Sets a socket's option to a number.</summary>
    internal static void SetOption(int socket, int level, int option, int value) => _ = setsockopt(socket, level, option, &value, sizeof(int));
}
