using Stint.Coap.Messages;
using Stint.Invocations;

namespace Stint.Ingress.Coap;

/// <summary>CoAP's side of the table in docs/errors.md.</summary>
internal static class CoapOutcome
{
    /// <summary>4.22 Unprocessable Entity (RFC 8132 section 7) and 4.09 Conflict.</summary>
    private static readonly CoapCode Conflict = CoapCode.Of(4, 9), Unprocessable = CoapCode.Of(4, 22);

    /// <summary>Code of a reply that is not the function's own answer.</summary>
    public static CoapCode Code(Outcome outcome) => outcome switch
    {
        Outcome.Answered => CoapCode.Content, // not used: see OfStatus
        Outcome.BadRequest => CoapCode.BadRequest,
        Outcome.Unauthorized => CoapCode.Unauthorized,
        Outcome.NotFound => CoapCode.NotFound,
        Outcome.TooLarge => CoapCode.RequestEntityTooLarge,
        Outcome.Shed => CoapCode.TooManyRequests,
        Outcome.Cancelled => CoapCode.ServiceUnavailable, // the daemon is stopping: CoAP clients cannot cancel
        Outcome.FunctionFailed => CoapCode.InternalServerError,
        Outcome.NotImplemented => CoapCode.NotImplemented,
        Outcome.Crashed => CoapCode.BadGateway,
        Outcome.ContractBroken => CoapCode.BadGateway,
        Outcome.Unavailable => CoapCode.ServiceUnavailable,
        Outcome.TimedOut => CoapCode.GatewayTimeout,
    };

    /// <summary>
    /// Code of a function's own answer, after RFC 8075 section 7 (table 2). tinyFaaS's clients get 2.05 Content for GET and POST alike, so 200 is 2.05 there as well; PUT and DELETE have codes of their own.
    /// </summary>
    public static CoapCode OfStatus(int status, CoapCode method) => status switch
    {
        201 => CoapCode.Created,
        204 => CoapCode.Changed,
        >= 200 and < 300 when method == CoapCode.Put => CoapCode.Changed,
        >= 200 and < 300 when method == CoapCode.Delete => CoapCode.Deleted,
        >= 200 and < 300 => CoapCode.Content,
        401 => CoapCode.Unauthorized,
        403 => CoapCode.Forbidden,
        404 or 410 => CoapCode.NotFound,
        405 => CoapCode.MethodNotAllowed,
        406 => CoapCode.NotAcceptable,
        409 => Conflict,
        412 => CoapCode.PreconditionFailed,
        413 => CoapCode.RequestEntityTooLarge,
        415 => CoapCode.UnsupportedContentFormat,
        422 => Unprocessable,
        429 => CoapCode.TooManyRequests,
        >= 400 and < 500 => CoapCode.BadRequest,
        501 => CoapCode.NotImplemented,
        502 => CoapCode.BadGateway,
        503 => CoapCode.ServiceUnavailable,
        504 => CoapCode.GatewayTimeout,
        // A redirect means nothing to a CoAP client; like every other status it has no code of its own.
        _ => CoapCode.InternalServerError,
    };
}
