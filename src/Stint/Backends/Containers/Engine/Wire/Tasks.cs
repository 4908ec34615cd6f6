// Swarm's tasks, nodes and secrets: what of them concerns us.
using System.Diagnostics.CodeAnalysis;

namespace Stint.Backends.Containers.Engine;

/// <summary><c>GET /tasks</c>, one of the list.</summary>
internal sealed record TaskDetails
{
    /// <summary>Its id.</summary>
    public required string ID { get; init; }

    /// <summary>Its service.</summary>
    public string? ServiceID { get; init; }

    /// <summary>Its node; null or empty = none yet.</summary>
    public string? NodeID { get; init; }

    /// <summary>What Swarm wants of it: <c>running</c>, <c>shutdown</c>, <c>ready</c> (it waits for its turn), <c>remove</c>.</summary>
    public string DesiredState { get; init; } = "";

    /// <summary>What it is.</summary>
    public TaskStatusDetails Status { get; init; } = new();

    /// <summary>Its addresses.</summary>
    [AllowNull]
    public IReadOnlyList<TaskAttachment> NetworksAttachments { get; init => field = value ?? []; } = [];
}

/// <summary>What a task is.</summary>
internal sealed record TaskStatusDetails
{
    /// <summary><c>new</c>, <c>pending</c>, <c>assigned</c>, <c>preparing</c>, <c>starting</c>, <c>running</c>, <c>complete</c>, <c>shutdown</c>, <c>failed</c>, <c>rejected</c>, <c>orphaned</c> and a few in between.</summary>
    public string State { get; init; } = "";

    /// <summary>A word about it.</summary>
    public string? Message { get; init; }

    /// <summary>What went wrong.</summary>
    public string? Err { get; init; }

    /// <summary>Ports that its node publishes for it.</summary>
    public TaskPorts? PortStatus { get; init; }
}

/// <summary>Ports that a node publishes for a task.</summary>
internal sealed record TaskPorts
{
    /// <summary>One or two (IPv4 and IPv6) for each.</summary>
    [AllowNull]
    public IReadOnlyList<PublishedPort> Ports { get; init => field = value ?? []; } = [];
}

/// <summary>A task in a network.</summary>
internal sealed record TaskAttachment
{
    /// <summary>Which.</summary>
    public AttachedNetwork? Network { get; init; }

    /// <summary>Its addresses there, with the subnet's length.</summary>
    [AllowNull]
    public IReadOnlyList<string> Addresses { get; init => field = value ?? []; } = [];
}

/// <summary>A network of a task.</summary>
/// <param name="ID">Its id.</param>
internal sealed record AttachedNetwork(string ID);

/// <summary><c>GET /nodes</c>, one of the list.</summary>
internal sealed record NodeDetails
{
    /// <summary>Its id.</summary>
    public required string ID { get; init; }

    /// <summary>Whether it lives, and where.</summary>
    public NodeStatusDetails Status { get; init; } = new();

    /// <summary>Its name.</summary>
    public NodeDescription? Description { get; init; }
}

/// <summary>Whether a node lives.</summary>
internal sealed record NodeStatusDetails
{
    /// <summary><c>ready</c>, <c>down</c>, <c>unknown</c>, <c>disconnected</c>.</summary>
    public string State { get; init; } = "";

    /// <summary>The address that managers see.</summary>
    public string? Addr { get; init; }
}

/// <summary>What a node says of itself.</summary>
/// <param name="Hostname">Its name.</param>
internal sealed record NodeDescription(string? Hostname);

/// <summary>A secret to be made: the body of <c>POST /secrets/create</c>.</summary>
/// <param name="Name">Its name, one in the whole swarm.</param>
/// <param name="Labels">Labels.</param>
/// <param name="Data">The value, in base64.</param>
internal sealed record SecretSettings(string Name, IReadOnlyDictionary<string, string> Labels, byte[] Data);

/// <summary><c>GET /secrets</c>, one of the list: never with its value.</summary>
internal sealed record SecretDetails
{
    /// <summary>Its id.</summary>
    public required string ID { get; init; }

    /// <summary>Its name and labels.</summary>
    public required ServiceView Spec { get; init; }
}

/// <summary>Of <c>GET /info</c>: the engine's part in a swarm.</summary>
internal sealed record SwarmPart
{
    /// <summary>Its node; empty = it is in no swarm.</summary>
    public string? NodeID { get; init; }

    /// <summary>The address that it tells other nodes.</summary>
    public string? NodeAddr { get; init; }

    /// <summary><c>inactive</c>, <c>pending</c>, <c>active</c>, <c>error</c>, <c>locked</c>.</summary>
    public string LocalNodeState { get; init; } = "inactive";

    /// <summary>It is a manager.</summary>
    public bool ControlAvailable { get; init; }

    /// <summary>What is wrong with its part.</summary>
    public string? Error { get; init; }

    /// <summary>Nodes of the swarm; a manager knows.</summary>
    public int Nodes { get; init; }
}
