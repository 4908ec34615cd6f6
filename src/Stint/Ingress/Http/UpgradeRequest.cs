using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.Features;
using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>
/// A request to leave HTTP, for WebSocket as a rule: over HTTP/1.1 with <c>Upgrade</c> (RFC 9110 section 7.8), over HTTP/2 with an extended CONNECT (RFC 8441), which is made a request of the first kind.
/// </summary>
internal sealed class UpgradeRequest
{
    private const string WebSocketKey = "Sec-WebSocket-Key", WebSocketAccept = "Sec-WebSocket-Accept";

    private readonly Func<ValueTask<Stream>> _accept;

    private UpgradeRequest(string protocol, string method, bool isExtendedConnect, Func<ValueTask<Stream>> accept) =>
        (Protocol, Method, NeedsTunnel, _accept) = (protocol, method, isExtendedConnect, accept);

    /// <summary>What the caller wants to change to.</summary>
    public string Protocol { get; }

    /// <summary>The method of the request as HTTP/1.1 has it.</summary>
    public string Method { get; }

    /// <summary>Whether an ordinary 2xx answer would be taken for consent: over HTTP/2.</summary>
    public bool NeedsTunnel { get; }

    /// <summary>Null when a request does not ask for it.</summary>
    public static UpgradeRequest? Of(IFeatureCollection context, IHttpRequestFeature request)
    {
        if (request.Headers.Upgrade.Count > 0 && context.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } upgrade)
        {
            var protocol = request.Headers.Upgrade.ToString();
            // Clients offer HTTP/2 on occasion without needing it. Once begun, requests to all functions would travel in it, and none of them through here.
            return HeaderSyntax.IsNamedBy(protocol, "h2c") ? null : new UpgradeRequest(protocol, request.Method, false, async () => await upgrade.UpgradeAsync().ConfigureAwait(false));
        }
        return HttpMethods.IsConnect(request.Method) && context.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true, Protocol: { } name } connect
            ? new UpgradeRequest(name, HttpMethods.Get, true, connect.AcceptAsync)
            : null;
    }

    /// <summary>Adds what the request lacks as one of HTTP/1.1.</summary>
    public void Complete(HeaderList headers)
    {
        // RFC 8441 section 5.1: HTTP/2's form has no key, because nothing that is not meant to can mistake it for one.
        if (NeedsTunnel && !headers.TryGet(WebSocketKey, out _)) headers.Add(WebSocketKey, Convert.ToBase64String(RandomNumberGenerator.GetBytes(16)));
    }

    /// <summary>Tells the caller that the function agreed, and passes bytes both ways until one side ends it or the daemon stops.</summary>
    public async Task RunAsync(IFeatureCollection context, IHttpResponseFeature response, HeaderList headers, ITunnel tunnel)
    {
        foreach (var (name, value) in headers)
            if (!NeedsTunnel || !(name.Equals(WebSocketAccept, StringComparison.OrdinalIgnoreCase) || HeaderSyntax.IsHopByHop(name))) response.Headers.Append(name, value);
        using var end = TunnelPump.EndOf(context);
        try
        {
            await using var caller = await _accept().ConfigureAwait(false);
            await TunnelPump.RunAsync(caller, caller, tunnel, end.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            // The caller has gone.
        }
    }
}
