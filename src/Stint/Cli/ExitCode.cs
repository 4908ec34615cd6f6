namespace Stint.Cli;

/// <summary>What the program's exit status means. The numbers above 64 are those of BSD's sysexits.h, the last is the shell's for an interrupt.</summary>
internal static class ExitCode
{
    /// <summary>All was done.</summary>
    public const int Done = 0;

    /// <summary>It failed; standard error says why.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>EX_UNAVAILABLE: no daemon answers, or no container engine, or no store.</summary>
    public const int Unreachable = 69;

    /// <summary>EX_NOPERM: the daemon, or the file system, does not permit it.</summary>
    public const int Denied = 77;

    /// <summary>EX_CONFIG: a setting, a <c>stint.toml</c> or a <c>function.toml</c> is wrong.</summary>
    public const int BadConfiguration = 78;

    /// <summary>128 + SIGINT: the user stopped it.</summary>
    public const int Interrupted = 130;

    /// <summary>Each code with its sentence for the documentation.</summary>
    public static IReadOnlyList<(int Code, string Meaning)> All { get; } =
    [
        (Done, "done"),
        (Failed, "failed: standard error says what, why and what to do"),
        (Usage, "the command line is wrong"),
        (Unreachable, "no daemon answers, or no container engine, or no store"),
        (Denied, "not permitted: the token is missing or wrong, or a file may not be read"),
        (BadConfiguration, "bad configuration: a setting of the daemon or a `function.toml`"),
        (Interrupted, "stopped by Ctrl-C or SIGTERM"),
    ];
}
