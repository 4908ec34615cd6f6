using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Stint.Deliveries.Callbacks;

/// <summary>
/// <c>X-Callback-Url</c> (contract openfaas.md): the result is POSTed there with <c>X-Call-Id</c>, <c>X-Duration-Seconds</c>, <c>X-Function-Name</c>, <c>X-Function-Status</c> and the function's
/// content type. A status from 200 to 299 is a receipt.
/// </summary>
internal sealed class CallbackKind : IDeliveryKind, IDisposable
{
    /// <summary>Its name.</summary>
    public const string KindName = "callback";

    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);
    private readonly HttpClient _http;

    /// <param name="rules">Where results may be sent.</param>
    public CallbackKind(CallbackRules rules)
    {
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false, AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = TimeSpan.FromSeconds(10), PooledConnectionLifetime = TimeSpan.FromMinutes(1),
            ConnectCallback = rules.ConnectAsync, MaxResponseHeadersLength = 32,
        })
        { Timeout = AnswerLimit };
    }

    /// <inheritdoc/>
    public string Name => KindName;

    /// <summary>A day: whoever waits for a result longer has asked again.</summary>
    public TimeSpan? MaxAge => TimeSpan.FromDays(1);

    /// <summary>A URL as a target.</summary>
    public static string Target(string url) => JsonSerializer.Serialize(new CallbackTarget(url), CallbackJson.Default.CallbackTarget);

    /// <inheritdoc/>
    public async Task<DeliveryResult> DeliverAsync(Delivery delivery, CancellationToken cancellationToken)
    {
        var url = JsonSerializer.Deserialize(delivery.Target, CallbackJson.Default.CallbackTarget)!.Url;
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ReadOnlyMemoryContent(delivery.Body) };
        if (delivery.ContentType is { } type) request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        request.Headers.TryAddWithoutValidation("X-Call-Id", delivery.CallId);
        request.Headers.TryAddWithoutValidation("X-Duration-Seconds", delivery.Took.TotalSeconds.ToString("0.000000", CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation("X-Function-Name", delivery.Function.ToString());
        request.Headers.TryAddWithoutValidation("X-Function-Status", delivery.Status.ToString(CultureInfo.InvariantCulture));
        try
        {
            using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            var status = (int)answer.StatusCode;
            var said = $"{request.RequestUri!.GetLeftPart(UriPartial.Path)} answered {status}";
            return status switch
            {
                >= 200 and < 300 => DeliveryResult.Delivered,
                408 or 425 or 429 or >= 500 => DeliveryResult.TryAgain(said, answer.Headers.RetryAfter?.Delta is { } delta && delta < TimeSpan.FromDays(1) ? delta : null, status),
                >= 300 and < 400 => DeliveryResult.GiveUp(said + "; redirections are not followed", status),
                _ => DeliveryResult.GiveUp(said, status),
            };
        }
        catch (HttpRequestException failure) when (failure.InnerException is CallbackRefusedException refused)
        {
            return DeliveryResult.GiveUp(refused.Message);
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            return DeliveryResult.TryAgain($"{request.RequestUri!.GetLeftPart(UriPartial.Authority)}: {failure.InnerException?.Message ?? failure.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return DeliveryResult.TryAgain($"{request.RequestUri!.GetLeftPart(UriPartial.Authority)} did not answer within {AnswerLimit.TotalSeconds:0} s");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();
}

/// <summary>Where a callback goes.</summary>
internal sealed record CallbackTarget(string Url);

/// <summary>JSON of callbacks' targets.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CallbackTarget))]
internal sealed partial class CallbackJson : JsonSerializerContext;
