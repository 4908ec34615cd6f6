using System.Text.Json.Serialization.Metadata;

namespace Stint.Management.OpenApi;

/// <summary>
/// What a route of the management port is for, what it takes and what it answers. It is attached to the route itself, so that the table that requests are routed by is the one that the document is made of.
/// </summary>
/// <param name="Area">Whose API it belongs to; groups the document.</param>
/// <param name="Summary">One line.</param>
internal sealed record ApiDescription(string Area, string Summary)
{
    /// <summary>What the body may be; several forms are alternatives.</summary>
    public IReadOnlyList<ApiContent> Bodies { get; private init; } = [];

    /// <summary>The answers by status.</summary>
    public IReadOnlyList<ApiAnswer> Answers { get; private init; } = [];

    /// <summary>Parameters of the query, with what they mean.</summary>
    public IReadOnlyList<(string Name, string Meaning)> Query { get; private init; } = [];

    /// <summary>The method, where the route takes every method and refuses the others itself; null = the route knows.</summary>
    public string? Method { get; init; }

    /// <summary>Nobody needs credentials, whatever the settings.</summary>
    public bool IsOpen { get; private init; }

    /// <summary>A body in JSON.</summary>
    public ApiDescription Takes(JsonTypeInfo type) => this with { Bodies = [.. Bodies, new ApiContent("application/json", type, [])] };

    /// <summary>A form (multipart/form-data).</summary>
    public ApiDescription Takes(params IReadOnlyList<ApiField> fields) => this with { Bodies = [.. Bodies, new ApiContent("multipart/form-data", null, fields)] };

    /// <summary>A parameter of the query.</summary>
    public ApiDescription Asks(string name, string meaning) => this with { Query = [.. Query, (name, meaning)] };

    /// <summary>An answer without a body, or with one of that media type.</summary>
    public ApiDescription Answer(int status, string meaning, string? mediaType = null) => this with { Answers = [.. Answers, new ApiAnswer(status, meaning, mediaType is null ? null : new ApiContent(mediaType, null, []))] };

    /// <summary>An answer in JSON.</summary>
    public ApiDescription Answer(int status, string meaning, JsonTypeInfo type, string mediaType = "application/json") => this with { Answers = [.. Answers, new ApiAnswer(status, meaning, new ApiContent(mediaType, type, []))] };

    /// <summary>Wants no credentials.</summary>
    public ApiDescription ForEverybody() => this with { IsOpen = true };
}

/// <summary>A body, of a request or an answer.</summary>
/// <param name="MediaType">Its media type.</param>
/// <param name="Type">What it is in JSON; null = it is not JSON.</param>
/// <param name="Fields">Of a form.</param>
internal sealed record ApiContent(string MediaType, JsonTypeInfo? Type, IReadOnlyList<ApiField> Fields);

/// <summary>A field of a form.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Meaning">What it is.</param>
/// <param name="IsRequired">It must be there.</param>
/// <param name="IsFile">It is a file.</param>
internal sealed record ApiField(string Name, string Meaning, bool IsRequired = true, bool IsFile = false);

/// <summary>An answer.</summary>
/// <param name="Status">The status.</param>
/// <param name="Meaning">What it means.</param>
/// <param name="Content">Its body; null = none.</param>
internal sealed record ApiAnswer(int Status, string Meaning, ApiContent? Content);

/// <summary>Attaches descriptions to routes.</summary>
internal static class ApiDescriptions
{
    /// <summary>Says what the route is for.</summary>
    public static void Describe(this IEndpointConventionBuilder route, ApiDescription description) => route.WithMetadata(description);
}
