namespace Stint.Deliveries;

/// <summary>One way in which results reach somebody. Tried again, with exponential back-off, until it says otherwise.</summary>
internal interface IDeliveryKind
{
    /// <summary>Its name, in <see cref="Delivery.Kind"/>, in metrics and lists.</summary>
    string Name { get; }

    /// <summary>How long a delivery is tried; null = for ever. Then it becomes a dead letter.</summary>
    TimeSpan? MaxAge => null;

    /// <summary>Tries once. Exceptions count as "try again".</summary>
    Task<DeliveryResult> DeliverAsync(Delivery delivery, CancellationToken cancellationToken);
}

/// <summary>How a try to deliver ended.</summary>
/// <param name="Ending">Which way.</param>
/// <param name="Why">In one line, unless it was delivered.</param>
/// <param name="RetryAfter">The receiver's own word on when to try again.</param>
/// <param name="Status">The receiver's status, where it has one.</param>
internal readonly record struct DeliveryResult(DeliveryEnding Ending, string? Why = null, TimeSpan? RetryAfter = null, int? Status = null)
{
    /// <summary>It is where it should be.</summary>
    public static DeliveryResult Delivered { get; } = new(DeliveryEnding.Delivered);

    /// <summary>It may work later.</summary>
    public static DeliveryResult TryAgain(string why, TimeSpan? retryAfter = null, int? status = null) => new(DeliveryEnding.TryAgain, why, retryAfter, status);

    /// <summary>It never will: a dead letter, and the next delivery of the same target is tried.</summary>
    public static DeliveryResult GiveUp(string why, int? status = null) => new(DeliveryEnding.GiveUp, why, null, status);
}

/// <summary>The ways in which a try to deliver can end.</summary>
internal enum DeliveryEnding
{
    /// <summary>Done.</summary>
    Delivered,

    /// <summary>Not yet.</summary>
    TryAgain,

    /// <summary>Never.</summary>
    GiveUp,
}
