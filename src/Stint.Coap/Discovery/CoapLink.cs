namespace Stint.Coap.Discovery;

/// <summary>A link of <c>/.well-known/core</c> (RFC 6690 §3, RFC 7252 §7.2.1, RFC 7641 §6).</summary>
public sealed record CoapLink
{
    /// <summary>The target, with a leading slash and percent-encoded where a URI needs it: <c>/sensors/temp</c>.</summary>
    public required string Path { get; init; }

    /// <summary><c>rt</c>: what the resource is.</summary>
    public IReadOnlyList<string> ResourceTypes { get; init; } = [];

    /// <summary><c>if</c>: how it is spoken to.</summary>
    public IReadOnlyList<string> Interfaces { get; init; } = [];

    /// <summary><c>ct</c>: the formats that it answers in.</summary>
    public IReadOnlyList<int> ContentFormats { get; init; } = [];

    /// <summary><c>title</c>: a name for people.</summary>
    public string? Title { get; init; }

    /// <summary><c>sz</c>: an estimate of the answer's size, bytes; worth giving when it is beyond one datagram.</summary>
    public long? Size { get; init; }

    /// <summary><c>obs</c>: whether observing makes sense.</summary>
    public bool IsObservable { get; init; }
}
