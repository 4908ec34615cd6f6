using Stint.Deliveries;
using Stint.Telemetry.Metrics;

namespace Stint.Hosting;

/// <summary>What <c>GET /metrics</c> says of asynchronous calls and of results on their way.</summary>
internal static class DeliveryMetrics
{
    /// <summary>Writes the families.</summary>
    public static async Task WriteAsync(MetricsText text, DeliveryParts parts)
    {
        Calls("stint_async_accepted_total", "Asynchronous calls that were accepted.", static counter => counter.AcceptedCount);
        Calls("stint_async_completed_total", "Asynchronous calls that were done.", static counter => counter.DoneCount);
        Calls("stint_async_retried_total", "Tries of asynchronous calls that were put off to another.", static counter => counter.RetriedCount);
        Calls("stint_async_dead_total", "Asynchronous calls that became dead letters.", static counter => counter.DeadCount);
        text.Family("stint_deliveries_total", MetricKind.Counter, "Results on their way to callbacks and sinks, by what became of them.");
        foreach (var (kind, counter) in parts.Outbox.Counters.All)
        {
            text.Sample(counter.DoneCount, ("kind", kind), ("result", "delivered"));
            text.Sample(counter.RetriedCount, ("kind", kind), ("result", "retried"));
            text.Sample(counter.DeadCount, ("kind", kind), ("result", "dead"));
            text.Sample(counter.RefusedCount, ("kind", kind), ("result", "refused"));
        }
        text.Family("stint_async_available", MetricKind.Gauge, "1 when asynchronous calls are accepted.").Sample(parts.Slot.Store is null ? 0 : 1);
        if (parts.Slot.Store is not { } store) return;

        var functions = store.Usage.Functions.Where(static entry => entry.Value is { Calls: > 0 } or { DeadCalls: > 0 } or { Deliveries: > 0 } or { DeadDeliveries: > 0 })
            .Select(static entry => (Name: entry.Key.ToString(), entry.Value)).OrderBy(static entry => entry.Name, StringComparer.Ordinal).ToList();
        text.Family("stint_async_waiting", MetricKind.Gauge, "Asynchronous calls that wait or run.");
        foreach (var (name, usage) in functions) text.Sample(usage.Calls, ("function", name));
        text.Family("stint_async_dead", MetricKind.Gauge, "Asynchronous calls that are dead letters.");
        foreach (var (name, usage) in functions) text.Sample(usage.DeadCalls, ("function", name));
        text.Family("stint_deliveries_waiting", MetricKind.Gauge, "Results that wait to be delivered.");
        foreach (var (name, usage) in functions) text.Sample(usage.Deliveries, ("function", name));
        text.Family("stint_deliveries_dead", MetricKind.Gauge, "Deliveries that are dead letters.");
        foreach (var (name, usage) in functions) text.Sample(usage.DeadDeliveries, ("function", name));
        text.Family("stint_async_oldest_seconds", MetricKind.Gauge, "Age of the oldest asynchronous call that is not done.");
        foreach (var (name, age) in await parts.OldestAsync().ConfigureAwait(false)) text.Sample(age.TotalSeconds, ("function", name));
        text.Family("stint_async_disk_bytes", MetricKind.Gauge, "Bytes of asynchronous calls, dead letters and results on their way.").Sample(store.Usage.Bytes);
        var (commits, changes) = parts.Slot.Counters;
        text.Family("stint_async_commits_total", MetricKind.Counter, "Transactions of the queue, each with one flush of the disk.").Sample(commits);
        text.Family("stint_async_changes_total", MetricKind.Counter, "Changes in those transactions: divided by them the size of a group.").Sample(changes);

        void Calls(string family, string help, Func<DeliveryCounter, long> read)
        {
            text.Family(family, MetricKind.Counter, help);
            foreach (var (name, counter) in parts.Calls.Counters.All) text.Sample(read(counter), ("function", name));
        }
    }
}
