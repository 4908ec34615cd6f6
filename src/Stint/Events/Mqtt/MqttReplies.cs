using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Specification;
using Stint.Functions.Triggers;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Events.Mqtt;

/// <summary>Where the answer to a message goes: the event's <c>reply</c> topic, and the one that the message names when <c>respond</c> is on.</summary>
internal static class MqttReplies
{
    /// <summary>Whether an answer of the function may have to be published.</summary>
    public static bool AreWanted(FunctionSpec spec) => spec.Events.Any(static e => e is EventSpec.Mqtt { Reply: not null } or EventSpec.Mqtt { Respond: true });

    /// <summary>The publications that follow a call; none when no message made it.</summary>
    /// <param name="spec">The function.</param>
    /// <param name="call">The call, with the headers of <see cref="MqttCall"/>.</param>
    /// <param name="result">Its answer.</param>
    /// <param name="logs">The function's log.</param>
    public static IEnumerable<Delivery> Of(FunctionSpec spec, Invocation call, CallResult result, FunctionLogs logs)
    {
        // Over other protocols anybody can send headers of these names.
        if (call.Scheme != MqttCall.Scheme || !call.Headers.TryGet(MqttCall.TopicHeader, out var escaped)) yield break;
        var topic = MqttCall.Unescape(escaped);
        var published = new HashSet<string>(StringComparer.Ordinal);
        foreach (var mqtt in spec.Events.OfType<EventSpec.Mqtt>())
        {
            if (!TopicFilter.TryParse(mqtt.Topic, out var filter, out _) || !filter.Matches(topic)) continue;
            if (mqtt.Reply is { } reply && published.Add(reply)) yield return Reply(mqtt, reply, null, call, result);
            if (!mqtt.Respond || !call.Headers.TryGet(MqttCall.ResponseTopicHeader, out var named)) continue;
            var response = MqttCall.Unescape(named);
            if (TopicFilter.ProblemOfName(response) is { } problem) logs.Append(call.Function, "", "system", $"the answer to call {call.CallId} is not published: the response topic {named} {problem}");
            else if (filter.Matches(response)) logs.Append(call.Function, "", "system", $"the answer to call {call.CallId} is not published: the response topic {named} is one that calls the function again");
            else if (published.Add(response)) yield return Reply(mqtt, response, call.Headers.TryGet(MqttCall.CorrelationHeader, out var data) ? data : null, call, result);
        }
    }

    private static Delivery Reply(EventSpec.Mqtt mqtt, string topic, string? correlation, Invocation call, CallResult result) => new()
    {
        Kind = MqttReplyKind.KindName, Function = call.Function, CallId = call.CallId, ContentType = result.ContentType, Body = result.Body, Status = result.Status, Took = result.Took,
        Target = MqttReplyKind.Target(TriggerJson.Text(mqtt), topic, correlation),
    };
}
