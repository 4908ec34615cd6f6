using Stint.Invocations;

namespace Stint.Deliveries;

/// <summary>A result on its way to somebody who waits for it elsewhere: in the <see cref="Outbox"/> until it has arrived.</summary>
internal sealed record Delivery
{
    /// <summary>Names this delivery; the same for every try, so that a receiver can tell a repetition.</summary>
    public string Id { get; init; } = Invocations.CallId.Next();

    /// <summary>Name of the <see cref="IDeliveryKind"/> that knows how: <c>callback</c>, <c>webhook</c> …</summary>
    public required string Kind { get; init; }

    /// <summary>The function whose result it is.</summary>
    public required FunctionName Function { get; init; }

    /// <summary>The call whose result it is.</summary>
    public required string CallId { get; init; }

    /// <summary>Where to, a JSON text of the kind's own. Deliveries of one kind with the same text go out one after another, in the order in which they were added.</summary>
    public required string Target { get; init; }

    /// <summary>The result's media type; null when the function did not say.</summary>
    public string? ContentType { get; init; }

    /// <summary>The result.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>The result's status, as HTTP has them.</summary>
    public int Status { get; init; } = 200;

    /// <summary>How long the call ran.</summary>
    public TimeSpan Took { get; init; }

    /// <summary>Tries so far, this one included while it is delivered.</summary>
    public int Attempts { get; init; }

    /// <summary>When it was added.</summary>
    public DateTimeOffset Created { get; init; }
}
