using System.Collections.Concurrent;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Functions;

/// <summary>
/// As process 1 of a container the watchdog inherits what its functions leave behind, and reaps it once it has ended: nobody else would.
/// </summary>
internal static unsafe class Orphans
{
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(1); // arbitrary: an ended process costs a table entry only

    private static readonly bool s_isFirst = Libc.getpid() == 1;
    private static readonly ConcurrentDictionary<int, bool> s_own = new();
    private static int s_seen;

    /// <summary>Begins to look, where it is needed.</summary>
    public static void Watch(EventLoop loop)
    {
        if (!s_isFirst) return;
        LoopTimer? timer = null;
        timer = new LoopTimer(loop, () =>
        {
            Reap();
            timer!.Arm(Round);
        });
        timer.Arm(Round);
    }

    /// <summary>A child has been started that somebody waits for.</summary>
    public static void Know(int pid)
    {
        if (s_isFirst) s_own[pid] = true;
    }

    /// <summary>A child has been reaped.</summary>
    public static void Forget(int pid)
    {
        if (s_isFirst) s_own.TryRemove(pid, out _);
    }

    private static void Reap()
    {
        const int all = 0, exited = 4, noHang = 1, leave = 0x01000000; // P_ALL, WEXITED, WNOHANG, WNOWAIT
        const int pidOffset = 16;                                      // si_pid in siginfo_t on 64-bit Linux: three ints and padding before it
        var info = stackalloc byte[128];
        while (true)
        {
            *(int*)(info + pidOffset) = 0;
            if (Libc.waitid(all, 0, info, exited | noHang | leave) < 0) return;
            var pid = *(int*)(info + pidOffset);
            if (pid <= 0 || s_own.ContainsKey(pid)) return;
            // A child that was started this moment may not be known yet: one that is unknown a second time is an orphan.
            if (s_seen != pid)
            {
                s_seen = pid;
                return;
            }
            int status;
            _ = Libc.waitpid(pid, &status, noHang);
        }
    }
}
