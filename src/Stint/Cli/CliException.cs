namespace Stint.Cli;

/// <summary>Ends a command with a message for the user (what, why, what to do) and an exit code of <see cref="ExitCode"/>.</summary>
internal sealed class CliException(string message, int exitCode = ExitCode.Failed) : Exception(message)
{
    /// <summary>The status that the program exits with.</summary>
    public int ExitCode { get; } = exitCode;
}
