namespace Stint.Backends.Containers;

/// <summary>Something at an engine that Stint made.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Id">The engine's id.</param>
/// <param name="Name">For people.</param>
/// <param name="Daemon">The daemon that made it (<see cref="ContainerLabels.Daemon"/>).</param>
internal sealed record LabelledObject(LabelledKind Kind, string Id, string Name, string Daemon)
{
    /// <summary>Of a container: its process lives.</summary>
    public bool IsRunning { get; init; }

    /// <summary>Of an image: its names.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];
}

/// <summary>Kinds of objects, in the order in which they can be removed.</summary>
internal enum LabelledKind
{
    /// <summary>A service of Swarm.</summary>
    Service,

    /// <summary>A secret of Swarm.</summary>
    Secret,

    /// <summary>A container.</summary>
    Container,

    /// <summary>A network.</summary>
    Network,

    /// <summary>An image.</summary>
    Image,

    /// <summary>A volume.</summary>
    Volume,
}
