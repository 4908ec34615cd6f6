namespace Stint.Backends.Processes.Spawning;

/// <summary>A running child. Signals go through its pidfd, so they can never hit another process that got the same number.</summary>
internal sealed class ChildProcess
{
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource<ExitStatus> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _pidfd;

    internal ChildProcess(int pid, int pidfd) => (Pid, _pidfd) = (pid, pidfd);

    /// <summary>The process number.</summary>
    public int Pid { get; }

    /// <summary>Ends when the process has ended and all of its output has been delivered or its pipes are held only by others.</summary>
    public Task<ExitStatus> Exited => _exited.Task;

    /// <summary>Sends a signal; nothing happens when the process has ended.</summary>
    public void Signal(int signal)
    {
        lock (_lock)
        {
            if (_pidfd >= 0) Posix.SendSignal(_pidfd, signal);
        }
    }

    internal void MarkExited(ExitStatus status)
    {
        lock (_lock)
        {
            _ = Posix.close(_pidfd);
            _pidfd = -1;
        }
        _exited.TrySetResult(status);
    }
}

/// <summary>How a process ended: with an exit code, or by a signal.</summary>
/// <param name="Code">Exit code 0 to 255, or the signal's number.</param>
/// <param name="BySignal">Whether a signal ended it.</param>
internal readonly record struct ExitStatus(int Code, bool BySignal)
{
    /// <summary>Decodes waitpid(2)'s status word.</summary>
    internal static ExitStatus FromWait(int status) => (status & 0x7f) == 0 ? new((status >> 8) & 0xff, false) : new(status & 0x7f, true);

    /// <inheritdoc/>
    public override string ToString() => BySignal ? $"killed by signal {Code}" : $"exited with code {Code}";
}
