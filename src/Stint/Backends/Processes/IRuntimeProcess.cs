using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Spawning;
using Stint.Invocations;

namespace Stint.Backends.Processes;

/// <summary>A runtime's first process, and the walls around it and its children: first the walls, which may stand empty for as long as one likes, then the process.</summary>
internal interface IRuntimeProcess
{
    /// <summary>Ends when the first process, or the empty walls, have ended and all output has been delivered. Not before <see cref="PrepareAsync"/>.</summary>
    Task<ExitStatus> Exited { get; }

    /// <summary>How long after the end of the first process <see cref="Exited"/> may come.</summary>
    TimeSpan NewsDelay { get; }

    /// <summary>Makes everything but the runtime itself.</summary>
    /// <exception cref="InstanceStartException">It cannot be made; the message says why. What was made is freed by <see cref="ReleaseAsync"/>.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">A system call failed; the same holds.</exception>
    /// <exception cref="IOException">The limits cannot be set; the same holds.</exception>
    Task PrepareAsync(CancellationToken cancellationToken);

    /// <summary>Starts the runtime in what was prepared; once.</summary>
    /// <exception cref="InstanceStartException">It cannot be started; the message says why.</exception>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Told, when it was nobody's, whose it is from now on.</summary>
    void BelongsTo(FunctionName function);

    /// <summary>Changes its limits, whether it runs yet or not.</summary>
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
