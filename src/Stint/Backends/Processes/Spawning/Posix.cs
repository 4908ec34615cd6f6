using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Stint.Backends.Processes.Spawning;

/// <summary>The system calls that .NET has no API for, as glibc declares them. Errors are thrown with the call's name by <see cref="Check(int, string)"/>.</summary>
internal static partial class Posix
{
    internal const int SigInt = 2;
    internal const int SigKill = 9;
    internal const int OpenReadOnly = 0;
    internal const int CloseOnExec = 0x80000; // O_CLOEXEC on every Linux architecture that .NET runs on
    internal const int NonBlocking = 0x800;   // O_NONBLOCK, likewise
    internal const int SetStatusFlags = 4;    // F_SETFL
    internal const int DuplicateCloseOnExec = 1030; // F_DUPFD_CLOEXEC
    internal const short PollIn = 1;
    internal const int NewNetwork = 0x40000000; // CLONE_NEWNET
    internal const int ErrorAgain = 11;
    internal const int ErrorInterrupted = 4;
    internal const int ErrorNoProcess = 3;

    // posix_spawnattr_setflags(3)
    internal const short SpawnSetSignalDefaults = 0x04;
    internal const short SpawnSetSignalMask = 0x08;
    internal const short SpawnSetSession = 0x80;

    // Numbers from include/uapi/asm-generic/unistd.h: the same on all architectures, being newer than 2018.
    private const long SysPidfdSendSignal = 424;
    private const long SysPidfdOpen = 434;

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollEntry
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }

    [LibraryImport("libc", SetLastError = true)]
    internal static unsafe partial int pipe2(int* descriptors, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static unsafe partial nint read(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static unsafe partial nint write(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static unsafe partial int poll(PollEntry* entries, ulong count, int timeoutMilliseconds);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setns(SafeHandle namespaceFile, int type);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static unsafe partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint signal(int signal, nint handler);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true, EntryPoint = "syscall")]
    private static partial long PidfdOpen(long number, int pid, uint flags);

    [LibraryImport("libc", SetLastError = true, EntryPoint = "syscall")]
    private static partial long PidfdSendSignal(long number, int pidfd, int signal, nint info, uint flags);

    // posix_spawn returns the error number and leaves errno alone. Its opaque structures are at most 336 bytes in glibc and in musl.
    internal const int SpawnStructureSize = 1024;

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawn(int* pid, byte* path, void* fileActions, void* attributes, byte** argv, byte** envp);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawn_file_actions_init(void* actions);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawn_file_actions_destroy(void* actions);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawn_file_actions_adddup2(void* actions, int from, int to);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawn_file_actions_addopen(void* actions, int descriptor, byte* path, int flags, uint mode);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawnattr_init(void* attributes);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawnattr_destroy(void* attributes);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawnattr_setflags(void* attributes, short flags);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawnattr_setsigdefault(void* attributes, void* signalSet);

    [LibraryImport("libc")]
    internal static unsafe partial int posix_spawnattr_setsigmask(void* attributes, void* signalSet);

    [LibraryImport("libc")]
    internal static unsafe partial int sigfillset(void* signalSet);

    [LibraryImport("libc")]
    internal static unsafe partial int sigemptyset(void* signalSet);

    /// <summary>A descriptor that becomes readable when the process ends (pidfd_open(2), Linux 5.3).</summary>
    internal static int OpenPidfd(int pid) => Check((int)PidfdOpen(SysPidfdOpen, pid, 0), "pidfd_open");

    /// <summary>Signals exactly the process behind the descriptor; one that has ended already is no error.</summary>
    internal static void SendSignal(int pidfd, int signal)
    {
        if (PidfdSendSignal(SysPidfdSendSignal, pidfd, signal, 0, 0) < 0 && Marshal.GetLastPInvokeError() != ErrorNoProcess)
            throw Failure("pidfd_send_signal", Marshal.GetLastPInvokeError());
    }

    /// <summary>The same open file under a number above <paramref name="reserved"/>, so that giving a child its fixed descriptors one by one overwrites none that is still to be given.</summary>
    internal static int MoveUp(int descriptor, int reserved)
    {
        if (descriptor > reserved) return descriptor;
        var moved = Check(fcntl(descriptor, DuplicateCloseOnExec, reserved + 1), "fcntl");
        _ = close(descriptor);
        return moved;
    }

    /// <summary>Waits on the calling thread; only for start-up and shutdown, where nothing else is to be done meanwhile.</summary>
    internal static unsafe void Pause(int milliseconds) => _ = poll(null, 0, milliseconds);

    /// <summary>Throws when a call returned a negative number.</summary>
    internal static int Check(int result, string call) => result >= 0 ? result : throw Failure(call, Marshal.GetLastPInvokeError());

    /// <summary>Throws when a call of the posix_spawn family returned an error number.</summary>
    internal static void CheckError(int error, string call)
    {
        if (error != 0) throw Failure(call, error);
    }

    private static Win32Exception Failure(string call, int error) => new(error, $"{call}: {Marshal.GetPInvokeErrorMessage(error)}");
}
