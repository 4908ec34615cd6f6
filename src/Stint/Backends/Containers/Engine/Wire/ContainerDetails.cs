using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Stint.Backends.Containers.Engine;

/// <summary>The answer to a create.</summary>
internal sealed record CreatedContainer
{
    /// <summary>The container's id.</summary>
    public required string Id { get; init; }

    /// <summary>What the engine will not do as asked, as limits that do not hold.</summary>
    [AllowNull]
    public IReadOnlyList<string> Warnings { get; init => field = value ?? []; } = [];
}

/// <summary>One container of a list.</summary>
internal sealed record ContainerSummary
{
    /// <summary>Its id.</summary>
    public required string Id { get; init; }

    /// <summary>Its names, each with a slash before it.</summary>
    [AllowNull]
    public IReadOnlyList<string> Names { get; init => field = value ?? []; } = [];

    /// <summary>Its image as it was named.</summary>
    public string? Image { get; init; }

    /// <summary>Its image's id.</summary>
    public string? ImageID { get; init; }

    /// <summary><c>created</c>, <c>running</c>, <c>paused</c>, <c>restarting</c>, <c>removing</c>, <c>exited</c>, <c>dead</c>.</summary>
    public string? State { get; init; }

    /// <summary>The state for people.</summary>
    public string? Status { get; init; }

    /// <summary>Its labels.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();

    /// <summary>Whether its process lives.</summary>
    [JsonIgnore]
    public bool IsRunning => State is "running" or "paused" or "stopping";
}

/// <summary><c>GET /containers/{id}/json</c>: what of it concerns us.</summary>
internal sealed record ContainerDetails
{
    /// <summary>Its id.</summary>
    public required string Id { get; init; }

    /// <summary>Its name, with a slash before it.</summary>
    public string? Name { get; init; }

    /// <summary>Its image's id.</summary>
    public string? Image { get; init; }

    /// <summary>How it stands.</summary>
    public required ContainerState State { get; init; }

    /// <summary>What it was made with, and its image's part.</summary>
    public ContainerConfig? Config { get; init; }

    /// <summary>What it got of the host.</summary>
    public HostConfig? HostConfig { get; init; }

    /// <summary>Its networks.</summary>
    public ContainerNetworks? NetworkSettings { get; init; }
}

/// <summary>How a container stands.</summary>
internal sealed record ContainerState
{
    /// <summary><c>created</c>, <c>running</c>, <c>exited</c>, …</summary>
    public string? Status { get; init; }

    /// <summary>Its first process lives.</summary>
    public bool Running { get; init; }

    /// <summary>The kernel killed one of its processes because the memory limit was reached.</summary>
    public bool OOMKilled { get; init; }

    /// <summary>Its first process on the engine's host; zero = none.</summary>
    public int Pid { get; init; }

    /// <summary>Of its first process; zero while it runs.</summary>
    public int ExitCode { get; init; }

    /// <summary>Why it could not be started; empty when it could.</summary>
    public string? Error { get; init; }

    /// <summary>RFC 3339.</summary>
    public string? StartedAt { get; init; }

    /// <summary>RFC 3339.</summary>
    public string? FinishedAt { get; init; }
}

/// <summary>A container's configuration as the engine has it.</summary>
internal sealed record ContainerConfig
{
    /// <summary>Its image as it was named.</summary>
    public string? Image { get; init; }

    /// <summary>Its user.</summary>
    public string? User { get; init; }

    /// <summary>A terminal.</summary>
    public bool Tty { get; init; }

    /// <summary>Its environment.</summary>
    [AllowNull]
    public IReadOnlyList<string> Env { get; init => field = value ?? []; } = [];

    /// <summary>Its command's arguments.</summary>
    [AllowNull]
    public IReadOnlyList<string> Cmd { get; init => field = value ?? []; } = [];

    /// <summary>Its labels, and the image's.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();
}

/// <summary>A container's networks.</summary>
internal sealed record ContainerNetworks
{
    /// <summary>By name.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, ContainerEndpoint> Networks { get; init => field = value ?? new Dictionary<string, ContainerEndpoint>(); } = new Dictionary<string, ContainerEndpoint>();
}

/// <summary>A container in a network.</summary>
internal sealed record ContainerEndpoint
{
    /// <summary>The network's id.</summary>
    public string? NetworkID { get; init; }

    /// <summary>The way out; empty while the container does not run.</summary>
    public string? Gateway { get; init; }

    /// <summary>Its IPv4 address; empty while the container does not run.</summary>
    public string? IPAddress { get; init; }
}

/// <summary>The answer to a wait.</summary>
internal sealed record WaitAnswer
{
    /// <summary>The exit code of the container's first process.</summary>
    public required long StatusCode { get; init; }
}
