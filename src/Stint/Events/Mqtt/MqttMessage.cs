namespace Stint.Events.Mqtt;

/// <summary>A message that a broker sent us.</summary>
/// <param name="Topic">Its topic.</param>
/// <param name="Payload">Its bytes.</param>
internal sealed record MqttMessage(string Topic, byte[] Payload)
{
    /// <summary>With 1 the broker waits for an acknowledgement.</summary>
    public int Qos { get; init; }

    /// <summary>The broker had kept it, and sent it because we subscribed.</summary>
    public bool IsRetained { get; init; }

    /// <summary>What the sender says that it is; MQTT 5 only.</summary>
    public string? ContentType { get; init; }

    /// <summary>Where the sender wants an answer; MQTT 5 only.</summary>
    public string? ResponseTopic { get; init; }

    /// <summary>What the sender wants to find in the answer; MQTT 5 only.</summary>
    public byte[]? CorrelationData { get; init; }

    /// <summary>The subscriptions that it came by, by <see cref="MqttSubscription.Identifier"/>; empty when the broker does not say.</summary>
    public IReadOnlyList<uint> Subscriptions { get; init; } = [];
}

/// <summary>A message that we send.</summary>
/// <param name="Topic">Its topic.</param>
/// <param name="Payload">Its bytes.</param>
/// <param name="Qos">0 or 1.</param>
/// <param name="Retain">The broker is to keep it.</param>
internal sealed record MqttPublication(string Topic, ReadOnlyMemory<byte> Payload, int Qos, bool Retain)
{
    /// <summary>What it is; MQTT 5 only.</summary>
    public string? ContentType { get; init; }

    /// <summary>What the asker wants to find in the answer; MQTT 5 only.</summary>
    public byte[]? CorrelationData { get; init; }
}

/// <summary>How a publication went.</summary>
/// <param name="Problem">Why it is not delivered; null when it is.</param>
/// <param name="IsFinal">Another try would end the same.</param>
internal readonly record struct PublishResult(string? Problem, bool IsFinal = false);

/// <summary>What is wanted of a broker.</summary>
/// <param name="Filter">The topic filter.</param>
/// <param name="Qos">0 or 1.</param>
/// <param name="Identifier">Comes back with each message (MQTT 5.0 section 3.8.2.1.2): 1 to 268,435,455.</param>
internal sealed record MqttSubscription(string Filter, int Qos, uint Identifier);
