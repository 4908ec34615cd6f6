using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.Features;
using Stint.Hosting;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Dialects.OpenFaas;

/// <summary>
/// Calls as OpenFaaS's gateway takes them (contract openfaas.md): <c>/function/NAME[.NAMESPACE][/path]</c> and <c>/async-function/…</c>, with every method. The function sees the path after its name.
/// </summary>
/// <param name="time">Stamps calls.</param>
internal sealed class FaasDialect(TimeProvider time) : IHttpDialect
{
    /// <summary>What the targets of calls begin with.</summary>
    public const string Prefix = "/function", AsyncPrefix = "/async-function";

    private const string CallId = "X-Call-Id", StartTime = "X-Start-Time", ServedBy = "X-Served-By";
    private static readonly string Server = $"stint/{ProgramVersion.Text}";

    /// <inheritdoc/>
    public string Usage => "name a function in the path: /function/NAME or /function/NAME.NAMESPACE. 'stint ls' or 'faas-cli list' says what is deployed";

    /// <inheritdoc/>
    public RequestTarget Parse(ReadOnlySpan<char> target)
    {
        var isAsync = target.StartsWith(AsyncPrefix + "/", StringComparison.Ordinal);
        if (!isAsync && !target.StartsWith(Prefix + "/", StringComparison.Ordinal)) return new RequestTarget("", "/", "");
        var parsed = RequestTarget.Parse(target[(isAsync ? AsyncPrefix : Prefix).Length..]);
        return parsed with { Name = FaasNames.TryParse(parsed.Name, null, out var function) ? function.ToString() : parsed.Name, IsAsync = isAsync };
    }

    /// <inheritdoc/>
    public void Sign(HeaderList toFunction, IHeaderDictionary toCaller, string callId)
    {
        var started = ((time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100).ToString(CultureInfo.InvariantCulture);
        toFunction.RemoveAll(static header => IsOurs(header.Key));
        toFunction.Add(CallId, callId);
        toFunction.Add(StartTime, started);
        toCaller[CallId] = callId;
        toCaller[StartTime] = started;
        toCaller[ServedBy] = Server;
    }

    /// <inheritdoc/>
    public bool Signs(string name) => IsOurs(name) || name.Equals(ServedBy, StringComparison.OrdinalIgnoreCase);

    /// <summary>The early gateway's rule: an answer has the request's type when the function does not say.</summary>
    public void Complete(IHttpRequestFeature request, IHttpResponseFeature response)
    {
        if (response.Headers.ContentType.Count > 0 || response.StatusCode is 204 or 304) return;
        response.Headers.ContentType = request.Headers.ContentType is [{ Length: > 0 } type, ..] ? type : "text/plain";
    }

    /// <summary>The first line is theirs, which clients look for; the second says what to do.</summary>
    public async ValueTask WriteErrorAsync(IHttpRequestFeature request, IHttpResponseFeature response, IHttpResponseBodyFeature output, Reply reply, string? callId)
    {
        if (response.HasStarted) return;
        response.StatusCode = HttpOutcome.Status(reply.Outcome);
        if (callId is not null) response.Headers[CallId] = callId;
        if (reply.RetryAfter is { } wait) response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        var target = Parse(RequestTarget.Origin(request.RawTarget, request.Path, request.QueryString));
        var text = Encoding.UTF8.GetBytes(Headline(reply.Outcome, HttpError.Printable(target.Name)) + reply.Error + "\n");
        response.Headers.ContentType = "text/plain; charset=utf-8";
        response.Headers.ContentLength = text.Length;
        await output.Writer.WriteAsync(text).ConfigureAwait(false);
    }

    private static string Headline(Outcome outcome, string name) => outcome switch
    {
        Outcome.NotFound => "Error resolving service.\n",
        Outcome.Crashed or Outcome.ContractBroken or Outcome.Unavailable or Outcome.NotImplemented => $"Can't reach service: {name}\n",
        Outcome.Answered or Outcome.FunctionFailed or Outcome.BadRequest or Outcome.Unauthorized or Outcome.TooLarge or Outcome.Shed or Outcome.TimedOut or Outcome.Cancelled => "",
    };

    private static bool IsOurs(string name) => name.Equals(CallId, StringComparison.OrdinalIgnoreCase) || name.Equals(StartTime, StringComparison.OrdinalIgnoreCase);
}
