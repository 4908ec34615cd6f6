using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Stint.Backends.Processes.Spawning;

/// <summary>
/// The network namespace of one thread, and of the children that it starts. Entering one from the spawner's thread (two system calls, microseconds) spares each sandbox a program that would do it before
/// everything else (<c>nsenter</c>, 1 ms). Only for the thread that made it. Threads inherit the namespace as well, and whatever completes a task may start one: nothing but the spawn itself comes between
/// <see cref="Enter"/> and <see cref="Leave"/>.
/// </summary>
internal sealed class ThreadNetwork : IDisposable
{
    private readonly SafeFileHandle _home = File.OpenHandle("/proc/thread-self/ns/net", FileMode.Open, FileAccess.Read);

    /// <summary>Enters a namespace; null is the thread's own.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be entered; the thread is at home.</exception>
    public static void Enter(SafeHandle? network)
    {
        if (network is not null) Posix.Check(Posix.setns(network, Posix.NewNetwork), "setns");
    }

    /// <summary>Goes home. A thread that could not would take everything that comes after into a function's network, so the daemon ends instead.</summary>
    public void Leave(SafeHandle? network)
    {
        if (network is not null && Posix.setns(_home, Posix.NewNetwork) < 0)
            Environment.FailFast($"cannot come back from a network namespace: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    /// <inheritdoc/>
    public void Dispose() => _home.Dispose();
}
