using System.Buffers;
using Stint.Invocations;

namespace Stint.Ingress.Http;

/// <summary>Passes bytes both ways between a caller and a tunnel, each as fast as the other side takes them.</summary>
internal static class TunnelPump
{
    // Most WebSockets carry small messages, and there may be thousands.
    private const int Piece = 4096;

    /// <summary>
    /// Returns when the function has ended its side, when the connection of either has broken, or when the token fires. A caller that only ends its own side still gets what the function has to say
    /// over HTTP/2; over HTTP/1.1 Kestrel takes it for one that has left.
    /// </summary>
    public static async Task RunAsync(Stream caller, ITunnel tunnel, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var toFunction = ToFunctionAsync(caller, tunnel, end);
        await ToCallerAsync(tunnel, caller, end).ConfigureAwait(false);
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
