using System.CommandLine;
using System.Globalization;
using Stint.Management;

namespace Stint.Cli;

/// <summary><c>stint ls</c>: what is deployed and how it does.</summary>
internal static class LsCommand
{
    /// <summary>Declares the command.</summary>
    public static Command Build(CliSession session, GlobalOptions globals)
    {
        var command = new Command("ls", "List the functions, with their instances and figures since the daemon's start.");
        var json = JsonOption.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using var client = globals.Connect(parsed, session);
            var functions = await client.ListAsync(cancellationToken);
            if (parsed.GetValue(json)) CliJson.Write(session, new FunctionListView(functions), CliJson.Default.FunctionListView);
            else Print(session, functions);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(CliSession session, IReadOnlyList<FunctionView> functions)
    {
        if (functions.Count == 0)
        {
            session.Out.WriteLine("No functions. Make one with 'stint new python3 hello', then 'stint deploy hello'.");
            return;
        }
        var listing = new Listing("NAME", "RUNTIME", "STATE", "INSTANCES", "QUEUE", "REQUESTS", "ERRORS", "COLD", "P50", "P99", "MEMORY");
        foreach (var function in functions)
            listing.Add(function.FullName, function.Runtime, State(function.State), Instances(function.Instances), Number(function.Queue), Number(function.Requests),
                new Cell(Number(function.Errors), function.Errors > 0 ? Tone.Doubtful : Tone.Plain), Number(function.ColdStarts), Figures.Seconds(function.P50Seconds),
                Figures.Seconds(function.P99Seconds), Figures.Bytes(function.MemoryBytes));
        listing.Write(session);
        foreach (var function in functions)
            foreach (var problem in function.Problems)
                session.Out.WriteLine($"{PrintableText.Line(function.FullName)}: {PrintableText.Line(problem)}");
    }

    /// <summary>A function's or an instance's state with its colour.</summary>
    public static Cell State(string state) => new(state, state switch
    {
        "ready" or "idle" or "busy" => Tone.Good,
        "broken" => Tone.Bad,
        _ => Tone.Doubtful,
    });

    /// <summary>Instances by state, those that there are: <c>2 idle, 1 busy</c>.</summary>
    public static string Instances(InstanceCountsView counts)
    {
        (int Count, string Word)[] all = [(counts.Starting, "starting"), (counts.Idle, "idle"), (counts.Busy, "busy"), (counts.Draining, "draining")];
        return counts.Total == 0 ? "0" : string.Join(", ", all.Where(state => state.Count > 0).Select(state => $"{state.Count} {state.Word}"));
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
