namespace Stint.Coap;

/// <summary>What the server counts.</summary>
public enum CoapEvent
{
    /// <summary>A datagram came in.</summary>
    Received,

    /// <summary>It was dropped because its source exceeded its rate.</summary>
    RateLimited,

    /// <summary>It was malformed, of another version, or made no sense to a server.</summary>
    Malformed,

    /// <summary>A request that was not seen before.</summary>
    Request,

    /// <summary>A request that was seen before; it was not run again.</summary>
    Duplicate,

    /// <summary>A request refused because too many are running or remembered (5.03).</summary>
    Shed,

    /// <summary>A response on the back of an acknowledgement or in a NON message.</summary>
    Response,

    /// <summary>An empty acknowledgement ahead of a separate response.</summary>
    SeparateAcknowledgement,

    /// <summary>A response in a confirmable message of its own.</summary>
    SeparateResponse,

    /// <summary>A notification to an observer.</summary>
    Notification,

    /// <summary>A confirmable message of ours was sent once more.</summary>
    Retransmission,

    /// <summary>A confirmable message of ours was never acknowledged.</summary>
    OutgoingLost,

    /// <summary>A confirmable message of ours found no room to wait in.</summary>
    OutgoingDropped,

    /// <summary>An answer was made smaller, or held back behind an Echo challenge, because its source was not verified.</summary>
    AmplificationHeld,

    /// <summary>The handler threw.</summary>
    HandlerFault,
}

/// <summary>Counts since the server was made; for metrics and tests.</summary>
public sealed class CoapCounters
{
    private readonly long[] _counts = new long[Enum.GetValues<CoapEvent>().Length];

    /// <summary>How often it happened.</summary>
    public long this[CoapEvent counted] => Volatile.Read(ref _counts[(int)counted]);

    internal void Count(CoapEvent counted) => Interlocked.Increment(ref _counts[(int)counted]);
}
