using Stint.Functions.Toml;
using Stint.Functions.Toml.Settings;
using Stint.Functions.Triggers;

namespace Stint.Functions.Specification;

/// <summary>Every key of <c>[[event]]</c> by type.</summary>
internal static class EventKeys
{
    private static readonly EventSpec.Mqtt MqttDefaults = new() { Topic = "none" };
    private static readonly EventSpec.Schedule ScheduleDefaults = new() { Cron = CronKind.Never };

    /// <summary>Keys with <c>type = "mqtt"</c>.</summary>
    public static Section<EventSpec.Mqtt> Mqtt { get; } = new("[event]",
    [
        .. BrokerKeys.Of(MqttDefaults, static s => s.Broker, static (s, v) => s with { Broker = v }),
        MqttKey("topic", new TopicFilterKind(), s => s.Topic, (s, v) => s with { Topic = v }, "The topic filter: `+` stands for a level, `#` for all that follow; `$share/GROUP/FILTER` shares the messages with others of the group.", isRequired: true),
        MqttKey("qos", new IntegerKind(0, 1), s => s.Qos, (s, v) => s with { Qos = v }, "With 1 a message is acknowledged when its call is on disk; with 0 it is lost when anything fails."),
        MqttKey("retained", new BooleanKind(), s => s.Retained, (s, v) => s with { Retained = v }, "A message that the broker had kept when we subscribed is a call too."),
        MqttKey("reply", new TopicNameKind(), s => s.Reply, (s, v) => s with { Reply = v }, "The topic that the function's answer is published to.", "none"),
        MqttKey("respond", new BooleanKind(), s => s.Respond, (s, v) => s with { Respond = v }, "The answer is published to the response topic that a message names (MQTT 5). Whoever may publish a message then chooses where ours go."),
    ]);

    /// <summary>Keys with <c>type = "schedule"</c>.</summary>
    public static Section<EventSpec.Schedule> Schedule { get; } = new("[event]",
    [
        ScheduleKey("cron", new CronKind(), s => s.Cron, (s, v) => s with { Cron = v }, "When: minute, hour, day of the month, month, day of the week; seconds before them if there are six; or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.", isRequired: true),
        ScheduleKey("zone", new ZoneKind(), s => s.Zone, (s, v) => s with { Zone = v }, "The time zone whose clocks count."),
        ScheduleKey("missed", new WordKind<MissedRuns>(("skip", MissedRuns.Skip), ("once", MissedRuns.Once)), s => s.Missed, (s, v) => s with { Missed = v }, "What happens to runs that came due while the daemon was not there: nothing, or one run for all of them."),
        ScheduleKey("body", new TextKind(), s => s.Body, (s, v) => s with { Body = v }, "The call's body.", "a JSON object with the time that it was due"),
    ]);

    private static Setting<EventSpec.Mqtt, T> MqttKey<T>(
        string name, ValueKind<T> kind, Func<EventSpec.Mqtt, T?> get, Func<EventSpec.Mqtt, T, EventSpec.Mqtt> set, string help, string? defaultText = null, bool isRequired = false) =>
        new(name, kind, get, set, MqttDefaults, help, defaultText) { IsRequired = isRequired };

    private static Setting<EventSpec.Schedule, T> ScheduleKey<T>(
        string name, ValueKind<T> kind, Func<EventSpec.Schedule, T?> get, Func<EventSpec.Schedule, T, EventSpec.Schedule> set, string help, string? defaultText = null, bool isRequired = false) =>
        new(name, kind, get, set, ScheduleDefaults, help, defaultText) { IsRequired = isRequired };
}

/// <summary><c>[[event]]</c>.</summary>
internal sealed class EventsKind() : TypedTablesKind<EventSpec>("[[event]]", EventSpec.MaxPerFunction)
{
    /// <inheritdoc/>
    public override IReadOnlyList<string> Types { get; } = ["mqtt", "schedule"];

    /// <inheritdoc/>
    protected override string? Hint(string type) => type == "http" ? "every function can be called over HTTP without it; remove it" : null;

    /// <inheritdoc/>
    public override EventSpec ReadOne(string type, TomlTable table, TomlPosition position, Report report) => type == "mqtt"
        ? ReadMqtt(table, position, report)
        : ReadAll(EventKeys.Schedule, table, new EventSpec.Schedule { Cron = CronKind.Never }, position, report);

    /// <inheritdoc/>
    public override TomlTable WriteOne(EventSpec spec) => spec switch
    {
        EventSpec.Mqtt mqtt => EventKeys.Mqtt.Write(mqtt),
        EventSpec.Schedule schedule => EventKeys.Schedule.Write(schedule),
        _ => throw new ArgumentException($"unknown event {spec.Type}", nameof(spec)),
    };

    /// <inheritdoc/>
    protected override string TypeOf(EventSpec spec) => spec.Type;

    private static EventSpec.Mqtt ReadMqtt(TomlTable table, TomlPosition position, Report report)
    {
        var spec = BrokerKeys.Check(ReadAll(EventKeys.Mqtt, table, new EventSpec.Mqtt { Topic = "" }, position, report), static s => s.Broker, table, position, report);
        if (spec.Reply is { } reply && TopicFilter.TryParse(spec.Topic, out var filter, out _) && filter.Matches(reply) && table.TryGet("reply", out var entry))
            report(entry.Value.Position, "`reply` is a topic that `topic` takes in: each answer would call the function again, for ever; choose another one");
        return spec;
    }
}
