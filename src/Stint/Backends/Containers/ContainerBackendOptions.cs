using System.Net;

namespace Stint.Backends.Containers;

/// <summary>Settings of the container backend; see <see cref="Hosting.DaemonOptions"/>.</summary>
internal sealed record ContainerBackendOptions
{
    /// <summary>The daemon in the labels: the same for every daemon over the same state folder.</summary>
    public required string Daemon { get; init; }

    /// <summary>Where the engine is, as <c>docker-host</c> says; null = the usual places.</summary>
    public string? EngineHost { get; init; }

    /// <summary>Where functions' networks get their addresses.</summary>
    public required IReadOnlyList<IPNetwork> Subnets { get; init; }

    /// <summary>The port of the callback server.</summary>
    public int CallbackPort { get; init; } = 3000;

    /// <summary>Containers that are created ahead for each version in use.</summary>
    public int Spares { get; init; } = 1;

    /// <summary>Containers that are created or started at a time.</summary>
    public int ParallelStarts { get; init; } = 4;
}
