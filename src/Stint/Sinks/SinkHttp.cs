using System.Net;
using Stint.Deliveries;

namespace Stint.Sinks;

/// <summary>HTTP to sinks. Whoever may deploy chooses where it goes: any host, this one included.</summary>
internal static class SinkHttp
{
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    /// <summary>A client that follows no redirections, keeps no cookies and uses no proxy.</summary>
    public static HttpClient Client() => new(new SocketsHttpHandler
    {
        UseProxy = false, AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10), PooledConnectionLifetime = TimeSpan.FromMinutes(5), MaxResponseHeadersLength = 32,
        // 100-continue and the like are of no use to small bodies.
        Expect100ContinueTimeout = TimeSpan.Zero,
    })
    { Timeout = AnswerLimit, MaxResponseContentBufferSize = 16 * 1024 * 1024 };

    /// <summary>Sends a request and says what its answer means; an answer that <paramref name="judge"/> knows is its business.</summary>
    /// <param name="http">The client.</param>
    /// <param name="request">The request; the caller's to dispose of.</param>
    /// <param name="judge">Null for an answer that it does not know.</param>
    /// <param name="cancellationToken">Ends the try.</param>
    public static async Task<DeliveryResult> SendAsync(HttpClient http, HttpRequestMessage request, Func<HttpResponseMessage, Task<DeliveryResult?>> judge, CancellationToken cancellationToken)
    {
        var where = request.RequestUri!.GetLeftPart(UriPartial.Path);
        try
        {
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            return await judge(answer).ConfigureAwait(false) ?? ResultOf(answer, where);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            return DeliveryResult.TryAgain($"{where}: {failure.InnerException?.Message ?? failure.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return DeliveryResult.TryAgain($"{where} did not answer within {AnswerLimit.TotalSeconds:0} s");
        }
    }

    private static DeliveryResult ResultOf(HttpResponseMessage answer, string where)
    {
        var status = (int)answer.StatusCode;
        return status switch
        {
            >= 200 and < 300 => DeliveryResult.Delivered,
            >= 300 and < 400 => DeliveryResult.GiveUp($"{where} answered {status}; redirections are not followed", status),
            // What somebody can set right over there: a password, a database that is not there yet.
            401 or 403 or 404 or 408 or 412 or 425 or 429 or >= 500 => DeliveryResult.TryAgain($"{where} answered {status}{Hint(answer.StatusCode)}", RetryAfter(answer), status),
            _ => DeliveryResult.GiveUp($"{where} answered {status}", status),
        };
    }

    private static string Hint(HttpStatusCode status) => status switch
    {
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => "; look at user and password",
        HttpStatusCode.NotFound => "; look at the URL, or make what it names",
        _ => "",
    };

    private static TimeSpan? RetryAfter(HttpResponseMessage answer) => answer.Headers.RetryAfter?.Delta is { } delta && delta < TimeSpan.FromDays(1) ? delta : null;
}
