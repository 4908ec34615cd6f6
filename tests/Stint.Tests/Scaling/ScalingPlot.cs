using System.Globalization;
using System.Text;

namespace Stint.Tests.Scaling;

/// <summary>A moment of a trace.</summary>
internal sealed record Step(TimeSpan Time, double Load, int Wanted, bool IsPanicking);

/// <summary>Load and instances over time, as a picture.</summary>
internal static class ScalingPlot
{
    private const int Width = 900, Height = 260, Left = 40, Bottom = 230, Top = 20;

    /// <summary>The picture; the load is drawn as the instances that it needs, averaged over a second.</summary>
    public static string Render(IReadOnlyList<Step> run, double perInstance)
    {
        var seconds = run.Chunk(4).Select(chunk => (chunk[0].Time, Load: chunk.Average(static step => step.Load) / perInstance, Wanted: chunk.Max(static step => step.Wanted))).ToList();
        var most = Math.Max(seconds.Max(static second => second.Load), seconds.Max(static second => second.Wanted)) + 1;
        var end = seconds[^1].Time.TotalSeconds;
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{Width}\" height=\"{Height}\" fill=\"#fff\"/>\n");
        for (var n = 0; n <= most; n += 5) svg.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {Y(n):0.#}H{Width}\" stroke=\"#ddd\"/><text x=\"{Left - 6}\" y=\"{Y(n) + 4:0.#}\" text-anchor=\"end\">{n}</text>\n");
        for (var minute = 0; minute * 60 <= end; minute += 2) svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{X(minute * 60):0.#}\" y=\"{Bottom + 16}\" text-anchor=\"middle\">{minute} min</text>\n");
        svg.Append("<path fill=\"none\" stroke=\"#999\" d=\"M").AppendJoin('L', seconds.Select(second => string.Create(CultureInfo.InvariantCulture, $"{X(second.Time.TotalSeconds):0.#} {Y(second.Load):0.#}"))).Append("\"/>\n");
        svg.Append("<path fill=\"none\" stroke=\"#c30\" stroke-width=\"2\" d=\"M").AppendJoin('L', seconds.Select(second => string.Create(CultureInfo.InvariantCulture, $"{X(second.Time.TotalSeconds):0.#} {Y(second.Wanted):0.#}"))).Append("\"/>\n");
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left + 10}\" y=\"{Top + 4}\" fill=\"#c30\">instances</text><text x=\"{Left + 80}\" y=\"{Top + 4}\" fill=\"#777\">load, in instances that it needs</text>\n</svg>\n");
        return svg.ToString();

        double X(double second) => Left + second / end * (Width - Left - 10);

        double Y(double count) => Bottom - count / most * (Bottom - Top);
    }
}
