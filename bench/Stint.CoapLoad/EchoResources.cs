using Stint.Coap;

namespace Stint.CoapLoad;

/// <summary>Gives back what it gets.</summary>
internal sealed class EchoResources : ICoapResources
{
    public ValueTask<CoapResponse> HandleAsync(CoapRequest request, CancellationToken cancellationToken) => new(CoapResponse.Content(request.Payload, request.ContentFormat));
}
