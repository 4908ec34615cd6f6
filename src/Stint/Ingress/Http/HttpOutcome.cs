using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>HTTP's side of the table in docs/errors.md: the status and the machine-readable word for each way in which an invocation can end.</summary>
internal static class HttpOutcome
{
    /// <summary>Status of a reply that is not the function's own answer.</summary>
    public static int Status(Outcome outcome) => outcome switch
    {
        Outcome.Answered => 200, // not used: the function's own status goes out
        Outcome.BadRequest => 400,
        Outcome.Unauthorized => 401,
        Outcome.NotFound => 404,
        Outcome.TooLarge => 413,
        Outcome.Shed => 429,
        Outcome.Cancelled => 499, // nginx's "client closed request": only ever seen in metrics
        Outcome.FunctionFailed => 500,
        Outcome.NotImplemented => 501,
        Outcome.Crashed => 502,
        Outcome.ContractBroken => 502,
        Outcome.Unavailable => 503,
        Outcome.TimedOut => 504,
    };

    /// <summary>The word for it in JSON errors and metrics.</summary>
    public static string Code(Outcome outcome) => outcome switch
    {
        Outcome.Answered => "answered",
        Outcome.BadRequest => "bad-request",
        Outcome.Unauthorized => "unauthorized",
        Outcome.NotFound => "not-found",
        Outcome.TooLarge => "too-large",
        Outcome.Shed => "shed",
        Outcome.Cancelled => "cancelled",
        Outcome.FunctionFailed => "function-failed",
        Outcome.NotImplemented => "not-implemented",
        Outcome.Crashed => "crashed",
        Outcome.ContractBroken => "contract-broken",
        Outcome.Unavailable => "unavailable",
        Outcome.TimedOut => "timed-out",
    };
}
