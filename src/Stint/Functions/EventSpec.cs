using Stint.Functions.Triggers;

namespace Stint.Functions;

/// <summary><c>[[event]]</c>: what calls a function besides its callers.</summary>
internal abstract record EventSpec
{
    /// <summary>Most events of one function; arbitrary, far above use.</summary>
    public const int MaxPerFunction = 32;

    private EventSpec() { }

    /// <summary><c>type</c>.</summary>
    public abstract string Type { get; }

    /// <summary>What it is, for people: no passwords.</summary>
    public abstract string Describe();

    /// <summary><c>type = "mqtt"</c>: each message of a topic is a call.</summary>
    public sealed record Mqtt : EventSpec
    {
        /// <inheritdoc/>
        public override string Type => "mqtt";

        /// <summary>The broker and how to get in.</summary>
        public MqttBroker Broker { get; init; } = new() { Host = "" };

        /// <summary><c>topic</c>: a topic filter, which may have wildcards or be a shared subscription (<c>$share/GROUP/FILTER</c>).</summary>
        public required string Topic { get; init; }

        /// <summary><c>qos</c>: 0 or 1. With 1 a message is acknowledged when its call is on disk.</summary>
        public int Qos { get; init; } = 1;

        /// <summary><c>retained</c>: a message that the broker had kept when we subscribed is a call too.</summary>
        public bool Retained { get; init; } = true;

        /// <summary><c>reply</c>: the topic that the function's answer is published to; null = none.</summary>
        public string? Reply { get; init; }

        /// <summary><c>respond</c>: the answer is published to the topic that a message asks for (MQTT 5.0 section 4.10).</summary>
        public bool Respond { get; init; }

        /// <inheritdoc/>
        public override string Describe() => $"mqtt {Broker.Describe()} {Topic}, qos {Qos}{(Reply is null ? "" : $", reply to {Reply}")}";
    }

    /// <summary><c>type = "schedule"</c>: the clock calls.</summary>
    public sealed record Schedule : EventSpec
    {
        /// <inheritdoc/>
        public override string Type => "schedule";

        /// <summary><c>cron</c>.</summary>
        public required CronExpression Cron { get; init; }

        /// <summary><c>zone</c>: IANA's name of the time zone whose clocks count.</summary>
        public TimeZoneInfo Zone { get; init; } = TimeZoneInfo.Utc;

        /// <summary><c>missed</c>: what happens to runs that came due while the daemon was not there.</summary>
        public MissedRuns Missed { get; init; }

        /// <summary><c>body</c>: the call's body; null = a JSON object with the time that it was due.</summary>
        public string? Body { get; init; }

        /// <inheritdoc/>
        public override string Describe() => $"schedule {Cron} ({Zone.Id})";
    }
}

/// <summary>What happens to runs of a schedule that came due while the daemon was not there.</summary>
internal enum MissedRuns
{
    /// <summary><c>skip</c>: nothing.</summary>
    Skip,

    /// <summary><c>once</c>: one run, for the last of them, as soon as the daemon is back.</summary>
    Once,
}
