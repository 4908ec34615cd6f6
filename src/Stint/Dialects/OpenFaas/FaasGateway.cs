using Microsoft.AspNetCore.Http.Features;
using Stint.Ingress.Http;

namespace Stint.Dialects.OpenFaas;

/// <summary>The calls among the requests to OpenFaaS's gateway: <c>/function/…</c>, <c>/async-function/…</c> and <c>POST /</c>. They want no credentials; everything else there does.</summary>
internal sealed class FaasGateway(HttpIngress ingress, FaasMeter meter)
{
    /// <summary>What is measured of them.</summary>
    public FaasMeter Meter => meter;

    /// <summary>Whether a request is a call.</summary>
    public static bool Takes(HttpRequest request) =>
        request.Path.StartsWithSegments(FaasDialect.Prefix, StringComparison.Ordinal) || request.Path.StartsWithSegments(FaasDialect.AsyncPrefix, StringComparison.Ordinal) || IsRoot(request);

    /// <summary>Runs it.</summary>
    public Task InvokeAsync(HttpContext context)
    {
        meter.Requested();
        // The ingress counts a body itself; the limit of this endpoint is that of uploads.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = null;
        return IsRoot(context.Request) ? FaasRoot.InvokeAsync(ingress, context) : ingress.ProcessRequestAsync(context.Features);
    }

    private static bool IsRoot(HttpRequest request) => request.Path.Value is "/" && HttpMethods.IsPost(request.Method);
}
