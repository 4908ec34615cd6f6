using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Stint.Backends.Containers.Engine;

/// <summary>The body of every error.</summary>
internal sealed record EngineError
{
    /// <summary>What went wrong.</summary>
    [JsonPropertyName("message")]
    public string? Message { get; init; }
}

/// <summary><c>GET /version</c>.</summary>
internal sealed record EngineVersion
{
    /// <summary>The engine's own version, as <c>20.10.24</c>.</summary>
    public required string Version { get; init; }

    /// <summary>The newest version of the API that it speaks.</summary>
    public required string ApiVersion { get; init; }

    /// <summary>The oldest.</summary>
    [JsonPropertyName("MinAPIVersion")]
    public string? MinApiVersion { get; init; }

    /// <summary>Its parts; the first is named <c>Engine</c> or <c>Podman Engine</c>.</summary>
    [AllowNull]
    public IReadOnlyList<EngineComponent> Components { get; init => field = value ?? []; } = [];

    /// <summary>Whether it is Podman.</summary>
    [JsonIgnore]
    public bool IsPodman => Components.Any(static part => part.Name.StartsWith("Podman", StringComparison.OrdinalIgnoreCase));
}

/// <summary>A part of an engine.</summary>
internal sealed record EngineComponent
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its version.</summary>
    public string? Version { get; init; }
}

/// <summary><c>GET /info</c>: what of it concerns us.</summary>
internal sealed record EngineInfo
{
    /// <summary>The engine's own version.</summary>
    public string? ServerVersion { get; init; }

    /// <summary>The runtimes by name.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, EngineRuntime> Runtimes { get; init => field = value ?? new Dictionary<string, EngineRuntime>(); } = new Dictionary<string, EngineRuntime>();

    /// <summary>The runtime of containers that name none.</summary>
    public string? DefaultRuntime { get; init; }

    /// <summary>The program that is the first process of containers with <see cref="HostConfig.Init"/>; null or empty = there is none.</summary>
    public string? InitBinary { get; init; }

    /// <summary><c>1</c> or <c>2</c>.</summary>
    public string? CgroupVersion { get; init; }

    /// <summary><c>cgroupfs</c>, <c>systemd</c> or <c>none</c>.</summary>
    public string? CgroupDriver { get; init; }

    /// <summary>As <c>name=seccomp,profile=default</c>, <c>name=rootless</c>.</summary>
    [AllowNull]
    public IReadOnlyList<string> SecurityOptions { get; init => field = value ?? []; } = [];

    /// <summary>Where it keeps images and containers.</summary>
    public string? DockerRootDir { get; init; }

    /// <summary>The storage driver.</summary>
    public string? Driver { get; init; }

    /// <summary>The host's distribution.</summary>
    public string? OperatingSystem { get; init; }

    /// <summary><c>linux</c>.</summary>
    public string? OSType { get; init; }

    /// <summary>The host's kernel.</summary>
    public string? KernelVersion { get; init; }

    /// <summary>As uname has it, <c>x86_64</c>.</summary>
    public string? Architecture { get; init; }

    /// <summary>The host's name.</summary>
    public string? Name { get; init; }

    /// <summary>The host's processors.</summary>
    [JsonPropertyName("NCPU")]
    public int Processors { get; init; }

    /// <summary>The host's memory, bytes.</summary>
    public long MemTotal { get; init; }

    /// <summary>Containers go on while the engine restarts.</summary>
    public bool LiveRestoreEnabled { get; init; }

    /// <summary>Limits of memory hold.</summary>
    public bool MemoryLimit { get; init; }

    /// <summary>Limits of swap hold.</summary>
    public bool SwapLimit { get; init; }

    /// <summary>Limits of processor time hold.</summary>
    [JsonPropertyName("CpuCfsQuota")]
    public bool CpuQuota { get; init; }

    /// <summary>Limits of processes hold.</summary>
    public bool PidsLimit { get; init; }

    /// <summary>Networks forward IPv4.</summary>
    public bool IPv4Forwarding { get; init; }

    /// <summary>Its part in a swarm.</summary>
    public SwarmPart? Swarm { get; init; }

    /// <summary>What the engine itself complains about.</summary>
    [AllowNull]
    public IReadOnlyList<string> Warnings { get; init => field = value ?? []; } = [];
}

/// <summary>A runtime of an engine.</summary>
internal sealed record EngineRuntime
{
    /// <summary>Its program.</summary>
    [JsonPropertyName("path")]
    public string? Path { get; init; }
}
