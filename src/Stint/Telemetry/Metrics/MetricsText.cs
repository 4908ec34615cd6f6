using System.Globalization;
using System.Text;

namespace Stint.Telemetry.Metrics;

/// <summary>
/// Writes Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): a family is begun with its name, type and help, then has its samples, all together.
/// </summary>
internal sealed class MetricsText
{
    private readonly StringBuilder _text = new();
    private string _family = "";

    /// <summary>Begins a family.</summary>
    public MetricsText Family(string name, MetricKind kind, string help)
    {
        _family = name;
        _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {kind switch { MetricKind.Counter => "counter", MetricKind.Gauge => "gauge", MetricKind.Histogram => "histogram", MetricKind.Untyped => "untyped" }}\n");
        return this;
    }

    /// <summary>A sample of the family.</summary>
    public MetricsText Sample(double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        Line(_family, labels, null, value);
        return this;
    }

    /// <summary>A histogram of the family: its cumulative buckets, sum and count.</summary>
    public MetricsText Sample(Histogram histogram, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        var reading = histogram.Read();
        var cumulative = 0L;
        for (var i = 0; i < reading.Counts.Count; i++)
        {
            cumulative += reading.Counts[i];
            Line($"{_family}_bucket", labels, i < Histogram.Bounds.Length ? Histogram.Bounds[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf", cumulative);
        }
        Line($"{_family}_sum", labels, null, reading.Sum.TotalSeconds);
        Line($"{_family}_count", labels, null, cumulative);
        return this;
    }

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();

    private void Line(string name, ReadOnlySpan<(string Name, string Value)> labels, string? bound, double value)
    {
        _text.Append(name);
        var separator = '{';
        foreach (var (label, text) in labels)
        {
            _text.Append(separator).Append(label).Append("=\"").Append(Escape(text)).Append('"');
            separator = ',';
        }
        if (bound is not null)
        {
            _text.Append(separator).Append("le=\"").Append(bound).Append('"');
            separator = ',';
        }
        if (separator == ',') _text.Append('}');
        _text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }

    private static string Escape(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}

/// <summary>The kinds of metrics that we have.</summary>
internal enum MetricKind
{
    /// <summary>Only ever grows.</summary>
    Counter,

    /// <summary>Goes up and down.</summary>
    Gauge,

    /// <summary>Observations in buckets.</summary>
    Histogram,

    /// <summary>Others' name for it does not fit its type, which promtool would find wrong.</summary>
    Untyped,
}
