using System.Text.Json;
using System.Text.Json.Serialization;
using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Specification;

namespace Stint.Events.Mqtt;

/// <summary>Publishes answers to messages.</summary>
/// <param name="specs">What functions say now.</param>
/// <param name="connections">To the brokers.</param>
internal sealed class MqttReplyKind(SpecLookup specs, MqttConnections connections) : IDeliveryKind
{
    /// <summary>Its name.</summary>
    public const string KindName = "mqtt-reply";

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <inheritdoc/>
    public string Name => KindName;

    /// <summary>A day: whoever waits for an answer longer has asked again.</summary>
    public TimeSpan? MaxAge => TimeSpan.FromDays(1);

    /// <summary>Where an answer goes.</summary>
    public static string Target(string @event, string topic, string? correlation) => JsonSerializer.Serialize(new MqttReplyTarget(@event, topic, correlation), MqttReplyJson.Default.MqttReplyTarget);

    /// <inheritdoc/>
    public async Task<DeliveryResult> DeliverAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var target = JsonSerializer.Deserialize(delivery.Target, MqttReplyJson.Default.MqttReplyTarget)!;
        var (isDeployed, spec) = specs(delivery.Function);
        if (spec is null) return isDeployed ? DeliveryResult.TryAgain("the function's function.toml cannot be read") : DeliveryResult.GiveUp("the function is not deployed any more, and its broker with it");
        if (spec.Events.OfType<EventSpec.Mqtt>().FirstOrDefault(mqtt => TriggerJson.Text(mqtt) == target.Event) is not { } found) return DeliveryResult.GiveUp("the event is not in the function's function.toml any more");
        var publication = new MqttPublication(target.Topic, delivery.Body, found.Qos, Retain: false)
        {
            ContentType = delivery.ContentType, CorrelationData = target.Correlation is { } data ? Convert.FromBase64String(data) : null,
        };
        var result = await connections.PublishAsync(MqttAccount.Of(found.Broker, delivery.Function.Module), publication, Limit, cancellationToken).ConfigureAwait(false);
        return result.Problem is null ? DeliveryResult.Delivered : result.IsFinal ? DeliveryResult.GiveUp(result.Problem) : DeliveryResult.TryAgain(result.Problem);
    }
}

/// <summary>Where an answer goes.</summary>
/// <param name="Event">The event that the message came by, as <see cref="TriggerJson"/> writes it.</param>
/// <param name="Topic">The topic.</param>
/// <param name="Correlation">What the asker wants to find in it, in base64.</param>
internal sealed record MqttReplyTarget(string Event, string Topic, string? Correlation);

/// <summary>JSON of answers' targets.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(MqttReplyTarget))]
internal sealed partial class MqttReplyJson : JsonSerializerContext;
