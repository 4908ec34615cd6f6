using System.Net;

namespace Stint.Backends.Containers;

/// <summary>Settings of the container backend; see <see cref="Hosting.DaemonOptions"/>.</summary>
internal sealed record ContainerBackendOptions
{
    /// <summary>The daemon in the labels: the same for every daemon over the same state folder.</summary>
    public required string Daemon { get; init; }

    /// <summary>The folder for what lives only as long as an instance: its secrets.</summary>
    public required string RunFolder { get; init; }

    /// <summary>Where functions' networks get their addresses.</summary>
    public required IReadOnlyList<IPNetwork> Subnets { get; init; }

    /// <summary>Containers that are created ahead for each version in use.</summary>
    public int Spares { get; init; } = 1;

    /// <summary>Containers that are created or started at a time.</summary>
    public int ParallelStarts { get; init; } = 4;
}
