namespace Stint.Backends.Containers.Swarm;

/// <summary>Settings of the Swarm backend; see <see cref="Hosting.DaemonOptions"/>.</summary>
internal sealed record SwarmOptions
{
    /// <summary>The daemon in the labels: the same for every daemon over the same state folder.</summary>
    public required string Daemon { get; init; }

    /// <summary>The overlay network of all functions, by name; made when it is absent.</summary>
    public required string Network { get; init; }

    /// <summary>Nodes may publish functions' ports for a daemon that is not in the network itself.</summary>
    public required bool Publish { get; init; }
}
