using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Stint.Cluster.Triggers;
using Stint.Events;
using Stint.Events.Mqtt;
using Stint.Events.Schedules;
using Stint.Functions;
using Stint.Functions.Registry;
using Stint.Functions.Secrets;
using Stint.Invocations;
using Stint.Sinks;
using Stint.Telemetry.Logs;

namespace Stint.Hosting;

/// <summary>Events and sinks, put together.</summary>
internal sealed class EventParts : IAsyncDisposable
{
    private readonly FunctionLogs _logs;
    private readonly DeliveryParts _deliveries;
    private readonly CouchDbSink _couchDb;
    private readonly WebhookSink _webhooks;
    private readonly TriggerShare? _share;

    /// <summary>Puts them together and makes the sinks known; nothing is connected yet.</summary>
    /// <exception cref="IOException">A folder cannot be made.</exception>
    public EventParts(DaemonOptions options, DeliveryParts deliveries, Func<RegistrySnapshot> registry, SecretStore secrets, FunctionLogs logs, TimeProvider time, ILoggerFactory loggers, TriggerShare? share = null)
    {
        _share = share;
        (_logs, _deliveries) = (logs, deliveries);
        var counters = new ConcurrentDictionary<FunctionName, EventCounters>();
        var maxBody = options.MaxBodyMiB * 1024L * 1024L;
        var intake = new MqttIntake(deliveries.Calls.AcceptAsync, counters, maxBody, logs, time);
        // The broker tells daemons apart by this, and finds the session of one that comes back.
        var daemon = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Environment.MachineName}\n{options.State}")));
        var connections = new MqttConnections(daemon, maxBody, secrets, intake.ReceiveAsync, time, loggers.CreateLogger<MqttConnections>(), share);
        var log = new ScheduleLog(Path.Combine(options.State, "events", "schedules.json"), loggers.CreateLogger<ScheduleLog>());
        var schedules = new ScheduleRunner(deliveries.Calls.AcceptAsync, counters, log, logs, share?.Clock ?? time, loggers.CreateLogger<ScheduleRunner>(), share);
        Sources = new EventSources(connections, schedules, static spec => spec.Wasm is not null, share) { Counters = counters };
        deliveries.Outbox.Register(_couchDb = new CouchDbSink(Look, secrets));
        deliveries.Outbox.Register(_webhooks = new WebhookSink(Look, secrets));
        deliveries.Outbox.Register(new MqttSink(Look, connections));
        deliveries.Outbox.Register(new FileSink(Look, options.SinkFolder ?? Path.Combine(options.State, "sinks")));
        deliveries.Outbox.Register(new MqttReplyKind(Look, connections));

        (bool, FunctionSpec?) Look(FunctionName name) => registry().Functions.TryGetValue(name, out var function) ? (true, function.Serving?.Spec ?? function.Spec) : (false, null);
    }

    /// <summary>What calls functions besides their callers.</summary>
    public EventSources Sources { get; }

    /// <summary>A version serves: its events call it, its sinks get its results.</summary>
    public void Serve(FunctionVersion version)
    {
        Sources.Set(version.Name, version.Spec);
        var spec = version.Spec;
        if (spec.Sinks.Count == 0 && !MqttReplies.AreWanted(spec))
        {
            _deliveries.Followers.Set(version.Name, null);
            return;
        }
        var sinks = new SinkFollower(spec);
        _deliveries.Followers.Set(version.Name, (call, result) => [.. sinks.Of(call, result), .. MqttReplies.Of(spec, call, result, _logs)]);
    }

    /// <summary>A function is not deployed any more.</summary>
    public void Remove(FunctionName name)
    {
        Sources.Remove(name);
        _deliveries.Followers.Set(name, null);
    }

    /// <summary>How a function's events do.</summary>
    public IReadOnlyList<EventStatus> Describe(FunctionName name, FunctionSpec spec) => Sources.Describe(name, spec);

    /// <summary>What became of a function's events; null when there was none.</summary>
    public EventCounters? CountersOf(FunctionName name) => Sources.Counters.GetValueOrDefault(name);

    /// <summary>No new runs of schedules; in a cluster others receive from now on what this gateway has received. Results can still be published.</summary>
    public async Task LeaveAsync()
    {
        if (_share is not null) await _share.DisposeAsync().ConfigureAwait(false);
        await Sources.Schedules.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_share is not null) await _share.DisposeAsync().ConfigureAwait(false);
        await Sources.DisposeAsync().ConfigureAwait(false);
        _couchDb.Dispose();
        _webhooks.Dispose();
    }
}
