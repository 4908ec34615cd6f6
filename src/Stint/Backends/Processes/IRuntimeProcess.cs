using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Spawning;

namespace Stint.Backends.Processes;

/// <summary>A runtime's first process, and the walls around it and its children.</summary>
internal interface IRuntimeProcess
{
    /// <summary>Ends when the first process has ended and its output has been delivered. Not before <see cref="StartAsync"/>.</summary>
    Task<ExitStatus> Exited { get; }

    /// <summary>Starts it.</summary>
    /// <exception cref="InstanceStartException">It cannot be started; the message says why. What was made is freed by <see cref="ReleaseAsync"/>.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">A system call failed; the same holds.</exception>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Changes its limits while it runs.</summary>
    /// <exception cref="IOException">They could not be changed.</exception>
    ValueTask SetLimitsAsync(InstanceLimits limits, CancellationToken cancellationToken);

    /// <summary>What it and its children use now.</summary>
    InstanceUsage ReadUsage();

    /// <summary>Whether something in it was killed for want of memory.</summary>
    ValueTask<bool> RanOutOfMemoryAsync();

    /// <summary>Kills it (SIGKILL), if it runs.</summary>
    void Kill();

    /// <summary>Stops what still runs, after a short grace for its own exit, and frees everything; whatever of it was made.</summary>
    /// <returns>Null, or what could not be freed.</returns>
    Task<string?> ReleaseAsync();
}
