using Microsoft.Win32.SafeHandles;

namespace Stint.Backends.Processes.Spawning;

/// <summary>
/// The network namespace of one thread, and of the children that it starts. Entering one from the spawner's thread (two system calls, microseconds) spares each sandbox a program that would do it before
/// everything else (<c>nsenter</c>, 1 ms). Only for the thread that made it.
/// </summary>
internal sealed class ThreadNetwork : IDisposable
{
    private readonly SafeFileHandle _home = File.OpenHandle("/proc/thread-self/ns/net", FileMode.Open, FileAccess.Read);
    private bool _isAway;

    /// <summary>Enters a namespace; null is the thread's own.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">It cannot be entered; the thread is at home, or refuses to start anything until it is.</exception>
    public void Enter(System.Runtime.InteropServices.SafeHandle? network)
    {
        if (_isAway) Return(); // failed before, and must not start a child in somebody else's network
        if (network is null) return;
        Posix.Check(Posix.setns(network, Posix.NewNetwork), "setns");
        _isAway = true;
    }

    /// <summary>Goes home.</summary>
    public void Leave()
    {
        if (_isAway && Posix.setns(_home, Posix.NewNetwork) == 0) _isAway = false;
    }

    /// <inheritdoc/>
    public void Dispose() => _home.Dispose();

    private void Return()
    {
        Posix.Check(Posix.setns(_home, Posix.NewNetwork), "setns");
        _isAway = false;
    }
}
