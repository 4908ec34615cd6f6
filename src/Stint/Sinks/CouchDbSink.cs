// A result becomes the document with the call's id, so that a second try finds the first one's document and is told so (409): it arrives exactly once. CouchDB's API: POST /db with _id in the
// document (https://docs.couchdb.org/en/stable/api/database/common.html#post--db).
using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Stint.Deliveries;
using Stint.Functions;
using Stint.Functions.Secrets;

namespace Stint.Sinks;

/// <summary><c>type = "couchdb"</c>.</summary>
/// <param name="specs">What functions say now.</param>
/// <param name="secrets">Passwords.</param>
internal sealed class CouchDbSink(SpecLookup specs, SecretStore secrets) : SinkKind<SinkSpec.CouchDb>("couchdb", specs), IDisposable
{
    private readonly HttpClient _http = SinkHttp.Client();

    /// <summary>The document of a result, its <c>_id</c> and the JSON text. An object is the document itself, and keeps an <c>_id</c> of its own; anything else is wrapped.</summary>
    public static (string Id, byte[] Document) DocumentOf(Delivery delivery, string? id = null)
    {
        using var value = ResultJson.Read(delivery.Body);
        var isObject = value?.RootElement.ValueKind == JsonValueKind.Object;
        if (isObject && value!.RootElement.TryGetProperty("_id", out var own) && own.ValueKind == JsonValueKind.String && own.GetString() is { Length: > 0 } chosen) id = chosen;
        // Ids that begin with _ are CouchDB's own.
        id ??= delivery.CallId.StartsWith('_') ? $"call:{delivery.CallId}" : delivery.CallId;
        var buffer = new ArrayBufferWriter<byte>(delivery.Body.Length + 128);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("_id", id);
            if (isObject)
            {
                foreach (var property in value!.RootElement.EnumerateObject())
                    if (property.Name != "_id") property.WriteTo(json);
            }
            else ResultJson.WriteWrapped(json, value, delivery.Body);
            json.WriteEndObject();
        }
        return (id, buffer.WrittenSpan.ToArray());
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <inheritdoc/>
    protected override async Task<DeliveryResult> DeliverAsync(SinkSpec.CouchDb sink, Delivery delivery, CancellationToken cancellationToken)
    {
        AuthenticationHeaderValue? authorization = null;
        if (sink.Username is { } user)
        {
            var password = sink.Password?.Text ?? "";
            if (sink.Password?.Secret is { } secret)
            {
                if (secrets.ReadText(delivery.Function.Module, secret) is not { } found) return DeliveryResult.TryAgain($"the password is the secret {secret}, which does not exist in the function's module; make it");
                password = found;
            }
            authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
        }
        var (id, document) = DocumentOf(delivery);
        var (result, isOther) = await PostAsync(sink, authorization, id, document, cancellationToken).ConfigureAwait(false);
        if (!isOther) return result;
        // Callers may choose ids, and pass theirs on to other functions. What is there is somebody else's document, not an earlier try of ours.
        var (second, another) = DocumentOf(delivery, $"{id}.{delivery.Function}");
        if (second == id) return DeliveryResult.GiveUp($"the database has another document with the _id {id}, which the function chose", 409);
        (result, isOther) = await PostAsync(sink, authorization, second, another, cancellationToken).ConfigureAwait(false);
        return isOther ? DeliveryResult.GiveUp($"the database has other documents with the _id {id} and {second}; a call id names one call only", 409) : result;
    }

    private async Task<(DeliveryResult Result, bool IsOther)> PostAsync(SinkSpec.CouchDb sink, AuthenticationHeaderValue? authorization, string id, byte[] document, CancellationToken cancellationToken)
    {
        var isOther = false;
        using var request = new HttpRequestMessage(HttpMethod.Post, sink.Url) { Content = new ByteArrayContent(document) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Authorization = authorization;
        var result = await SinkHttp.SendAsync(_http, request, async answer =>
        {
            if (answer.StatusCode != HttpStatusCode.Conflict) return null;
            var isOurs = await IsThereAsync(sink, authorization, id, document, cancellationToken).ConfigureAwait(false);
            isOther = isOurs is false;
            return isOurs is null ? DeliveryResult.TryAgain("the database has a document of that id, but does not show it", status: 409) : DeliveryResult.Delivered;
        }, cancellationToken).ConfigureAwait(false);
        return (result, isOther);
    }

    /// <summary>Whether the document that is there has our content; null when that cannot be found out now. Who has changed it since made it another one, and has seen it.</summary>
    private async Task<bool?> IsThereAsync(SinkSpec.CouchDb sink, AuthenticationHeaderValue? authorization, string id, byte[] document, CancellationToken cancellationToken)
    {
        var builder = new UriBuilder(sink.Url);
        builder.Path = $"{builder.Path.TrimEnd('/')}/{Uri.EscapeDataString(id)}";
        using var request = new HttpRequestMessage(HttpMethod.Get, builder.Uri);
        request.Headers.Authorization = authorization;
        using var answer = await _http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (!answer.IsSuccessStatusCode) return null;
        using var there = ResultJson.Read(await answer.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false));
        using var ours = ResultJson.Read(document);
        if (there?.RootElement.ValueKind != JsonValueKind.Object) return null;
        var expected = ours!.RootElement.EnumerateObject().Where(static property => property.Name != "_rev").ToList();
        var found = there.RootElement.EnumerateObject().Where(static property => property.Name != "_rev").ToDictionary(static property => property.Name, static property => property.Value, StringComparer.Ordinal);
        return expected.Select(static property => property.Name).Distinct(StringComparer.Ordinal).Count() == found.Count
            && expected.All(property => found.TryGetValue(property.Name, out var value) && JsonElement.DeepEquals(value, property.Value));
    }
}
