using System.Runtime.CompilerServices;
using Stint.Coap.Messages;

namespace Stint.Coap.Exchanges;

/// <summary>Where an exchange stands.</summary>
/// <remarks><code>
///  request ─► Running ──(ack delay, CON)──► Acknowledged
///                │                               │
///                └──────────► Answered ◄─────────┘      kept until EXCHANGE_LIFETIME for duplicates
/// </code></remarks>
internal enum ExchangeState
{
    /// <summary>The handler works, the client has heard nothing.</summary>
    Running,

    /// <summary>The handler works, the client has an empty acknowledgement.</summary>
    Acknowledged,

    /// <summary>The answer is known; a duplicate gets the same bytes again.</summary>
    Answered,
}

/// <summary>
/// One received request and what was said in return. Objects are reused by <see cref="ExchangeTable"/>, whose lock guards every field down to
/// <see cref="Awaiter"/>; the fields below belong to the one who runs the request.
/// </summary>
internal sealed class Exchange
{
    private readonly Action<Exchange> _completed;

    public Exchange(Action<Exchange> completed)
    {
        _completed = completed;
        Continuation = () => _completed(this);
    }

    public ExchangeKey Key;
    public CoapMessageType Type;
    public ExchangeState State;

    /// <summary>When it may be forgotten, clock milliseconds.</summary>
    public long Expires;

    /// <summary>When an empty acknowledgement is due.</summary>
    public long AcknowledgeBy;

    /// <summary>What a duplicate is answered with; rented from the shared pool; null for nothing.</summary>
    public byte[]? Kept;
    public int KeptLength;

    // Intrusive lists: by age (every exchange) and awaiting an acknowledgement (CON that run).
    public Exchange? Older, Newer, EarlierWaiting, LaterWaiting;
    public bool IsWaiting;

    public ValueTaskAwaiter<CoapResponse> Awaiter;
    public CoapRequest? Request;

    /// <summary>Made once per object, so that waiting for a handler allocates no delegate.</summary>
    public Action Continuation { get; }
}
