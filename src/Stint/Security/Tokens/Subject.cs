using System.Text.Json.Serialization;

namespace Stint.Security.Tokens;

/// <summary>Somebody who may use FunLess's API.</summary>
/// <param name="Name">The name.</param>
/// <param name="IsAdmin">May manage subjects too.</param>
/// <param name="Issued">When the token was made, seconds since 1970.</param>
/// <param name="Serial">The token's serial.</param>
/// <param name="Hash">SHA-256 of the token, lower-case hex.</param>
/// <param name="Previous">The same of the token before, which is still good after a renewal that nobody asked for; null when there is none.</param>
internal sealed record Subject(string Name, bool IsAdmin, long Issued, string Serial, string Hash, string? Previous = null)
{
    /// <summary>What the token says.</summary>
    [JsonIgnore]
    public SubjectToken Token => new(Name, DateTimeOffset.FromUnixTimeSeconds(Issued), Serial);
}

/// <summary>JSON of the file.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(List<Subject>))]
internal sealed partial class SubjectJson : JsonSerializerContext;
