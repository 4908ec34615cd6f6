using System.IO.Pipelines;
using System.Text;
using Stint.Telemetry;
using Stint.Telemetry.Metrics;

namespace Stint.Tests.Telemetry;

public sealed class MetricsTextTests
{
    [Fact]
    public async Task A_family_has_its_samples_and_labels_are_escaped()
    {
        var histogram = new Histogram();
        histogram.Record(TimeSpan.FromMilliseconds(2));
        histogram.Record(TimeSpan.FromMinutes(2));
        var lines = (await WriteAsync(text =>
        {
            text.Family("calls_total", MetricKind.Counter, "How many.").Sample(3, ("function", "a\"b\\c\nd"), ("code", "200")).Sample(0.25);
            text.Family("took_seconds", MetricKind.Histogram, "How long – always.").Sample(histogram, ("function", "f"));
            return ValueTask.CompletedTask;
        })).Split('\n');
        Assert.Equal(["# HELP calls_total How many.", "# TYPE calls_total counter", """calls_total{function="a\"b\\c\nd",code="200"} 3""", "calls_total 0.25"], lines[..4]);
        Assert.Equal("# HELP took_seconds How long – always.", lines[4]);
        Assert.Contains("""took_seconds_bucket{function="f",le="0.001"} 0""", lines);
        Assert.Contains("""took_seconds_bucket{function="f",le="0.0025"} 1""", lines);
        Assert.Contains("""took_seconds_bucket{function="f",le="+Inf"} 2""", lines);
        Assert.Contains("""took_seconds_sum{function="f"} 120.002""", lines);
        Assert.Contains("""took_seconds_count{function="f"} 2""", lines);
        Assert.Equal("", lines[^1]);
    }

    [Fact]
    public async Task Much_of_it_goes_out_piece_by_piece_and_whole()
    {
        const int count = 20_000;
        var text = await WriteAsync(async metrics =>
        {
            metrics.Family("x", MetricKind.Gauge, "X.");
            for (var i = 0; i < count; i++)
            {
                metrics.Sample(i, ("name", $"function-{i}"));
                await metrics.FlushAsync(default);
            }
        });
        var lines = text.Split('\n');
        Assert.Equal(count + 3, lines.Length);
        for (var i = 0; i < count; i++) Assert.Equal($"x{{name=\"function-{i}\"}} {i}", lines[i + 2]);
    }

    // The pipe holds 64 KiB: whoever put it all together first would wait for ever.
    internal static async Task<string> WriteAsync(Func<MetricsText, ValueTask> write)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 64 * 1024, resumeWriterThreshold: 32 * 1024, useSynchronizationContext: false));
        var reading = new StreamReader(pipe.Reader.AsStream(), Encoding.UTF8).ReadToEndAsync();
        var text = new MetricsText(pipe.Writer);
        await write(text);
        await text.SendAsync(default);
        await pipe.Writer.CompleteAsync();
        return await reading;
    }
}
