using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Stint.Network.Netlink;

namespace Stint.Network;

/// <summary>
/// A network namespace (network_namespaces(7)), held by an open file and by the processes in it, and by nothing on disk: when the daemon and its sandboxes die, however they die, the kernel removes it and
/// every link in it.
/// </summary>
internal sealed class NetworkNamespace : IDisposable
{
    private const string OfThisThread = "/proc/thread-self/ns/net";

    // That of the main thread, which never leaves.
    private static readonly SafeFileHandle Home = System.IO.File.OpenHandle("/proc/self/ns/net", FileMode.Open, FileAccess.Read);

    private NetworkNamespace(SafeFileHandle file) => File = file;

    /// <summary>The file that stands for it, closed on exec.</summary>
    public SafeFileHandle File { get; }

    /// <summary>Makes one, with nothing in it but a loopback that is off. Needs CAP_SYS_ADMIN.</summary>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static Task<NetworkNamespace> MakeAsync() => AwayAsync("make a network namespace", static () => LinuxCalls.Unshare(LinuxCalls.NewNetwork), OpenCurrent);

    /// <summary>The namespace of the daemon.</summary>
    public static NetworkNamespace OpenCurrent() => new(System.IO.File.OpenHandle(OfThisThread, FileMode.Open, FileAccess.Read));

    /// <summary>The namespace of a process.</summary>
    public static NetworkNamespace OpenOf(int processId) => new(System.IO.File.OpenHandle($"/proc/{processId}/ns/net", FileMode.Open, FileAccess.Read));

    /// <summary>Does something inside: what it opens (sockets, taps) belongs to the namespace for good.</summary>
    public Task<T> RunAsync<T>(Func<T> work) => AwayAsync("enter a network namespace", () => LinuxCalls.EnterNamespace(File, LinuxCalls.NewNetwork), work);

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();

    // A namespace is a thread's, and of the threads that it starts: the runtime may well start one for its pool while this one reports what it has done. So it is a thread of this one purpose, which goes home
    // before it reports, and then ends; and what waits for the report runs elsewhere. What runs away from home must be short and synchronous, and must have nothing to do with tasks.
    private static Task<T> AwayAsync<T>(string operation, Func<int> leave, Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var home = Home;
        var thread = new Thread(() =>
        {
            T? result = default;
            Exception? failure = null;
            var isAway = false;
            try
            {
                isAway = leave() == 0 ? true : throw new NetlinkException(operation, Marshal.GetLastPInvokeError());
                result = work();
            }
            catch (Exception thrown)
            {
                failure = thrown;
            }
            if (isAway && LinuxCalls.EnterNamespace(home, LinuxCalls.NewNetwork) < 0) Environment.FailFast($"cannot come back from a network namespace: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
            if (failure is null) done.SetResult(result!);
            else done.SetException(failure);
        }, maxStackSize: 256 * 1024) { IsBackground = true, Name = "stint-netns" };
        thread.Start();
        return done.Task;
    }
}
