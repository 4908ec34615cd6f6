using System.Runtime.InteropServices;
using Stint.Watchdog.Loops;
using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Functions;

/// <summary>A running process on a loop. It is waited for by its pidfd and by its number only, so no other child is ever reaped in its place.</summary>
internal sealed unsafe class ChildProcess
{
    private readonly Action _ended;
    private readonly int _pid;
    private Descriptor? _pidfd;

    private ChildProcess(EventLoop loop, int pid, Action ended)
    {
        (_pid, _ended) = (pid, ended);
        Orphans.Know(pid);
        var pidfd = Libc.OpenPidfd(pid);
        if (pidfd < 0)
        {
            var error = Libc.Error;
            Kill();
            Reap(0);
            throw Libc.Failure("pidfd_open", error);
        }
        _pidfd = new Descriptor(loop, pidfd) { Reported = () => Reap(Libc.NoHang) };
    }

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Whether it ended with exit code 0.</summary>
    public bool Succeeded => HasEnded && Status == 0;

    /// <summary>Its end as waitpid(2) reports it.</summary>
    public int Status { get; private set; }

    /// <summary>How it ended, in the words of the Go watchdogs: <c>exit status 1</c>, <c>signal: killed</c>.</summary>
    public string End => (Status & 0x7f) == 0 ? $"exit status {(Status >> 8) & 0xff}" : $"signal: {SignalName(Status & 0x7f)}";

    /// <summary>Starts a process.</summary>
    /// <param name="loop">The loop that watches it.</param>
    /// <param name="plan">What to run.</param>
    /// <param name="environment">envp.</param>
    /// <param name="input">Becomes standard input.</param>
    /// <param name="output">Becomes standard output.</param>
    /// <param name="error">Becomes standard error; −1 leaves the watchdog's own.</param>
    /// <param name="ended">Called when it has ended.</param>
    /// <param name="failure">Why it could not be started, for the caller's client.</param>
    public static ChildProcess? TryStart(EventLoop loop, ProcessPlan plan, byte** environment, int input, int output, int error, Action ended, out string failure)
    {
        failure = "";
        for (var attempt = 0; ; attempt++)
        {
            var path = plan.Path;
            if (path == null)
            {
                failure = $"fprocess could not be started: there is no program \"{plan.Name}\" in PATH. Is it in the image?";
                return null;
            }
            var result = Spawn(plan, path, environment, input, output, error, out var pid);
            if (result == 0) return new ChildProcess(loop, pid, ended);
            plan.Forget();
            if (result == Libc.ErrorNoEntry && attempt == 0) continue;
            failure = result switch
            {
                Libc.ErrorTooBig => "fprocess could not be started: the request's headers, path and query are too large for its environment (E2BIG: 128 KiB each). Send what is large in the body, or set cgi_headers=false.",
                Libc.ErrorNoEntry => $"fprocess could not be started: {plan.Name} does not exist, or the interpreter that it names does not.",
                Libc.ErrorAccess => $"fprocess could not be started: {plan.Name} may not be executed (chmod +x).",
                _ => $"fprocess could not be started: {plan.Name}: {Marshal.GetPInvokeErrorMessage(result)} (errno {result}).",
            };
            return null;
        }
    }

    /// <summary>Kills it and its process group; nothing happens when it has ended.</summary>
    public void Kill() => Signal(Libc.SigKill);

    /// <summary>Signals its process group; nothing happens when it has ended.</summary>
    public void Signal(int signal)
    {
        // Not reaped, so the number is still its own.
        if (!HasEnded) _ = Libc.kill(-_pid, signal);
    }

    private static int Spawn(ProcessPlan plan, byte* path, byte** environment, int input, int output, int error, out int pid)
    {
        var actions = stackalloc byte[Libc.SpawnStructureSize];
        var number = 0;
        var result = Libc.posix_spawn_file_actions_init(actions);
        if (result == 0) result = Libc.posix_spawn_file_actions_adddup2(actions, input, 0);
        if (result == 0) result = Libc.posix_spawn_file_actions_adddup2(actions, output, 1);
        if (result == 0 && error >= 0) result = Libc.posix_spawn_file_actions_adddup2(actions, error, 2);
        if (result == 0) result = Libc.posix_spawn(&number, path, actions, plan.Spawning, plan.Arguments, environment);
        _ = Libc.posix_spawn_file_actions_destroy(actions);
        pid = number;
        return result;
    }

    private void Reap(int options)
    {
        if (HasEnded) return;
        int status;
        int result;
        do result = Libc.waitpid(_pid, &status, options);
        while (result < 0 && Libc.Error == Libc.ErrorInterrupted);
        if (result == 0) return;
        HasEnded = true;
        Status = result > 0 ? status : 0x100; // somebody else has taken its status: nothing is known, so it has not succeeded
        Orphans.Forget(_pid);
        _pidfd?.Dispose();
        _pidfd = null;
        _ended();
    }

    private static string SignalName(int signal) => signal switch
    {
        1 => "hangup",
        2 => "interrupt",
        4 => "illegal instruction",
        6 => "aborted",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        _ => $"signal {signal}",
    };
}
