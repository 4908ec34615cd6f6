using Stint.Coap.Discovery;
using Stint.Coap.Observing;

namespace Stint.Coap.Tests.Support;

/// <summary>Resources made of delegates; counts the runs.</summary>
internal sealed class TestResources : ICoapResources
{
    private int _runs;

    public Func<CoapRequest, CancellationToken, ValueTask<CoapResponse>> Handler { get; set; } = static (request, _) => new(CoapResponse.Content(request.Payload, request.ContentFormat));

    public Func<CoapRequest, Observation?> Observation { get; set; } = static _ => null;

    public Func<CoapRequest, CoapResponse?> Refusal { get; set; } = static _ => null;

    public IEnumerable<CoapLink> Links { get; set; } = [];

    /// <summary>How often the handler ran.</summary>
    public int Runs => Volatile.Read(ref _runs);

    public ValueTask<CoapResponse> HandleAsync(CoapRequest request, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _runs);
        return Handler(request, cancellationToken);
    }

    public Observation? Observe(CoapRequest request) => Observation(request);

    public CoapResponse? RefuseUpload(CoapRequest firstBlock) => Refusal(firstBlock);
}
