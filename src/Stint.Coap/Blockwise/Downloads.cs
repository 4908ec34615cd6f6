using System.Diagnostics.CodeAnalysis;
using Stint.Coap.Exchanges;

namespace Stint.Coap.Blockwise;

/// <summary>
/// Answers that go down in blocks (RFC 7959 §2.4). The whole answer is kept, per peer and resource, so that all blocks come from one run of the handler
/// and carry one ETag.
/// </summary>
internal sealed class Downloads : IDeadlines
{
    private readonly long _lifetime;
    private readonly DeadlineClock _clock;
    private readonly Lock _gate = new();
    private readonly TransferStore<CoapResponse> _store;

    public Downloads(CoapServerOptions options, DeadlineClock clock)
    {
        _clock = clock;
        _lifetime = (long)options.TransferLifetime.TotalMilliseconds;
        _store = new TransferStore<CoapResponse>(options.MaxTransfers, options.MaxTransferBytes, _lifetime);
        clock.Add(this);
    }

    /// <summary>Answers kept and their bytes.</summary>
    public (int Count, long Bytes) Size
    {
        get
        {
            lock (_gate) return (_store.Count, _store.Bytes);
        }
    }

    /// <summary>The answer that this request wants a later block of.</summary>
    public bool TryGet(CoapRequest request, [NotNullWhen(true)] out CoapResponse? response)
    {
        var key = RequestKey.ForDownload(request);
        lock (_gate) return _store.TryTouch(key, _clock.Now, out response);
    }

    /// <summary>Keeps an answer whose first block is on its way; an older one to the same peer is forgotten.</summary>
    public void Keep(CoapRequest request, CoapResponse response)
    {
        var key = RequestKey.ForDownload(request);
        var now = _clock.Now;
        lock (_gate) _store.Put(key, response, response.Payload.Length, now);
        _clock.Expect(now + _lifetime);
    }

    /// <inheritdoc/>
    public long RunDue(long now)
    {
        lock (_gate) return _store.Expire(now);
    }
}
