namespace Stint.Functions;

/// <summary>
/// A broker, and how to get in. Events and sinks with equal ones share a connection.
/// </summary>
internal sealed record MqttBroker
{
    /// <summary><c>host</c>: name or address.</summary>
    public required string Host { get; init; }

    /// <summary><c>port</c> as it was given; null = not given. What counts is <see cref="TcpPort"/>.</summary>
    public int? Port { get; init; }

    /// <summary><c>username</c>.</summary>
    public string? Username { get; init; }

    /// <summary><c>password</c> or <c>password-secret</c>.</summary>
    public Password? Password { get; init; }

    /// <summary><c>tls</c>.</summary>
    public bool Tls { get; init; }

    /// <summary><c>ca</c>: a file (PEM) of the authorities that the broker's certificate may come from; null = those of the host.</summary>
    public string? Ca { get; init; }

    /// <summary><c>cert</c>: a file (PEM) with our certificate, for brokers that want one.</summary>
    public string? Cert { get; init; }

    /// <summary><c>key</c>: a file (PEM) with its private key.</summary>
    public string? Key { get; init; }

    /// <summary><c>client-id</c>; null = one of the daemon's own, which stays the same as long as the daemon's state and these settings do.</summary>
    public string? ClientId { get; init; }

    /// <summary><c>keepalive</c>: a connection on which nothing came for one and a half times as long is given up.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary><c>session</c>: how long the broker keeps messages for us while we are away (QoS 1); zero = not at all.</summary>
    public TimeSpan Session { get; init; } = TimeSpan.FromDays(1);

    /// <summary><c>version</c> of the protocol.</summary>
    public MqttVersion Version { get; init; } = MqttVersion.V5;

    /// <summary>The broker's port.</summary>
    public int TcpPort => Port ?? (Tls ? 8883 : 1883);

    /// <summary>Where it is, for people.</summary>
    public string Describe() => $"{(Tls ? "mqtts" : "mqtt")}://{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{TcpPort}";
}

/// <summary>Versions of MQTT (OASIS standards of 2014 and 2019).</summary>
internal enum MqttVersion
{
    /// <summary><c>3.1.1</c>.</summary>
    V311 = 4,

    /// <summary><c>5</c>.</summary>
    V5 = 5,
}
