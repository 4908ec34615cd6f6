using System.Diagnostics.CodeAnalysis;

namespace Stint.Backends.Containers.Engine;

/// <summary><c>GET /volumes</c>.</summary>
internal sealed record VolumeList
{
    /// <summary>The volumes.</summary>
    [AllowNull]
    public IReadOnlyList<VolumeSummary> Volumes { get; init => field = value ?? []; } = [];
}

/// <summary>One volume of a list.</summary>
internal sealed record VolumeSummary
{
    /// <summary>Its name, which is its id as well.</summary>
    public required string Name { get; init; }

    /// <summary>Labels.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();
}
