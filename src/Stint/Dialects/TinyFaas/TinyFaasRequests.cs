using System.Text.Json.Serialization;

namespace Stint.Dialects.TinyFaas;

/// <summary>Body of <c>/upload</c>.</summary>
internal sealed record UploadRequest(string? Name, string? Env, int Threads, byte[]? Zip, IReadOnlyList<string>? Envs);

/// <summary>Body of <c>/uploadURL</c>.</summary>
internal sealed record UploadUrlRequest(
    string? Name, string? Env, int Threads, string? Url, [property: JsonPropertyName("subfolder_path")] string? SubfolderPath, IReadOnlyList<string>? Envs);

/// <summary>Body of <c>/delete</c>.</summary>
internal sealed record DeleteRequest(string? Name);

/// <summary>JSON of tinyFaaS's management API (contract tinyfaas.md). Go matches names without case, and so do we; a zip is base64.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, PropertyNameCaseInsensitive = true, NumberHandling = JsonNumberHandling.AllowReadingFromString)]
[JsonSerializable(typeof(UploadRequest))]
[JsonSerializable(typeof(UploadUrlRequest))]
[JsonSerializable(typeof(DeleteRequest))]
internal sealed partial class TinyFaasJson : JsonSerializerContext;
