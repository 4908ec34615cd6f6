using System.Globalization;

namespace Stint.Cli;

/// <summary>A <see cref="TopReport"/> as lines of text: the host, the functions, what is wrong.</summary>
internal static class TopFrame
{
    // The lines of the host, an empty one, the table's border and headings, the last line.
    private const int LinesAround = 9;

    /// <summary>The report, as wide and as colourful as the terminal of the session.</summary>
    /// <param name="height">Lines of the screen; rows that do not fit are left out, the busiest are first. Null = all.</param>
    public static IReadOnlyList<string> Render(CliSession session, TopReport report, string daemon, int? height)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture) { NewLine = "\n" };
        var console = session.ConsoleOn(text);
        text.WriteLine($"{daemon}, up {Figures.Elapsed(report.UptimeSeconds)}; last {Figures.Elapsed(report.IntervalSeconds)} until {Figures.Moment(report.Time)}");
        var counts = report.Functions.Select(static function => function.Instances).ToList();
        text.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{report.Instances} of {report.InstanceBudget} instances ({counts.Sum(static c => c.Starting)} starting, {counts.Sum(static c => c.Idle)} idle, {counts.Sum(static c => c.Busy)} busy, {counts.Sum(static c => c.Draining)} draining)")
            + $"; memory {Figures.Bytes(report.MemoryPromisedBytes)} promised of {Figures.Bytes(report.MemoryBudgetBytes)}, {Figures.Bytes(report.Functions.Sum(static f => f.MemoryBytes))} used");
        text.WriteLine($"{Rate(report.Functions.Sum(static f => f.CallsPerSecond))} calls/s, {Rate(report.Functions.Sum(static f => f.ErrorsPerSecond))} errors/s, "
            + $"{report.Functions.Sum(static f => f.Queue).ToString(CultureInfo.InvariantCulture)} waiting{(report.IsContended ? "; the host has no room for another instance" : "")}");
        foreach (var node in report.Nodes)
        {
            text.WriteLine(string.Create(CultureInfo.InvariantCulture, $"worker {PrintableText.Line(node.Name)} {node.State}: {node.Running} running ({node.InFlight} from here), {node.Instances} instances")
                + $"; {Figures.Bytes(node.AvailableBytes)} available of {Figures.Bytes(node.MemoryBytes)}, load {Figures.Number(node.Load)} on {Figures.Count(node.Processors, "processor")}");
        }
        text.WriteLine();

        var wrong = report.Functions.Where(static function => function.Why is not null || function.State is not "ready").ToList();
        var room = height is { } lines ? Math.Max(1, lines - LinesAround - report.Nodes.Count) : int.MaxValue;
        var rows = Math.Max(1, Math.Min(report.Functions.Count, room - Math.Min(wrong.Count, room / 3)));
        var listing = new Listing("NAME", "INSTANCES", "QUEUE", "CALLS/S", "ERRORS/S", "P50", "P99", "COLD", "MEMORY");
        foreach (var function in report.Functions.Take(rows))
        {
            listing.Add(new Cell(function.Name, function.State is "ready" ? function.Why is null ? Tone.Plain : Tone.Doubtful : Tone.Bad),
                LsCommand.Instances(function.Instances),
                new Cell(function.Queue.ToString(CultureInfo.InvariantCulture), function.Queue > 0 ? Tone.Doubtful : Tone.Plain),
                new Cell(Rate(function.CallsPerSecond), function.CallsPerSecond > 0 ? Tone.Good : Tone.Plain),
                new Cell(Rate(function.ErrorsPerSecond), function.ErrorsPerSecond > 0 ? Tone.Bad : Tone.Plain),
                Figures.Seconds(function.P50Seconds), Figures.Seconds(function.P99Seconds),
                string.Create(CultureInfo.InvariantCulture, $"{function.ColdStarts}{(function.ColdStartsNow > 0 ? $" (+{function.ColdStartsNow})" : "")}"),
                Figures.Bytes(function.MemoryBytes));
        }
        if (report.Functions.Count == 0) text.WriteLine("No functions. 'stint deploy FOLDER' makes one.");
        else listing.Write(console, text);
        if (rows < report.Functions.Count) text.WriteLine($"and {Figures.Count(report.Functions.Count - rows, "quieter function")}");
        foreach (var function in wrong)
            text.WriteLine($"{PrintableText.Line(function.Name)}: {(function.State is "ready" ? "" : PrintableText.Line(function.State) + ": ")}{PrintableText.Line((function.Why ?? "").ReplaceLineEndings(" "))}");
        return text.ToString().TrimEnd('\n').Split('\n');
    }

    private static string Rate(double perSecond) => Figures.Number(perSecond, perSecond is 0 or >= 100 ? "0" : "0.#");
}
