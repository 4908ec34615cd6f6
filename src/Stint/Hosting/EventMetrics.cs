using Stint.Events.Mqtt;
using Stint.Telemetry.Metrics;

namespace Stint.Hosting;

/// <summary>What <c>GET /metrics</c> says of events. Results on their way are among the deliveries.</summary>
internal static class EventMetrics
{
    /// <summary>Writes the families; none while no function has events.</summary>
    public static void Write(MetricsText text, Platform platform)
    {
        var counters = platform.Events.Sources.Counters.Select(static entry => (Name: entry.Key.ToString(), Counters: entry.Value)).OrderBy(static entry => entry.Name, StringComparer.Ordinal).ToList();
        if (counters.Count > 0)
        {
            text.Family("stint_events_total", MetricKind.Counter, "Messages and scheduled runs by function and what became of them: accepted (a call that is on disk), rejected, lost.");
            foreach (var (name, counter) in counters)
            {
                text.Sample(counter.Accepted, ("function", name), ("result", "accepted"));
                text.Sample(counter.Rejected, ("function", name), ("result", "rejected"));
                text.Sample(counter.Lost, ("function", name), ("result", "lost"));
            }
        }
        var connections = platform.Events.Sources.Connections.All.GroupBy(static line => line.Account.Broker.Describe()).OrderBy(static group => group.Key, StringComparer.Ordinal).ToList();
        if (connections.Count == 0) return;
        Family("stint_mqtt_connected", MetricKind.Gauge, "Connections to a broker that has let us in.", static connection => connection.State.IsIn ? 1 : 0);
        Family("stint_mqtt_connects_total", MetricKind.Counter, "Times that a broker let us in.", static connection => connection.Connects);
        Family("stint_mqtt_received_total", MetricKind.Counter, "Messages that came, repetitions included.", static connection => connection.Received);
        Family("stint_mqtt_batches_total", MetricKind.Counter, "Batches in which they were taken over.", static connection => connection.Batches);

        void Family(string name, MetricKind kind, string help, Func<MqttConnection, double> read)
        {
            text.Family(name, kind, help);
            foreach (var group in connections) text.Sample(group.Sum(line => read(line.Connection)), ("broker", group.Key));
        }
    }
}
