using System.Collections.Concurrent;
using Stint.Events.Mqtt;
using Stint.Events.Schedules;
using Stint.Functions;
using Stint.Functions.Triggers;
using Stint.Invocations;

namespace Stint.Events;

/// <summary>How one event of a function does.</summary>
/// <param name="Description">What it is.</param>
/// <param name="State"><c>ready</c>, or what is wrong.</param>
/// <param name="Next">When a schedule is due next.</param>
internal sealed record EventStatus(string Description, string State, DateTimeOffset? Next);

/// <summary>What calls functions besides their callers: follows what is deployed.</summary>
internal sealed class EventSources : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<FunctionName, FunctionSpec> _functions = [];
    private readonly Func<FunctionSpec, bool> _wantsJson;
    private readonly IEventShare? _share;
    private bool _begun;

    /// <param name="connections">To the brokers.</param>
    /// <param name="schedules">The clock.</param>
    /// <param name="wantsJson">Whether a function can take nothing but JSON.</param>
    /// <param name="share">Which events are this daemon's; null = all.</param>
    public EventSources(MqttConnections connections, ScheduleRunner schedules, Func<FunctionSpec, bool> wantsJson, IEventShare? share = null)
    {
        (Connections, Schedules, _wantsJson, _share) = (connections, schedules, wantsJson, share);
        if (share is not null) share.Changed = Look;
    }

    /// <summary>To the brokers.</summary>
    public MqttConnections Connections { get; }

    /// <summary>The clock.</summary>
    public ScheduleRunner Schedules { get; }

    /// <summary>What became of events, by function.</summary>
    public required ConcurrentDictionary<FunctionName, EventCounters> Counters { get; init; }

    /// <summary>A function is deployed, with this.</summary>
    public void Set(FunctionName name, FunctionSpec spec)
    {
        var hasAny = spec.Events.Count > 0 || spec.Sinks.Any(static sink => sink is SinkSpec.Mqtt);
        lock (_lock)
        {
            if (hasAny) _functions[name] = spec;
            else if (!_functions.Remove(name)) return;
            Apply_NeedsLock();
        }
        Schedules.Set(name, [.. spec.Events.OfType<EventSpec.Schedule>()]);
    }

    /// <summary>A function is not deployed any more.</summary>
    public void Remove(FunctionName name)
    {
        lock (_lock)
        {
            if (!_functions.Remove(name)) return;
            Apply_NeedsLock();
        }
        Schedules.Set(name, []);
        Counters.TryRemove(name, out _);
    }

    /// <summary>Begins, with what has been deployed so far: a broker may have kept messages for any of it.</summary>
    public void Begin()
    {
        lock (_lock)
        {
            _begun = true;
            Apply_NeedsLock();
        }
        Schedules.Begin();
        _share?.Begin();
    }

    /// <summary>How a function's events do, in the order of its <c>function.toml</c>.</summary>
    public IReadOnlyList<EventStatus> Describe(FunctionName name, FunctionSpec spec) => [.. spec.Events.Select(e => e switch
    {
        EventSpec.Mqtt mqtt => new EventStatus(mqtt.Describe(), StateOf(mqtt, name.Module), null),
        EventSpec.Schedule schedule => new EventStatus(schedule.Describe(), "ready", Schedules.NextOf(name, schedule)),
        _ => throw new ArgumentException($"unknown event {e.Type}", nameof(spec)),
    })];

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Schedules.DisposeAsync().ConfigureAwait(false);
        await Connections.DisposeAsync().ConfigureAwait(false);
    }

    private string StateOf(EventSpec.Mqtt mqtt, string module)
    {
        var state = Connections.StateOf(MqttAccount.Of(mqtt.Broker, module));
        if (state.Refused.Contains(mqtt.Topic)) return "the broker refuses the subscription";
        return state.IsIn ? "ready" : state.Problem ?? "connecting";
    }

    private void Look()
    {
        lock (_lock) Apply_NeedsLock();
        Schedules.Look();
    }

    private void Apply_NeedsLock()
    {
        if (!_begun) return;
        var routes = new Dictionary<MqttAccount, List<MqttRoute>>();
        foreach (var (name, spec) in _functions)
        {
            foreach (var mqtt in spec.Events.OfType<EventSpec.Mqtt>())
            {
                // Checked when the file was read.
                if (!TopicFilter.TryParse(mqtt.Topic, out var filter, out _)) continue;
                RoutesOf(mqtt.Broker, name).Add(new MqttRoute(name, mqtt, filter, _wantsJson(spec)));
            }
            foreach (var sink in spec.Sinks.OfType<SinkSpec.Mqtt>()) RoutesOf(sink.Broker, name);
        }
        Connections.Want(routes.ToDictionary(static entry => entry.Key, entry =>
        {
            var table = new RouteTable(entry.Value);
            return new MqttWish(table.Subscriptions(), table, _share?.IsMine(entry.Key.TriggerName) ?? true);
        }));

        List<MqttRoute> RoutesOf(MqttBroker broker, FunctionName name)
        {
            var account = MqttAccount.Of(broker, name.Module);
            if (!routes.TryGetValue(account, out var list)) routes[account] = list = [];
            return list;
        }
    }
}
