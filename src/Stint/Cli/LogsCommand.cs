using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Stint.Management;

namespace Stint.Cli;

/// <summary><c>stint logs [NAME]</c>: what functions printed, and what the platform did to them.</summary>
internal static class LogsCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("logs", "Print the log of a function, or of all.");
        var name = FunctionNameArgument.One(session, optional: true);
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until Ctrl-C." };
        var tail = new Option<int?>("--tail") { Description = "Begin with the last N lines.", HelpName = "n" };
        tail.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && (!int.TryParse(token.Value, CultureInfo.InvariantCulture, out var lines) || lines < 0)) result.AddError("--tail wants a number of lines, 0 or more.");
        });
        command.Arguments.Add(name);
        command.Options.Add(follow);
        command.Options.Add(tail);
        var json = JsonOption.AddTo(command, "Print one JSON object a line, in a form that stays.");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var only = parsed.GetValue(name);
            var console = session.OutConsole();
            try
            {
                await foreach (var line in client.ReadLogsAsync(only, parsed.GetValue(tail), parsed.GetValue(follow), cancellationToken))
                {
                    if (parsed.GetValue(json)) session.Out.WriteLine(JsonSerializer.Serialize(line, ManagementJson.Default.LogLineView));
                    else Print(session, console, line, withFunction: only is null);
                }
            }
            catch (OperationCanceledException) when (parsed.GetValue(follow) && cancellationToken.IsCancellationRequested)
            {
                // Ctrl-C is how following ends.
            }
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(CliSession session, IAnsiConsole console, LogLineView line, bool withFunction)
    {
        var time = line.Time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        string[] names = withFunction ? [line.Function, line.Instance] : [line.Instance];
        var source = PrintableText.Line(string.Join('/', names.Where(name => name.Length > 0)));
        var text = PrintableText.Line(line.Text);
        // A log line is as long as it is: written past Spectre, which would wrap it; its colours are put around the cleaned parts.
        if (!console.Profile.Capabilities.Ansi) session.Out.WriteLine($"{time} {source} {PrintableText.Line(line.Stream)}: {text}");
        else session.Out.WriteLine($"{Dim}{time}{Reset} {source} {Dim}{PrintableText.Line(line.Stream)}:{Reset} {Colour(line.Stream)}{text}{Reset}");
    }

    private const string Dim = "\e[2m";
    private const string Reset = "\e[0m";

    private static string Colour(string stream) => stream switch
    {
        "stderr" => "\e[31m",
        "system" => "\e[36m",
        "build" => "\e[33m",
        _ => "",
    };
}
