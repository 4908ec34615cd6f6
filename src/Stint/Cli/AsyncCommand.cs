using System.CommandLine;
using System.Globalization;
using System.Text;
using Stint.Invocations;
using Stint.Management;

namespace Stint.Cli;

/// <summary><c>stint async</c>: asynchronous calls that wait, run, or are dead letters, and deliveries of results.</summary>
internal static class AsyncCommand
{
    /// <summary>Declares the commands.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("async", "Look after asynchronous calls: what waits, what failed, and results on their way to callbacks and sinks.");
        command.Subcommands.Add(Ls(session, globals));
        command.Subcommands.Add(Show(session, globals));
        command.Subcommands.Add(Retry(session, globals));
        command.Subcommands.Add(Drop(session, globals));
        return command;
    }

    private static Command Ls(CliSession session, GlobalOptions globals)
    {
        var command = new Command("ls", "List calls and deliveries, the oldest first.");
        var function = AddFunction(command);
        var dead = new Option<bool>("--dead") { Description = "Dead letters only: what is not tried again by itself." };
        var limit = new Option<int>("--limit") { Description = "How many at most, up to 1,000.", HelpName = "n", DefaultValueFactory = static _ => 100 };
        command.Options.Add(dead);
        command.Options.Add(limit);
        var json = JsonOption.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var choice = new AsyncChoice(parsed.GetValue(function), null, parsed.GetValue(dead));
            var list = await client.ListAsyncAsync(choice, parsed.GetValue(limit), cancellationToken);
            if (parsed.GetValue(json)) CliJson.Write(session, list, CliJson.Default.AsyncListView);
            else Print(session, list, choice.IsDead);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Show(CliSession session, GlobalOptions globals)
    {
        var command = new Command("show", "Show a call, or a delivery, with its headers and body.");
        var id = AddId(command, isRequired: true);
        var function = AddFunction(command);
        var json = JsonOption.AddTo(command, "Print JSON, in a form that stays; the body in base64.");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var details = await client.ShowAsyncAsync(new AsyncChoice(parsed.GetValue(function), parsed.GetValue(id), false), cancellationToken);
            if (details.Entries.Count == 0) return Nothing(session, parsed.GetValue(id));
            if (parsed.GetValue(json)) CliJson.Write(session, details, CliJson.Default.AsyncDetailsView);
            else
                foreach (var entry in details.Entries) Print(session, entry);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Retry(CliSession session, GlobalOptions globals)
    {
        var command = new Command("retry", "Try again, at once: one call or delivery, or all dead letters of a function.");
        var id = AddId(command, isRequired: false);
        var function = AddFunction(command);
        var dead = new Option<bool>("--dead") { Description = "All dead letters, of the function or of all." };
        command.Options.Add(dead);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var choice = new AsyncChoice(parsed.GetValue(function), parsed.GetValue(id), parsed.GetValue(dead));
            var count = await client.RetryAsyncAsync(choice, cancellationToken);
            if (count == 0 && choice.Id is not null) return Nothing(session, choice.Id);
            session.Out.WriteLine($"{Figures.Count(count, "entry").Replace("entrys", "entries", StringComparison.Ordinal)} will be tried again");
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Drop(CliSession session, GlobalOptions globals)
    {
        var command = new Command("drop", "Remove for good: one call or delivery, or what waits for a function, or its dead letters. What runs goes on.");
        var id = AddId(command, isRequired: false);
        var function = AddFunction(command);
        var dead = new Option<bool>("--dead") { Description = "Dead letters only." };
        command.Options.Add(dead);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var choice = new AsyncChoice(parsed.GetValue(function), parsed.GetValue(id), parsed.GetValue(dead));
            var count = await client.DropAsyncAsync(choice, cancellationToken);
            if (count == 0 && choice.Id is not null) return Nothing(session, choice.Id);
            session.Out.WriteLine($"dropped {Figures.Count(count, "entry").Replace("entrys", "entries", StringComparison.Ordinal)}");
            return ExitCode.Done;
        });
        return command;
    }

    private static Argument<string?> AddId(Command command, bool isRequired)
    {
        var id = new Argument<string?>("id") { Description = "The call's X-Call-Id, or a delivery's id.", Arity = isRequired ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne };
        command.Arguments.Add(id);
        return id;
    }

    private static Option<string?> AddFunction(Command command)
    {
        var function = new Option<string?>("--function") { Description = "Of this function only: name, or name.module.", HelpName = "name" };
        function.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && !FunctionName.TryParse(token.Value, out _)) result.AddError($"'{token.Value}' names no function: {FunctionName.Rule}; outside the default module it is name.module.");
        });
        command.Options.Add(function);
        return function;
    }

    private static int Nothing(CliSession session, string? id)
    {
        session.Fail($"there is no call or delivery '{id}': it was done, or dropped, or never accepted; 'stint async ls' lists what there is");
        return ExitCode.Failed;
    }

    private static void Print(CliSession session, AsyncListView list, bool dead)
    {
        if (list.Entries.Count == 0)
        {
            session.Out.WriteLine(dead ? "No dead letters." : "Nothing waits.");
            return;
        }
        var listing = new Listing("ID", "KIND", "FUNCTION", "STATE", "ACCEPTED", "NEXT TRY", "TRIES", "STATUS", "REASON");
        foreach (var entry in list.Entries)
            listing.Add(entry.Id, entry.Kind, entry.Function, new Cell(entry.State, entry.State switch { "dead" => Tone.Bad, "running" => Tone.Good, _ => Tone.Plain }), Figures.Moment(entry.Accepted),
                Figures.Moment(entry.Due), Number(entry.Attempts), entry.Status is { } status ? Number(status) : "-", entry.Reason ?? "-");
        listing.Write(session);
        if (list.IsCut) session.Out.WriteLine("There are more: --limit, --function and --dead say which to show.");
    }

    private static void Print(CliSession session, AsyncDetailView detail)
    {
        var entry = detail.Entry;
        var lines = new List<(string, string?)>
        {
            ("id", entry.Id), ("call", entry.CallId == entry.Id ? null : entry.CallId), ("kind", entry.Kind), ("function", entry.Function), ("state", entry.State), ("accepted", Figures.Moment(entry.Accepted)),
            ("next try", entry.Due is null ? null : Figures.Moment(entry.Due)), ("died", entry.Died is null ? null : Figures.Moment(entry.Died)), ("tries", Number(entry.Attempts)),
            ("status", entry.Status?.ToString(CultureInfo.InvariantCulture)), ("reason", entry.Reason), ("request", detail.Method is null ? null : $"{detail.Method} {detail.Target}"),
        };
        lines.AddRange(detail.Headers.Select(static header => ("  " + header.Key, (string?)header.Value)));
        lines.Add(("body", Figures.Bytes(entry.Bytes) + (entry.Bytes > detail.Body.Length ? $", the first {Figures.Bytes(detail.Body.Length)} of it" : "")));
        foreach (var (name, value) in lines)
            if (value is not null) session.Out.WriteLine($"{PrintableText.Line(name)}: {PrintableText.Line(value)}");
        if (detail.Body.Length > 0) session.Out.WriteLine(PrintableText.Lines(Encoding.UTF8.GetString(detail.Body)));
        session.Out.WriteLine();
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
