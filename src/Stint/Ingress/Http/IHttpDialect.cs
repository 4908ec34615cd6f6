using Microsoft.AspNetCore.Http.Features;
using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>What differs between HTTP endpoints: how a target names the function, and how errors look. Without state: one object serves all requests.</summary>
internal interface IHttpDialect
{
    /// <summary>What to say when a target names no function.</summary>
    string Usage { get; }

    /// <summary>Takes a target in origin form (RFC 9112 section 3.2.1) apart; an empty name when it has another form than this dialect's.</summary>
    RequestTarget Parse(ReadOnlySpan<char> target);

    /// <summary>Adds headers that this endpoint's functions and callers expect besides.</summary>
    /// <param name="toFunction">The headers that the function will see.</param>
    /// <param name="toCaller">The answer's.</param>
    /// <param name="callId">The call.</param>
    void Sign(HeaderList toFunction, IHeaderDictionary toCaller, string callId) { }

    /// <summary>Whether <see cref="Sign"/> has given the caller that header, so that the function's own is left out.</summary>
    bool Signs(string name) => false;

    /// <summary>Makes up for what a function's answer lacks, once its status and headers are in the response.</summary>
    void Complete(IHttpRequestFeature request, IHttpResponseFeature response) { }

    /// <summary>Writes a reply that is not an answer. Nothing happens when the response has begun already.</summary>
    ValueTask WriteErrorAsync(IHttpRequestFeature request, IHttpResponseFeature response, IHttpResponseBodyFeature output, Reply reply, string? callId);
}

/// <summary>Stint's own, which is tinyFaaS's too: <c>/NAME/sub/path?query</c>; errors as a line of text, or JSON for those who accept JSON.</summary>
internal sealed class StintDialect : IHttpDialect
{
    /// <inheritdoc/>
    public string Usage => "name a function in the path: /NAME. 'stint ls' lists what is deployed";

    /// <inheritdoc/>
    public RequestTarget Parse(ReadOnlySpan<char> target) => RequestTarget.Parse(target);

    /// <inheritdoc/>
    public ValueTask WriteErrorAsync(IHttpRequestFeature request, IHttpResponseFeature response, IHttpResponseBodyFeature output, Reply reply, string? callId) =>
        HttpError.WriteAsync(request, response, output, reply, callId);
}
