namespace Stint.Functions.Builds;

/// <summary>Where package tools run: others' code runs inside them, so never plainly on the host unless the user gave up isolation.</summary>
internal interface IBuildSandbox
{
    /// <summary>The path under which a command finds its work folder: what its arguments and variables must say. No trailing slash.</summary>
    string SeenAs(string workFolder);

    /// <summary>
    /// Runs the command to its end or its limits; when this returns nothing of it runs any more. The work folder, with all that the daemon has put into it, is made
    /// writable for the command's user, and is all it can write to. <see cref="BuildCommand.Environment"/> is its whole environment.
    /// </summary>
    /// <param name="command">What to run.</param>
    /// <param name="onLine">Gets standard output and error line by line, from one thread at a time.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <exception cref="Deployments.DeploymentException">It cannot be started.</exception>
    /// <exception cref="OperationCanceledException">It was killed because <paramref name="cancellationToken"/> fired.</exception>
    Task<BuildExit> RunAsync(BuildCommand command, Action<string> onLine, CancellationToken cancellationToken);
}

/// <summary>One command of a build.</summary>
internal sealed record BuildCommand
{
    /// <summary>The runtime that is built for.</summary>
    public required Runtime Runtime { get; init; }

    /// <summary>The program, as its toolchain names it, and its arguments.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The one writable folder, as the daemon sees it. The commands see it as <see cref="IBuildSandbox.SeenAs"/>.</summary>
    public required string WorkFolder { get; init; }

    /// <summary>Where the command starts, relative to the work folder.</summary>
    public required string StartIn { get; init; }

    /// <summary>All of its environment.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>How long it may run.</summary>
    public required TimeSpan TimeLimit { get; init; }

    /// <summary>How large the work folder may become, in bytes.</summary>
    public required long SizeLimit { get; init; }
}

/// <summary>How a command ended.</summary>
/// <param name="End">By itself or by a limit.</param>
/// <param name="Code">Its exit code; 128 + signal when a signal ended it.</param>
internal readonly record struct BuildExit(BuildEnd End, int Code);

/// <summary>What ended a build command.</summary>
internal enum BuildEnd
{
    /// <summary>It exited.</summary>
    Exited,

    /// <summary>It was killed at its <see cref="BuildCommand.TimeLimit"/>.</summary>
    TimedOut,

    /// <summary>It was killed because the work folder outgrew <see cref="BuildCommand.SizeLimit"/>.</summary>
    TooLarge,
}
