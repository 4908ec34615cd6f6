using System.Globalization;
using System.Text;

namespace Stint.Tests.Scaling;

/// <summary>Load and instances of several traces, one picture below the other.</summary>
internal static class TracePlot
{
    private const int Width = 900, Panel = 170, Left = 40, Floor = 140, Ceiling = 24, Columns = 860;

    /// <summary>The picture. Each column of it is the mean load and the most instances of its time.</summary>
    public static string Render(IReadOnlyList<TraceRun> runs, double perInstance)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Panel * runs.Count}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{Width}\" height=\"{Panel * runs.Count}\" fill=\"#fff\"/>\n");
        for (var i = 0; i < runs.Count; i++) Draw(svg, runs[i], perInstance, i * Panel);
        return svg.Append("</svg>\n").ToString();
    }

    private static void Draw(StringBuilder svg, TraceRun run, double perInstance, int top)
    {
        var size = (int)Math.Ceiling(run.Steps.Count / (double)Columns);
        var columns = run.Steps.Zip(run.Ready).Chunk(size).Select(chunk => (Load: chunk.Average(static one => one.First.Load) / perInstance, Ready: chunk.Max(static one => one.Second))).ToList();
        var most = Math.Max(columns.Max(static column => column.Load), columns.Max(static column => column.Ready)) + 1;
        var minutes = run.Steps[^1].Time.TotalMinutes;
        for (var n = 0; n <= most; n += most > 20 ? 10 : 5) svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {Y(n):0.#}H{Width}\" stroke=\"#ddd\"/><text x=\"{Left - 6}\" y=\"{Y(n) + 4:0.#}\" text-anchor=\"end\">{n}</text>\n");
        for (var part = 0; part <= 4; part++) svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left + part / 4.0 * (Width - Left - 30):0.#}\" y=\"{top + Floor + 14}\" text-anchor=\"middle\">{minutes * part / 4:0} min</text>\n");
        Line("#999", 1, columns.Select(static column => column.Load));
        Line("#c30", 2, columns.Select(static column => (double)column.Ready));
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left + 6}\" y=\"{top + 14}\">{run.Name}: <tspan fill=\"#c30\">ready instances</tspan>, <tspan fill=\"#777\">load in instances that it needs</tspan></text>\n");

        double Y(double count) => top + Floor - count / most * (Floor - Ceiling);

        void Line(string colour, int width, IEnumerable<double> values) => svg.Append(CultureInfo.InvariantCulture, $"<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" d=\"M")
            .AppendJoin('L', values.Select((value, index) => string.Create(CultureInfo.InvariantCulture, $"{Left + index / (double)columns.Count * (Width - Left - 30):0.#} {Y(value):0.#}"))).Append("\"/>\n");
    }
}
