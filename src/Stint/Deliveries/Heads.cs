using System.Text.Json.Serialization;

namespace Stint.Deliveries;

/// <summary>Everything of a call but its body, as it is stored. Fields may be added; none may change its meaning.</summary>
/// <param name="Method"><see cref="Invocations.Invocation.Method"/>.</param>
/// <param name="Path"><see cref="Invocations.Invocation.Path"/>.</param>
/// <param name="Query"><see cref="Invocations.Invocation.Query"/>.</param>
/// <param name="Headers">Names and values in turn.</param>
/// <param name="From">The caller's address.</param>
/// <param name="IsFromTrustedProxy"><see cref="Invocations.Invocation.IsFromTrustedProxy"/>.</param>
/// <param name="Scheme"><see cref="Invocations.Invocation.Scheme"/>.</param>
/// <param name="Callback">Where the result is to be sent.</param>
internal sealed record CallHead(string Method, string Path, string Query, IReadOnlyList<string> Headers, string? From, bool IsFromTrustedProxy, string Scheme, string? Callback);

/// <summary>Everything of a delivery but its body, as it is stored.</summary>
/// <param name="Target"><see cref="Delivery.Target"/>.</param>
/// <param name="ContentType"><see cref="Delivery.ContentType"/>.</param>
/// <param name="Status"><see cref="Delivery.Status"/>.</param>
/// <param name="TookSeconds"><see cref="Delivery.Took"/>.</param>
internal sealed record DeliveryHead(string Target, string? ContentType, int Status, double TookSeconds);

/// <summary>JSON of what is stored.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(CallHead))]
[JsonSerializable(typeof(DeliveryHead))]
internal sealed partial class HeadJson : JsonSerializerContext;
