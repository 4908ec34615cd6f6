using System.Text;
using Stint.Watchdog.Http;
using Stint.Watchdog.Settings;
using Stint.Watchdog.Telemetry;

namespace Stint.Watchdog.Hosting;

/// <summary>The function's port: <c>/_/health</c> and <c>/_/ready</c> are the watchdog's, everything else is the function's, within <c>max_inflight</c>; each call is counted and logged.</summary>
internal sealed class FunctionPort(WatchdogSettings settings, IAnswerer function, Health health, RequestMetrics metrics) : IAnswerer
{
    [ThreadStatic] private static ByteBuilder? t_line;

    private int _running;

    /// <inheritdoc/>
    public ValueTask AnswerAsync(Exchange exchange)
    {
        var path = exchange.Head.Path;
        if (path.StartsWith("/_/"u8))
        {
            if (path.SequenceEqual("/_/health"u8)) return AnswerHealthAsync(exchange);
            if (path.SequenceEqual("/_/ready"u8)) return AnswerReadyAsync(exchange);
        }
        return CallAsync(exchange);
    }

    private async ValueTask AnswerHealthAsync(Exchange exchange)
    {
        if (!IsLook(exchange)) _ = await exchange.Reply.SayAsync(405, "");
        else if (health.IsHealthy)
        {
            exchange.Reply.Status(200).Field("Content-Type"u8, "text/plain; charset=utf-8"u8);
            _ = await exchange.Reply.SendAsync("OK"u8.ToArray());
        }
        else _ = await exchange.Reply.SayAsync(503, "");
    }

    private async ValueTask AnswerReadyAsync(Exchange exchange)
    {
        if (!IsLook(exchange)) _ = await exchange.Reply.SayAsync(405, "");
        else if (!health.IsHealthy) _ = await exchange.Reply.SayAsync(503, "");
        else if (settings.MaxInflight > 0 && Volatile.Read(ref _running) >= settings.MaxInflight) _ = await exchange.Reply.SayAsync(429, "");
        else if (settings.ReadyPath is { } path)
        {
            // The function's own word, outside of max_inflight.
            exchange.Head.Redirect(Encoding.ASCII.GetBytes(path));
            await function.AnswerAsync(exchange);
        }
        else _ = await exchange.Reply.SayAsync(200, "");
    }

    private async ValueTask CallAsync(Exchange exchange)
    {
        metrics.Enter();
        var running = Interlocked.Increment(ref _running);
        try
        {
            if (settings.MaxInflight > 0 && running > settings.MaxInflight)
                _ = await exchange.Reply.SayAsync(429, $"Concurrent request limit exceeded. Max concurrent requests: {settings.MaxInflight}");
            else if (exchange.Head.Method.SequenceEqual("CONNECT"u8))
                _ = await exchange.Reply.SayAsync(405, "CONNECT is not for functions.");
            else await function.AnswerAsync(exchange);
        }
        finally
        {
            Interlocked.Decrement(ref _running);
            var elapsed = TimeProvider.System.GetElapsedTime(exchange.Started);
            metrics.Leave(exchange.Head.Method, exchange.Reply.Code, elapsed);
            Log(exchange, elapsed);
        }
    }

    // GET /path - 200 - ContentLength: 5B (0.0012s)
    private void Log(Exchange exchange, TimeSpan elapsed)
    {
        var fields = exchange.Head.Fields;
        if (fields.Find("User-Agent"u8).StartsWith("kube-probe"u8)) return;
        var line = (t_line ??= new ByteBuilder(256)).Clear();
        line.Add(exchange.Head.Method).Add(" "u8).Add(exchange.Head.Target).Add(" - "u8).Add(exchange.Reply.Code).Add(" - ContentLength: "u8).Add(exchange.Reply.Sent).Add("B ("u8);
        line.AddSeconds(elapsed).Cut(line.Length - 2);
        line.Add("s)"u8);
        if (settings.LogCallId) line.Add(" ["u8).Add(fields.Find("X-Call-Id"u8) is { IsEmpty: false } id ? id : "none"u8).Add("]"u8);
        WatchdogLog.WriteLine(line.Span, default, prefixed: true);
    }

    private static bool IsLook(Exchange exchange) => exchange.Head.Method.SequenceEqual("GET"u8) || exchange.Head.Method.SequenceEqual("HEAD"u8);
}
