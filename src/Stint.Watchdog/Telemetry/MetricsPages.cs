using System.Globalization;
using Stint.Watchdog.Http;

namespace Stint.Watchdog.Telemetry;

/// <summary>The second port: <c>/metrics</c> and <c>/healthz</c>.</summary>
internal sealed class MetricsPages(RequestMetrics metrics) : IAnswerer
{
    private readonly DateTimeOffset _started = TimeProvider.System.GetUtcNow();

    /// <inheritdoc/>
    public async ValueTask AnswerAsync(Exchange exchange)
    {
        if (!exchange.Head.Method.SequenceEqual("GET"u8) && !exchange.Head.Method.SequenceEqual("HEAD"u8))
        {
            _ = await exchange.Reply.SayAsync(405, "Only GET and HEAD are answered here.");
        }
        else if (exchange.Head.Path.SequenceEqual("/metrics"u8))
        {
            var page = new ByteBuilder(4096);
            metrics.Write(page);
            WriteProcess(page);
            exchange.Reply.Status(200).Field("Content-Type"u8, "text/plain; version=0.0.4; charset=utf-8"u8);
            _ = await exchange.Reply.SendAsync(page.Memory);
        }
        else if (exchange.Head.Path.SequenceEqual("/healthz"u8))
        {
            _ = await exchange.Reply.SayAsync(200, "OK");
        }
        else
        {
            _ = await exchange.Reply.SayAsync(404, "There are /metrics and /healthz here.");
        }
    }

    // The names of Prometheus' client libraries for what a process uses; without /proc there is nothing to say.
    private void WriteProcess(ByteBuilder page)
    {
        Gauge(page, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", _started.ToUnixTimeMilliseconds() / 1000.0);
        try
        {
            var stat = File.ReadAllText("/proc/self/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            // proc(5): utime and stime are fields 14 and 15 in clock ticks, 100 a second; vsize is 23; rss 24, in pages. The first here is field 3.
            page.Add("# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total "u8)
                .Add(FormattableString.Invariant($"{(long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0}\n"));
            Gauge(page, "process_virtual_memory_bytes", "Virtual memory size in bytes.", long.Parse(fields[20], CultureInfo.InvariantCulture));
            Gauge(page, "process_resident_memory_bytes", "Resident memory size in bytes.", long.Parse(fields[21], CultureInfo.InvariantCulture) * Environment.SystemPageSize);
            Gauge(page, "process_open_fds", "Number of open file descriptors.", Directory.GetFiles("/proc/self/fd").Length);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
        }
    }

    private static void Gauge(ByteBuilder page, string name, string help, double value) =>
        page.Add(FormattableString.Invariant($"# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"));
}
