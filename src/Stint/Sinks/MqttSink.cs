using Stint.Deliveries;
using Stint.Events.Mqtt;
using Stint.Functions;

namespace Stint.Sinks;

/// <summary><c>type = "mqtt"</c>: the result as the payload of a message.</summary>
/// <param name="specs">What functions say now.</param>
/// <param name="connections">To the brokers.</param>
internal sealed class MqttSink(SpecLookup specs, MqttConnections connections) : SinkKind<SinkSpec.Mqtt>("mqtt", specs)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <inheritdoc/>
    protected override async Task<DeliveryResult> DeliverAsync(SinkSpec.Mqtt sink, Delivery delivery, CancellationToken cancellationToken)
    {
        var publication = new MqttPublication(sink.Topic, delivery.Body, sink.Qos, sink.Retain) { ContentType = delivery.ContentType };
        var result = await connections.PublishAsync(MqttAccount.Of(sink.Broker, delivery.Function.Module), publication, Limit, cancellationToken).ConfigureAwait(false);
        return result.Problem is null ? DeliveryResult.Delivered : result.IsFinal ? DeliveryResult.GiveUp(result.Problem) : DeliveryResult.TryAgain(result.Problem);
    }
}
