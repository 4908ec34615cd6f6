using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Stint.Invocations;

namespace Stint.Events.Mqtt;

/// <summary>A message as a call: the payload is the body, all else is in headers.</summary>
internal static class MqttCall
{
    /// <summary>The scheme of such a call. No other ingress makes calls of it, so that the headers below are true then.</summary>
    public const string Scheme = "mqtt";

    /// <summary>The message's topic. Bytes that a header cannot have, and <c>%</c>, are written <c>%XX</c>.</summary>
    public const string TopicHeader = "X-Mqtt-Topic";

    /// <summary>0 or 1.</summary>
    public const string QosHeader = "X-Mqtt-Qos";

    /// <summary><c>true</c>, or not there.</summary>
    public const string RetainHeader = "X-Mqtt-Retain";

    /// <summary>Where the sender wants an answer, written as the topic is.</summary>
    public const string ResponseTopicHeader = "X-Mqtt-Response-Topic";

    /// <summary>What the sender wants to find in the answer, in base64.</summary>
    public const string CorrelationHeader = "X-Mqtt-Correlation-Data";

    private const string Json = "application/json";

    /// <summary>The call of a message; null when its payload cannot be the function's input.</summary>
    public static Invocation? Of(MqttMessage message, MqttRoute route)
    {
        var isJson = IsJson(message.Payload);
        if (route.WantsJson && !isJson) return null;
        var headers = new HeaderList
        {
            { "Content-Type", message.ContentType is { } type && HeaderSyntax.IsValue(type) ? type : isJson ? Json : Utf8.IsValid(message.Payload) ? "text/plain; charset=utf-8" : "application/octet-stream" },
            { TopicHeader, Escape(message.Topic) },
            { QosHeader, message.Qos.ToString(CultureInfo.InvariantCulture) },
        };
        if (message.IsRetained) headers.Add(RetainHeader, "true");
        if (message.ResponseTopic is { } response) headers.Add(ResponseTopicHeader, Escape(response));
        if (message.CorrelationData is { } data) headers.Add(CorrelationHeader, Convert.ToBase64String(data));
        return new Invocation { Function = route.Function, CallId = CallId.Next(), Headers = headers, Body = new ReadOnlySequence<byte>(message.Payload), Scheme = Scheme };
    }

    /// <summary>A topic as a header's value.</summary>
    public static string Escape(string topic)
    {
        if (!topic.AsSpan().ContainsAnyExceptInRange(' ', '~') && !topic.Contains('%', StringComparison.Ordinal) && topic.AsSpan().Trim(' ').Length == topic.Length) return topic;
        var text = new StringBuilder();
        foreach (var octet in Encoding.UTF8.GetBytes(topic))
        {
            if (octet is > (byte)' ' and <= (byte)'~' and not (byte)'%') text.Append((char)octet);
            else text.Append(CultureInfo.InvariantCulture, $"%{octet:X2}");
        }
        return text.ToString();
    }

    /// <summary>The topic of a header's value.</summary>
    public static string Unescape(string value) => Uri.UnescapeDataString(value);

    private static bool IsJson(ReadOnlySpan<byte> payload)
    {
        try
        {
            var reader = new Utf8JsonReader(payload);
            while (reader.Read()) { }
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
