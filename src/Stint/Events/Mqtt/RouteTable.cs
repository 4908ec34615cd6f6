using System.Security.Cryptography;
using System.Text;
using Stint.Functions;
using Stint.Functions.Triggers;
using Stint.Invocations;

namespace Stint.Events.Mqtt;

/// <summary>An event of a function, ready to be matched.</summary>
/// <param name="Function">Whose.</param>
/// <param name="Event">The event.</param>
/// <param name="Filter">Its topic.</param>
/// <param name="WantsJson">Only JSON can be the function's input.</param>
internal sealed record MqttRoute(FunctionName Function, EventSpec.Mqtt Event, TopicFilter Filter, bool WantsJson)
{
    /// <summary>The subscription's number. It stays the same over restarts, because the broker keeps messages that bear it.</summary>
    public uint Identifier { get; } = IdentifierOf(Filter.Text);

    /// <summary>The number of a filter: 1 to 268,435,455 (MQTT 5.0 section 3.8.2.1.2). Two filters with the same number are told apart by matching.</summary>
    public static uint IdentifierOf(string filter) => (BitConverter.ToUInt32(SHA256.HashData(Encoding.UTF8.GetBytes(filter))) & 0x0FFF_FFFF) is var bits and > 0 ? bits : 1;
}

/// <summary>Which functions a message of one account is for. Immutable.</summary>
internal sealed class RouteTable(IReadOnlyList<MqttRoute> routes)
{
    /// <summary>No functions.</summary>
    public static RouteTable Empty { get; } = new([]);

    /// <summary>
    /// The routes of a message, one for each function. A broker may send a message once for each subscription that matches it (MQTT 5.0 section 3.3.4) and says then which: only their routes
    /// count, or a function would be called for another's copy too.
    /// </summary>
    public IEnumerable<MqttRoute> Match(MqttMessage message) => routes
        .Where(route => (message.Subscriptions.Count == 0 || message.Subscriptions.Contains(route.Identifier)) && (!message.IsRetained || route.Event.Retained) && route.Filter.Matches(message.Topic))
        .DistinctBy(static route => route.Function);

    /// <summary>What to subscribe to for these routes: each filter once, with the highest QoS that is wanted.</summary>
    public IReadOnlyDictionary<string, MqttSubscription> Subscriptions() => routes.GroupBy(static route => route.Filter.Text, StringComparer.Ordinal)
        .ToDictionary(static group => group.Key, static group => new MqttSubscription(group.Key, group.Max(static route => route.Event.Qos), group.First().Identifier), StringComparer.Ordinal);
}
