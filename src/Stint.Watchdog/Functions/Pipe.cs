using Stint.Watchdog.Posix;

namespace Stint.Watchdog.Functions;

/// <summary>A pipe between the watchdog and a process: our end does not block, the process's is an ordinary one. Both close on exec.</summary>
internal readonly unsafe struct Pipe
{
    private Pipe(int ours, int theirs) => (Ours, Theirs) = (ours, theirs);

    /// <summary>The watchdog's end.</summary>
    public int Ours { get; }

    /// <summary>The process's end; to be closed here once the process has it.</summary>
    public int Theirs { get; }

    /// <summary>A pipe that the process reads.</summary>
    public static bool TryMakeInput(out Pipe pipe) => TryMake(1, 0, out pipe);

    /// <summary>A pipe that the process writes.</summary>
    public static bool TryMakeOutput(out Pipe pipe) => TryMake(0, 1, out pipe);

    private static bool TryMake(int ours, int theirs, out Pipe pipe)
    {
        pipe = new(-1, -1);
        var ends = stackalloc int[2];
        if (Libc.pipe2(ends, Libc.CloseOnExec) < 0) return false;
        // A pipe's two ends are two open files: this touches ours only.
        _ = Libc.fcntl(ends[ours], Libc.SetStatusFlags, Libc.NonBlocking);
        pipe = new(ends[ours], ends[theirs]);
        return true;
    }
}
