using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Stint.Backends.Containers.Engine;

/// <summary>Something that happened in an engine.</summary>
internal sealed record EngineEvent
{
    /// <summary><c>container</c>, <c>image</c>, <c>network</c>, …</summary>
    public required string Type { get; init; }

    /// <summary><c>create</c>, <c>start</c>, <c>oom</c>, <c>kill</c>, <c>die</c>, <c>destroy</c>, … by Docker's names.</summary>
    public required string Action { get; init; }

    /// <summary>To what.</summary>
    public required EngineActor Actor { get; init; }

    /// <summary>When, by the engine's clock: nanoseconds since 1970.</summary>
    [JsonPropertyName("timeNano")]
    public long TimeNano { get; init; }

    /// <summary>The container's id.</summary>
    [JsonIgnore]
    public string Id => Actor.Id;

    /// <summary>The container's first process has ended; Podman calls it otherwise in some versions.</summary>
    [JsonIgnore]
    public bool IsDeath => Action is "die" or "died";

    /// <summary>The container is gone; Podman calls it otherwise.</summary>
    [JsonIgnore]
    public bool IsRemoval => Action is "destroy" or "remove";

    /// <summary>With <see cref="IsDeath"/>: the exit code of the container's first process; null when the engine does not say.</summary>
    [JsonIgnore]
    public int? ExitCode => Actor.Attributes.TryGetValue("exitCode", out var text) || Actor.Attributes.TryGetValue("containerExitCode", out text)
        ? int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var code) ? code : null
        : null;
}

/// <summary>What an event is about.</summary>
internal sealed record EngineActor
{
    /// <summary>Its id.</summary>
    [JsonPropertyName("ID")]
    public required string Id { get; init; }

    /// <summary>Its labels, name and other properties.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Attributes { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();
}
