using Stint.Coap.Discovery;
using Stint.Coap.Observing;

namespace Stint.Coap;

/// <summary>What the server serves.</summary>
public interface ICoapResources
{
    /// <summary>
    /// The links of <c>/.well-known/core</c>; asked at every discovery. The server answers that path itself.
    /// </summary>
    IEnumerable<CoapLink> Links => [];

    /// <summary>
    /// Answers a request. Starts on a receive loop, so it must not block; whatever takes time is awaited. Many run at once. An exception becomes 5.00.
    /// Also called for observers, at their interval or after <see cref="CoapServer.Changed(string)"/>; see <see cref="CoapRequest.IsNotification"/>.
    /// </summary>
    /// <param name="request">The request with its whole body.</param>
    /// <param name="cancellationToken">Fires when the server stops; CoAP clients have no way to take a request back.</param>
    ValueTask<CoapResponse> HandleAsync(CoapRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Asked at the first block of a body that comes in several, before any of it is kept: an answer here refuses the upload (4.04, 4.13, …), null takes it.
    /// </summary>
    CoapResponse? RefuseUpload(CoapRequest firstBlock) => null;

    /// <summary>
    /// Whether and how the target of a GET or FETCH may be observed; null = it may not, and the client gets an ordinary answer. Asked after a successful answer.
    /// </summary>
    Observation? Observe(CoapRequest request) => null;
}
