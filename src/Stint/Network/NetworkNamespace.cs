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

    private NetworkNamespace(SafeFileHandle file) => File = file;

    /// <summary>The file that stands for it, closed on exec.</summary>
    public SafeFileHandle File { get; }

    /// <summary>Makes one, with nothing in it but a loopback that is off. Needs CAP_SYS_ADMIN.</summary>
    /// <exception cref="NetlinkException">The kernel refused.</exception>
    public static Task<NetworkNamespace> MakeAsync() => OnOwnThreadAsync(static () =>
    {
        if (LinuxCalls.Unshare(LinuxCalls.NewNetwork) < 0) throw new NetlinkException("make a network namespace", Marshal.GetLastPInvokeError());
        return OpenCurrent();
    });

    /// <summary>The namespace of the daemon.</summary>
    public static NetworkNamespace OpenCurrent() => new(System.IO.File.OpenHandle(OfThisThread, FileMode.Open, FileAccess.Read));

    /// <summary>Does something inside: what it opens (sockets, taps) belongs to the namespace for good.</summary>
    public Task<T> RunAsync<T>(Func<T> work) => OnOwnThreadAsync(() =>
    {
        if (LinuxCalls.EnterNamespace(File, LinuxCalls.NewNetwork) < 0) throw new NetlinkException("enter a network namespace", Marshal.GetLastPInvokeError());
        return work();
    });

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();

    // A namespace is a thread's. This one ends afterwards, so that no other work can ever find itself in the wrong place.
    private static Task<T> OnOwnThreadAsync<T>(Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                done.SetResult(work());
            }
            catch (Exception failure)
            {
                done.SetException(failure);
            }
        }, maxStackSize: 256 * 1024) { IsBackground = true, Name = "stint-netns" };
        thread.Start();
        return done.Task;
    }
}
