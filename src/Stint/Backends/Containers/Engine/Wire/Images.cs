using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Stint.Backends.Containers.Engine;

/// <summary><c>GET /images/{name}/json</c>: what of it concerns us.</summary>
internal sealed record ImageDetails
{
    /// <summary><c>sha256:…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Its names with tags.</summary>
    [AllowNull]
    public IReadOnlyList<string> RepoTags { get; init => field = value ?? []; } = [];

    /// <summary>Its names with digests: it came from a registry, or has been sent to one.</summary>
    [AllowNull]
    public IReadOnlyList<string> RepoDigests { get; init => field = value ?? []; } = [];

    /// <summary>RFC 3339.</summary>
    public string? Created { get; init; }

    /// <summary>As Go has it, <c>amd64</c>.</summary>
    public string? Architecture { get; init; }

    /// <summary>Bytes.</summary>
    public long Size { get; init; }

    /// <summary>What containers of it run with.</summary>
    public ImageConfig? Config { get; init; }
}

/// <summary>What containers of an image run with unless told otherwise.</summary>
internal sealed record ImageConfig
{
    /// <summary>The command.</summary>
    [AllowNull]
    public IReadOnlyList<string> Entrypoint { get; init => field = value ?? []; } = [];

    /// <summary>Its arguments.</summary>
    [AllowNull]
    public IReadOnlyList<string> Cmd { get; init => field = value ?? []; } = [];

    /// <summary>The environment.</summary>
    [AllowNull]
    public IReadOnlyList<string> Env { get; init => field = value ?? []; } = [];

    /// <summary>The user.</summary>
    public string? User { get; init; }

    /// <summary>Folders that it wants as volumes, each a path with an empty object.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, JsonElement> Volumes { get; init => field = value ?? new Dictionary<string, JsonElement>(); } = new Dictionary<string, JsonElement>();

    /// <summary>Labels.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();
}

/// <summary>One image of a list.</summary>
internal sealed record ImageSummary
{
    /// <summary><c>sha256:…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Its names with tags.</summary>
    [AllowNull]
    public IReadOnlyList<string> RepoTags { get; init => field = value ?? []; } = [];

    /// <summary>Seconds since 1970.</summary>
    public long Created { get; init; }

    /// <summary>Bytes.</summary>
    public long Size { get; init; }

    /// <summary>Labels.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();
}

/// <summary>An image that a removal took away.</summary>
internal sealed record RemovedImage
{
    /// <summary>A name that is gone.</summary>
    public string? Untagged { get; init; }

    /// <summary>A layer that is gone.</summary>
    public string? Deleted { get; init; }
}

/// <summary>One line of what a build, a load or an import tells.</summary>
internal sealed record BuildProgress
{
    /// <summary>Output for people, with its line ends.</summary>
    [JsonPropertyName("stream")]
    public string? Stream { get; init; }

    /// <summary>The state, of an import the image's id.</summary>
    [JsonPropertyName("status")]
    public string? Status { get; init; }

    /// <summary>It failed.</summary>
    [JsonPropertyName("error")]
    public string? Error { get; init; }

    /// <summary>What was made.</summary>
    [JsonPropertyName("aux")]
    public BuildResult? Aux { get; init; }
}

/// <summary>What a build made.</summary>
internal sealed record BuildResult
{
    /// <summary><c>sha256:…</c>.</summary>
    [JsonPropertyName("ID")]
    public string? Id { get; init; }
}

/// <summary>How an image is built.</summary>
internal sealed record BuildSettings
{
    /// <summary>Names with tags for the image.</summary>
    public required IReadOnlyList<string> Tags { get; init; }

    /// <summary>Path of the Dockerfile in the context; null = <c>Dockerfile</c>.</summary>
    public string? Dockerfile { get; init; }

    /// <summary>Labels for the image.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Values for the Dockerfile's <c>ARG</c>.</summary>
    public IReadOnlyDictionary<string, string>? BuildArgs { get; init; }

    /// <summary>The network of its <c>RUN</c> steps: <c>none</c>, <c>host</c>, a name; null = the engine's default.</summary>
    public string? NetworkMode { get; init; }

    /// <summary>Every step is made anew.</summary>
    public bool NoCache { get; init; }
}
