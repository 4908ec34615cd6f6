using System.Buffers;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>Passes bytes both ways between a caller and a tunnel, each as fast as the other side takes them.</summary>
internal static class TunnelPump
{
    // Most WebSockets carry small messages, and there may be thousands.
    private const int Piece = 4096;

    /// <summary>Fires when a tunnel of this request is to end: whoever asked has left, or the endpoint stops.</summary>
    public static CancellationTokenSource EndOf(IFeatureCollection context) => CancellationTokenSource.CreateLinkedTokenSource(
        context.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted, context.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default);

    /// <summary>
    /// Returns when the function has ended its side, when the connection of either has broken, or when the token fires. A caller that only ends its own side still gets what the function has to say
    /// over HTTP/2; over HTTP/1.1 Kestrel takes it for one that has left.
    /// </summary>
    /// <param name="fromCaller">What the caller sends.</param>
    /// <param name="toCaller">What it gets; the same stream where it has one for both.</param>
    /// <param name="tunnel">The function.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task RunAsync(Stream fromCaller, Stream toCaller, ITunnel tunnel, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var toFunction = ToFunctionAsync(fromCaller, tunnel, end);
        await ToCallerAsync(tunnel, toCaller, end).ConfigureAwait(false);
        await toFunction.ConfigureAwait(false);
    }

    private static async Task ToCallerAsync(ITunnel tunnel, Stream caller, CancellationTokenSource end)
    {
        try
        {
            while (await tunnel.ReadAsync(end.Token).ConfigureAwait(false) is { IsEmpty: false } piece)
            {
                await caller.WriteAsync(piece, end.Token).ConfigureAwait(false);
                await caller.FlushAsync(end.Token).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            // It ends here as well.
        }
        await end.CancelAsync().ConfigureAwait(false);
    }

    private static async Task ToFunctionAsync(Stream caller, ITunnel tunnel, CancellationTokenSource end)
    {
        var rented = ArrayPool<byte>.Shared.Rent(Piece);
        try
        {
            while (await caller.ReadAsync(rented, end.Token).ConfigureAwait(false) is var count and > 0) await tunnel.WriteAsync(rented.AsMemory(0, count), end.Token).ConfigureAwait(false);
            tunnel.EndWriting();
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException)
        {
            await end.CancelAsync().ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
