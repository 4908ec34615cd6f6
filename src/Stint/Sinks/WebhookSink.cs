using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Secrets;

namespace Stint.Sinks;

/// <summary><c>type = "webhook"</c>: the result as it is, in a POST. A status from 200 to 299 is a receipt.</summary>
/// <param name="specs">What functions say now.</param>
/// <param name="secrets">Keys of signatures.</param>
internal sealed class WebhookSink(SpecLookup specs, SecretStore secrets) : SinkKind<SinkSpec.Webhook>("webhook", specs), IDisposable
{
    /// <summary>Header: the same in every try to deliver one result.</summary>
    public const string DeliveryHeader = "X-Stint-Delivery";

    /// <summary>Header: <c>sha256=</c> and the HMAC of the body (RFC 2104) under the secret, in lower-case hex.</summary>
    public const string SignatureHeader = "X-Stint-Signature";

    private readonly HttpClient _http = SinkHttp.Client();

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <inheritdoc/>
    protected override async Task<DeliveryResult> DeliverAsync(SinkSpec.Webhook sink, Delivery delivery, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, sink.Url) { Content = new ReadOnlyMemoryContent(delivery.Body) };
        request.Content.Headers.ContentType = delivery.ContentType is { } type && MediaTypeHeaderValue.TryParse(type, out var parsed) ? parsed : new MediaTypeHeaderValue("application/octet-stream");
        request.Headers.TryAddWithoutValidation("X-Call-Id", delivery.CallId);
        request.Headers.TryAddWithoutValidation("X-Function-Name", delivery.Function.ToString());
        request.Headers.TryAddWithoutValidation("X-Function-Status", delivery.Status.ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation(DeliveryHeader, delivery.Id);
        if (sink.SignSecret is { } secret)
        {
            if (secrets.ReadText(delivery.Function.Module, secret) is not { } key) return DeliveryResult.TryAgain($"the key is the secret {secret}, which does not exist in the function's module; make it");
            request.Headers.TryAddWithoutValidation(SignatureHeader, $"sha256={Convert.ToHexStringLower(HMACSHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key), delivery.Body.Span))}");
        }
        return await SinkHttp.SendAsync(_http, request, static _ => Task.FromResult<DeliveryResult?>(null), cancellationToken).ConfigureAwait(false);
    }
}
