using System.Text;

namespace Stint.Cli;

/// <summary>
/// A terminal taken over for a live view: the alternate screen of xterm and its heirs, so that what stood there before stands there after. Every frame is one write, over the one before it and
/// without clearing first, so nothing flickers. Disposing gives the terminal back.
/// </summary>
internal sealed class TopScreen : IDisposable
{
    // xterm's control sequences (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html): alternate screen, cursor, home, erase to the end of line and of screen.
    private const string Enter = "\e[?1049h\e[?25l";
    private const string Leave = "\e[?25h\e[?1049l";
    private const string Home = "\e[H";
    private const string ToLineEnd = "\e[K";
    private const string ToScreenEnd = "\e[J";

    private readonly TextWriter _writer;

    /// <summary>Takes the terminal.</summary>
    public TopScreen(TextWriter writer)
    {
        _writer = writer;
        _writer.Write(Enter);
        _writer.Flush();
    }

    /// <summary>Shows a frame; what is longer or wider than the screen is cut.</summary>
    public void Show(IReadOnlyList<string> lines, int width, int height)
    {
        var frame = new StringBuilder(Home);
        var count = Math.Min(lines.Count, Math.Max(1, height));
        for (var i = 0; i < count; i++)
        {
            var line = lines[i];
            // Lines with sequences are a table's, which is never wider than the screen.
            if (line.Length > width && !line.Contains('\e', StringComparison.Ordinal)) line = line[..Math.Max(0, width)];
            frame.Append(line).Append(ToLineEnd);
            if (i < count - 1) frame.Append('\n');
        }
        _writer.Write(frame.Append(ToScreenEnd).ToString());
        _writer.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer.Write(Leave);
        _writer.Flush();
    }
}
