using Spectre.Console;

namespace Stint.Cli;

/// <summary>
/// What a command knows of the world: its streams, whether people watch them, environment variables, the current folder, time.
/// <see cref="OfProcess"/> is the real one; a test plays a terminal or a pipe with its own.
/// </summary>
internal sealed class CliSession
{
    /// <summary>Text for people or programs.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Errors, questions and progress.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Opens standard input.</summary>
    public required Func<Stream> OpenInput { get; init; }

    /// <summary>Opens standard output for bytes that must pass unchanged; <see cref="Out"/> is flushed before.</summary>
    public required Func<Stream> OpenOutput { get; init; }

    /// <summary>A person can answer questions.</summary>
    public bool InputIsTerminal { get; init; }

    /// <summary>A person reads <see cref="Out"/>.</summary>
    public bool OutputIsTerminal { get; init; }

    /// <summary>A person reads <see cref="Error"/>.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Characters in a line of the terminal; null = ask it.</summary>
    public int? Width { get; init; }

    /// <summary>Lines of the terminal; null = ask it.</summary>
    public int? Height { get; init; }

    /// <summary>Waits for a key and does not show it.</summary>
    public Func<char> ReadKey { get; init; } = static () => throw new InvalidOperationException("there is no keyboard");

    /// <summary>An environment variable; null when it is unset or empty.</summary>
    public required Func<string, string?> Variable { get; init; }

    /// <summary>What relative paths are relative to.</summary>
    public required string Folder { get; init; }

    /// <summary>Time.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>No ANSI sequences at all: <c>--no-color</c> was given.</summary>
    public bool NoColor { get; set; }

    /// <summary>The terminal and environment of this process.</summary>
    public static CliSession OfProcess() => new()
    {
        Out = Console.Out,
        Error = Console.Error,
        OpenInput = Console.OpenStandardInput,
        OpenOutput = Console.OpenStandardOutput,
        InputIsTerminal = !Console.IsInputRedirected,
        OutputIsTerminal = !Console.IsOutputRedirected,
        ErrorIsTerminal = !Console.IsErrorRedirected,
        ReadKey = static () => Console.ReadKey(intercept: true).KeyChar,
        Variable = name => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null,
        Folder = Directory.GetCurrentDirectory(),
    };

    /// <summary>Tables and colours on <see cref="Out"/>; plain text unless a terminal reads it and nobody forbade colours (<see href="https://no-color.org"/>).</summary>
    public IAnsiConsole OutConsole() => OpenConsole(Out, OutputIsTerminal);

    /// <summary>As <see cref="OutConsole"/>, for text that is to be sent there later.</summary>
    public IAnsiConsole ConsoleOn(TextWriter writer) => OpenConsole(writer, OutputIsTerminal);

    /// <summary>Progress on <see cref="Error"/>.</summary>
    public IAnsiConsole ErrorConsole() => OpenConsole(Error, ErrorIsTerminal);

    /// <summary>Whether sequences may be sent to a stream that is a terminal.</summary>
    public bool MayColor => !NoColor && Variable("NO_COLOR") is null && Variable("TERM") is not "dumb";

    /// <summary>Writes a line of error, cleaned, with the program's name before it.</summary>
    public void Fail(string message) => Error.WriteLine($"stint: {PrintableText.Lines(message)}");

    /// <summary>The path as an absolute one.</summary>
    public string FullPath(string path) => Path.GetFullPath(path, Folder);

    private IAnsiConsole OpenConsole(TextWriter writer, bool terminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = terminal && MayColor ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = terminal && MayColor ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = terminal && MayColor ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
        if (Width is { } width) console.Profile.Width = width;
        if (Height is { } height) console.Profile.Height = height;
        return console;
    }
}
