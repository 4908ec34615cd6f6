// A call whose caller wants to change to another protocol (WebSocket), between machines: one request over HTTP/2 whose body and whose answer's body are open at the same time.
//
//   POST /tunnel
//   stint-upgrade and a call's head (CallWire)
//   body    nothing, until the answer says 101; then what the caller sends; its end is the caller's half-close
//
//   200     stint-status: 101, the headers of the function's answer, and as the body what it sends; its end ends the tunnel
//           any other status: the function's ordinary answer, by which it refuses, or why there is none (ReplyWire)
//
// The target is one of its own so that a worker whose program is older answers 404, which is a refusal: it does not run the call as if nobody had asked for another protocol, and the next one is tried.
using Microsoft.AspNetCore.Http.Features;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Cluster.Transport;

/// <summary>Tunnels at the machine that the function is on; <see cref="RemoteTunnel"/> is the other end.</summary>
internal static class TunnelWire
{
    /// <summary>Where such calls go.</summary>
    public const string Target = "/tunnel";

    /// <summary>What <see cref="NodeHeaders.Status"/> says when the function agreed.</summary>
    public const string Agreed = "101";

    /// <summary>Whether a call is one of these: it has no body to be read before it runs.</summary>
    public static bool IsAsked(IHeaderDictionary headers) => headers[NodeHeaders.Upgrade] is [{ Length: > 0 }, ..];

    /// <summary>Sends the answer's head, and passes bytes both ways until the function ends its side, the gateway resets the stream or is lost, or this machine stops.</summary>
    /// <param name="context">The request's, its answer's headers set.</param>
    /// <param name="tunnel">The function; the caller disposes of it.</param>
    public static async Task RunAsync(IFeatureCollection context, ITunnel tunnel)
    {
        var answer = context.GetRequiredFeature<IHttpResponseBodyFeature>();
        using var end = TunnelPump.EndOf(context);
        try
        {
            await answer.Writer.FlushAsync(end.Token).ConfigureAwait(false);
            await TunnelPump.RunAsync(context.GetRequiredFeature<IHttpRequestFeature>().Body, answer.Stream, tunnel, end.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            // Nobody is there any more.
        }
    }
}
