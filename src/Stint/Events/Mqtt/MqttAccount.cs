using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Stint.Functions;

namespace Stint.Events.Mqtt;

/// <summary>A broker with the one who uses it: what one connection is for.</summary>
/// <param name="Broker">The broker, and how to get in.</param>
/// <param name="Module">The module whose secret the password is; empty when it is none's.</param>
internal sealed record MqttAccount(MqttBroker Broker, string Module)
{
    /// <summary>The account of a function's event or sink.</summary>
    public static MqttAccount Of(MqttBroker broker, string module) => new(broker, broker.Password?.Secret is null ? "" : module);

    /// <summary>The account among the events that daemons share; the same at all of them.</summary>
    public string TriggerName => string.Create(CultureInfo.InvariantCulture, $"mqtt\n{Broker.Host}\n{Broker.TcpPort}\n{ClientId("")}");

    /// <summary>Our name at the broker where another daemon receives what comes: two clients of one id put each other out.</summary>
    /// <param name="daemon">What tells this daemon from others.</param>
    public string PublisherId(string daemon) => Broker.ClientId is { } chosen ? $"{chosen}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(daemon)), 0, 4)}" : ClientId(daemon);

    /// <summary>
    /// Our name at the broker: the one that was chosen, or one that stays the same as long as daemon and settings do, so that the broker's session is found again. At most 23 characters,
    /// which every broker takes (MQTT 3.1.1 section 3.1.3.1).
    /// </summary>
    /// <param name="daemon">What tells this daemon from others.</param>
    public string ClientId(string daemon)
    {
        if (Broker.ClientId is { } chosen) return chosen;
        var text = string.Join('\n', daemon, Module, Broker.Host, Broker.TcpPort.ToString(CultureInfo.InvariantCulture), Broker.Username, Broker.Password?.Secret, Broker.Tls, Broker.Ca, Broker.Cert,
            Broker.KeepAlive, Broker.Session, Broker.Version);
        return $"stint-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)), 0, 8)}";
    }
}
