using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Dialects.UniFaas;

/// <summary>
/// UniFaaS's endpoint (docs/unifaas.md): <c>/invoke/FUNCTION/any/path?query</c>, with every method. The function sees <c>/any/path</c> and the query, and its status, headers and body come back
/// as they are. The platform's own errors are a line <c>error: MESSAGE</c>.
/// </summary>
internal sealed class UniFaasDialect : IHttpDialect
{
    /// <summary>What every target begins with.</summary>
    public const string Prefix = "/invoke";

    // UniFaaS's own words; its clients look for them.
    private const string Overload = "too many requests";

    /// <inheritdoc/>
    public string Usage => "name a function in the path: /invoke/FUNCTION/PATH. 'stint ls' lists what is deployed";

    /// <inheritdoc/>
    public RequestTarget Parse(ReadOnlySpan<char> target) =>
        target.StartsWith(Prefix + "/", StringComparison.Ordinal) ? RequestTarget.Parse(target[Prefix.Length..]) : new RequestTarget("", "/", "");

    /// <inheritdoc/>
    public async ValueTask WriteErrorAsync(IHttpRequestFeature request, IHttpResponseFeature response, IHttpResponseBodyFeature output, Reply reply, string? callId)
    {
        if (response.HasStarted) return;
        response.StatusCode = Status(reply);
        if (callId is not null) response.Headers["X-Call-Id"] = callId;
        if (reply.RetryAfter is { } wait) response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        var text = Encoding.UTF8.GetBytes($"error: {(reply.IsOverload ? Overload : reply.Error)}\n");
        response.Headers.ContentType = "text/plain; charset=utf-8";
        response.Headers.ContentLength = text.Length;
        await output.Writer.WriteAsync(text).ConfigureAwait(false);
    }

    /// <summary>500 for whatever fails inside the platform, as UniFaaS has it; where the request or the load is the reason, the status that says so. UniFaaS's 504 for overload is our 429 or 503.</summary>
    public static int Status(Reply reply) => reply.Outcome switch
    {
        Outcome.Answered => reply.Status,
        Outcome.FunctionFailed or Outcome.Crashed or Outcome.ContractBroken or Outcome.TimedOut => StatusCodes.Status500InternalServerError,
        Outcome.Unavailable => reply.IsOverload ? HttpOutcome.Status(Outcome.Unavailable) : StatusCodes.Status500InternalServerError,
        Outcome.BadRequest or Outcome.Unauthorized or Outcome.NotFound or Outcome.TooLarge or Outcome.Shed or Outcome.Cancelled or Outcome.NotImplemented => HttpOutcome.Status(reply.Outcome),
    };
}
