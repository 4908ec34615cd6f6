using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using System.Text.Unicode;

namespace Stint.Telemetry.Metrics;

/// <summary>
/// Writes Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/): a family is begun with its name, type and help, then has its samples, all together.
/// </summary>
/// <remarks>
/// A thousand functions make five megabytes of text. It goes out piece by piece (<see cref="FlushAsync"/>): put together first, every scrape would leave that much on the large object heap.
/// </remarks>
/// <param name="output">Where it goes.</param>
internal sealed class MetricsText(PipeWriter output)
{
    private const int Piece = 32 * 1024;

    // The longest number, and a label's name with what stands around it.
    private const int Room = 64;

    private static readonly byte[][] Bounds = [.. Histogram.Bounds.ToArray().Select(static bound => Encoding.UTF8.GetBytes(bound.ToString("R", CultureInfo.InvariantCulture))), "+Inf"u8.ToArray()];

    private string _family = "";
    private Memory<byte> _room;
    private int _used;
    private int _pending;

    /// <summary>Begins a family.</summary>
    public MetricsText Family(string name, MetricKind kind, string help)
    {
        _family = name;
        Put("# HELP ");
        Put(name);
        Put(" ");
        Put(help);
        Put("\n# TYPE ");
        Put(name);
        Put(kind switch { MetricKind.Counter => " counter\n", MetricKind.Gauge => " gauge\n", MetricKind.Histogram => " histogram\n", MetricKind.Untyped => " untyped\n" });
        return this;
    }

    /// <summary>A sample of the family.</summary>
    public MetricsText Sample(double value, params ReadOnlySpan<(string Name, string Value)> labels)
    {
        Line("", labels, default, value);
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
            Line("_bucket", labels, Bounds[i], cumulative);
        }
        Line("_sum", labels, default, reading.Sum.TotalSeconds);
        Line("_count", labels, default, cumulative);
        return this;
    }

    /// <summary>Lets go of what has been written when it is more than a piece, and waits for a reader that is slower.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken) => _pending + _used < Piece ? ValueTask.CompletedTask : SendAsync(cancellationToken);

    /// <summary>The same, however little it is.</summary>
    public async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        Hand();
        _pending = 0;
        await output.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Line(string suffix, ReadOnlySpan<(string Name, string Value)> labels, ReadOnlySpan<byte> bound, double value)
    {
        Put(_family);
        Put(suffix);
        var separator = "{";
        foreach (var (label, text) in labels)
        {
            Put(separator);
            Put(label);
            Put("=\"");
            Put(Escape(text));
            Put("\"");
            separator = ",";
        }
        if (!bound.IsEmpty)
        {
            Put(separator);
            Put("le=\"");
            bound.CopyTo(Take(bound.Length));
            _used += bound.Length;
            Put("\"");
            separator = ",";
        }
        Put(separator == "," ? "} " : " ");
        value.TryFormat(Take(Room), out var length, "R", CultureInfo.InvariantCulture);
        _used += length;
        Put("\n");
    }

    private void Put(string text)
    {
        var room = Take(Encoding.UTF8.GetMaxByteCount(text.Length));
        Utf8.FromUtf16(text, room, out _, out var length);
        _used += length;
    }

    private Span<byte> Take(int size)
    {
        if (_room.Length - _used < size)
        {
            Hand();
            _room = output.GetMemory(Math.Max(size, 4096));
        }
        return _room.Span[_used..];
    }

    private void Hand()
    {
        if (_used == 0) return;
        output.Advance(_used);
        _pending += _used;
        (_room, _used) = (default, 0);
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
