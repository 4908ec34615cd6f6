using Stint.Events.Mqtt;

namespace Stint.Checks;

/// <summary>libmosquitto, which is loaded when a function first has an event or a sink of MQTT.</summary>
internal sealed class MqttCheck : ICheck
{
    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken) => Task.FromResult(Libmosquitto.Problem is null
        ? new CheckResult("mqtt", CheckStatus.Fine, $"{Libmosquitto.FileName} loads.", null, Concern.Comfort)
        : new CheckResult("mqtt", CheckStatus.Degraded, $"{Libmosquitto.FileName} cannot be loaded, or is older than version 2: functions have no events and sinks of MQTT.",
            Packages.Install("libmosquitto1", "mosquitto", "mosquitto-libs", "mosquitto"), Concern.Comfort));
}
