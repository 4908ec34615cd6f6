using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Specification;

namespace Stint.Sinks;

/// <summary>A kind of sink. A delivery names its sink by the text of its keys; passwords are looked up when they are needed, so that none is stored with a result.</summary>
/// <param name="name">The sink's <c>type</c>.</param>
/// <param name="specs">What functions say now.</param>
internal abstract class SinkKind<TSpec>(string name, SpecLookup specs) : IDeliveryKind where TSpec : SinkSpec
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public async Task<DeliveryResult> DeliverAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var (isDeployed, spec) = specs(delivery.Function);
        if (!isDeployed) return DeliveryResult.GiveUp("the function is not deployed any more, and its sinks with it");
        if (spec is null) return DeliveryResult.TryAgain("the function's function.toml cannot be read, so its sinks are not known");
        return spec.Sinks.OfType<TSpec>().FirstOrDefault(sink => TriggerJson.Text(sink) == delivery.Target) is { } found
            ? await DeliverAsync(found, delivery, cancellationToken).ConfigureAwait(false)
            : DeliveryResult.GiveUp($"the sink is not in the function's function.toml any more: {delivery.Target}");
    }

    /// <summary>Tries once.</summary>
    protected abstract Task<DeliveryResult> DeliverAsync(TSpec sink, Delivery delivery, CancellationToken cancellationToken);
}
