using System.Security.Cryptography;
using Stint.Cluster.Store;

namespace Stint.Cluster.Transport;

/// <summary>The one place where what goes wrong with a machine's request becomes an answer.</summary>
internal static partial class NodeAnswers
{
    /// <summary>Answers a request; whatever is thrown is answered, and what nobody expected is logged.</summary>
    public static async Task AnswerAsync(NodeRequest request, Func<NodeRequest, Task> answer, ILogger logger)
    {
        try
        {
            await answer(request).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (request.Aborted.IsCancellationRequested)
        {
            // Nobody waits any more.
        }
        catch (NodeRefusedException e)
        {
            await RefuseAsync(e.Message, e.Status).ConfigureAwait(false);
        }
        catch (NodeProtocolException e)
        {
            await RefuseAsync(e.Message, StatusCodes.Status400BadRequest).ConfigureAwait(false);
        }
        catch (CryptographicException e)
        {
            await RefuseAsync($"the request for a certificate is none: {e.Message}", StatusCodes.Status400BadRequest).ConfigureAwait(false);
        }
        catch (StoreException e)
        {
            await RefuseAsync(e.Message, StatusCodes.Status503ServiceUnavailable).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or HttpRequestException or BadHttpRequestException)
        {
            await RefuseAsync(e.Message, StatusCodes.Status503ServiceUnavailable).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            LogUnexpected(logger, e, request.Node);
            await RefuseAsync("it failed unexpectedly; see that machine's log", StatusCodes.Status500InternalServerError).ConfigureAwait(false);
        }

        Task RefuseAsync(string words, int status) => request.Context.Get<Microsoft.AspNetCore.Http.Features.IHttpResponseFeature>() is { HasStarted: false }
            ? ReplyWire.RefuseAsync(request.Context, NodeHeaders.RefusedRequest, words, status)
            : Break();

        Task Break()
        {
            request.Context.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestLifetimeFeature>()?.Abort();
            return Task.CompletedTask;
        }
    }

    [LoggerMessage(2733, LogLevel.Error, "A request of {Node} failed unexpectedly")]
    private static partial void LogUnexpected(ILogger logger, Exception error, string node);
}
