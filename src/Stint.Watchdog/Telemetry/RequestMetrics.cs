using Stint.Watchdog.Http;

namespace Stint.Watchdog.Telemetry;

/// <summary>Counts requests in the names and buckets of the Go watchdogs. From any thread.</summary>
internal sealed class RequestMetrics
{
    // The default buckets of Prometheus' Go client, in seconds.
    private static readonly double[] Bounds = [.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10];

    // As that client names them: others would let callers make up labels.
    private static readonly string[] Methods = ["get", "put", "head", "post", "delete", "connect", "options", "notify", "trace", "patch", "unknown"];

    private readonly Series?[] _series = new Series?[Methods.Length * 500];
    private int _inFlight;

    /// <summary>Requests that are being answered.</summary>
    public int InFlight => Volatile.Read(ref _inFlight);

    /// <summary>A request has come.</summary>
    /// <returns>How many there are now.</returns>
    public int Enter() => Interlocked.Increment(ref _inFlight);

    /// <summary>A request was answered, or not at all: then with status 0, which is counted as 499.</summary>
    public void Leave(ReadOnlySpan<byte> method, int code, TimeSpan duration)
    {
        Interlocked.Decrement(ref _inFlight);
        if (code is < 100 or > 599) code = 499;
        ref var slot = ref _series[IndexOf(method) * 500 + code - 100];
        var series = Volatile.Read(ref slot) ?? Interlocked.CompareExchange(ref slot, new Series(), null) ?? Volatile.Read(ref slot)!;
        Interlocked.Add(ref series.Ticks, duration.Ticks);
        var bucket = 0;
        while (bucket < Bounds.Length && duration.TotalSeconds > Bounds[bucket]) bucket++;
        Interlocked.Increment(ref series.Buckets[bucket]);
    }

    /// <summary>Writes them in Prometheus' text format.</summary>
    public void Write(ByteBuilder page)
    {
        page.Add("# HELP http_requests_in_flight total HTTP requests in-flight\n# TYPE http_requests_in_flight gauge\nhttp_requests_in_flight "u8).Add(InFlight);
        page.Add("\n# HELP http_requests_total total HTTP requests processed\n# TYPE http_requests_total counter\n"u8);
        ForEach((method, code, series) => page.Add($"http_requests_total{{code=\"{code}\",method=\"{method}\"}} {series.Buckets.Sum()}\n"));
        page.Add("# HELP http_request_duration_seconds Seconds spent serving HTTP requests.\n# TYPE http_request_duration_seconds histogram\n"u8);
        ForEach((method, code, series) =>
        {
            var total = 0L;
            for (var i = 0; i < series.Buckets.Length; i++)
            {
                total += series.Buckets[i];
                var bound = i < Bounds.Length ? FormattableString.Invariant($"{Bounds[i]}") : "+Inf";
                page.Add($"http_request_duration_seconds_bucket{{code=\"{code}\",method=\"{method}\",le=\"{bound}\"}} {total}\n");
            }
            page.Add(FormattableString.Invariant($"http_request_duration_seconds_sum{{code=\"{code}\",method=\"{method}\"}} {TimeSpan.FromTicks(series.Ticks).TotalSeconds}\n"));
            page.Add($"http_request_duration_seconds_count{{code=\"{code}\",method=\"{method}\"}} {total}\n");
        });
    }

    private void ForEach(Action<string, int, Series> action)
    {
        for (var i = 0; i < _series.Length; i++)
        {
            if (Volatile.Read(ref _series[i]) is { } series) action(Methods[i / 500], i % 500 + 100, series);
        }
    }

    private static int IndexOf(ReadOnlySpan<byte> method)
    {
        for (var i = 0; i < Methods.Length - 1; i++)
        {
            if (System.Text.Ascii.EqualsIgnoreCase(method, Methods[i])) return i;
        }
        return Methods.Length - 1;
    }

    private sealed class Series
    {
        public readonly long[] Buckets = new long[Bounds.Length + 1];
        public long Ticks;
    }
}
