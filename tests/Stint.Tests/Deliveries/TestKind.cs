using System.Collections.Concurrent;
using Stint.Deliveries;

namespace Stint.Tests.Deliveries;

/// <summary>A kind of delivery that keeps what it gets, or says what the test wants.</summary>
internal sealed class TestKind(string name = "test") : IDeliveryKind
{
    public string Name => name;

    public TimeSpan? MaxAge { get; init; }

    public ConcurrentQueue<Delivery> Tried { get; } = new();

    public ConcurrentQueue<Delivery> Delivered { get; } = new();

    public Func<Delivery, DeliveryResult> Answer { get; set; } = static _ => DeliveryResult.Delivered;

    public Task<DeliveryResult> DeliverAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        // The body is the outbox's own: kept beyond the call it must be copied.
        var kept = delivery with { Body = delivery.Body.ToArray() };
        Tried.Enqueue(kept);
        var result = Answer(kept);
        if (result.Ending == DeliveryEnding.Delivered) Delivered.Enqueue(kept);
        return Task.FromResult(result);
    }
}
