using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Stint.Cli;

/// <summary>
/// Rows under headings: a drawn table on a terminal that is wide enough; else columns of plain text, one row a line and never cut, for grep and awk.
/// All cells are cleaned here, so no command can forget it.
/// </summary>
internal sealed class Listing(params string[] headings)
{
    private readonly List<Cell[]> _rows = [];

    /// <summary>Adds a row of as many cells as there are headings.</summary>
    public void Add(params Cell[] cells) => _rows.Add(cells);

    /// <summary>Writes all to the session's output.</summary>
    public void Write(CliSession session) => Write(session.OutConsole(), session.Out);

    /// <summary>Writes all to a writer and the console over it.</summary>
    public void Write(IAnsiConsole console, TextWriter writer)
    {
        if (console.Profile.Capabilities.Ansi && LeastWidth() <= console.Profile.Width) WriteTable(console);
        else WriteColumns(writer);
    }

    /// <summary>What a table needs to be readable: every cell in one line, but for the last column, which may hold sentences and wraps.</summary>
    private int LeastWidth()
    {
        const int border = 3;
        const int sentence = 30;
        var widths = headings.Select((heading, column) => _rows.Select(row => row[column].Text.Length).Append(heading.Length).Max()).ToArray();
        return widths[..^1].Sum() + Math.Min(widths[^1], sentence) + widths.Length * border + 1;
    }

    private void WriteTable(IAnsiConsole console)
    {
        var table = new Table().Border(TableBorder.Rounded).BorderColor(Color.Grey);
        foreach (var heading in headings) table.AddColumn(new TableColumn(new Text(heading, new Style(decoration: Decoration.Bold))));
        // Text, unlike Markup, has no syntax: nothing in a cell can mean something to the renderer.
        foreach (var row in _rows) table.AddRow(row.Select(IRenderable (cell) => new Text(PrintableText.Lines(cell.Text), Styled(cell.Tone))));
        console.Write(table);
    }

    private void WriteColumns(TextWriter writer)
    {
        var rows = _rows.Select(row => row.Select(cell => PrintableText.Line(cell.Text.ReplaceLineEndings(" "))).ToArray()).Prepend(headings).ToList();
        var widths = headings.Select((_, column) => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
        {
            var line = new StringBuilder();
            for (var column = 0; column < row.Length; column++) line.Append(row[column].PadRight(widths[column] + 2));
            writer.WriteLine(line.ToString().TrimEnd());
        }
    }

    private static Style Styled(Tone tone) => tone switch
    {
        Tone.Plain => Style.Plain,
        Tone.Good => new Style(Color.Green),
        Tone.Doubtful => new Style(Color.Yellow),
        Tone.Bad => new Style(Color.Red),
    };
}

/// <summary>A piece of a listing.</summary>
internal readonly record struct Cell(string Text, Tone Tone = Tone.Plain)
{
    /// <summary>Text without a tone.</summary>
    public static implicit operator Cell(string? text) => new(text ?? "");
}

/// <summary>How a cell is coloured.</summary>
internal enum Tone
{
    /// <summary>Not at all.</summary>
    Plain,

    /// <summary>Green.</summary>
    Good,

    /// <summary>Yellow.</summary>
    Doubtful,

    /// <summary>Red.</summary>
    Bad,
}
