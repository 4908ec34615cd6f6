using Stint.Network;

namespace Stint.Checks;

/// <summary>Looks at one thing of the host: diagnosis and cure. Changes nothing, asks no network.</summary>
internal interface ICheck
{
    /// <summary>Looks. Whatever is wrong with the host is a result, not an exception.</summary>
    Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken);
}

/// <summary>The settings of the daemon that checks look at.</summary>
internal sealed record CheckScope
{
    /// <summary>Folder of the functions.</summary>
    public required string Registry { get; init; }

    /// <summary>Folder of what the daemon keeps.</summary>
    public required string State { get; init; }

    /// <summary>The interpreter of python3 functions; null = /usr/bin/python3, then PATH.</summary>
    public string? Python3 { get; init; }

    /// <summary>The interpreter of nodejs functions; null = /usr/bin/node, then PATH.</summary>
    public string? NodeJs { get; init; }

    /// <summary>Whether virtual machines are tried as well.</summary>
    public bool WithVirtualMachines { get; init; }

    /// <summary>The QEMU of virtual machines; null = that of PATH.</summary>
    public string? Qemu { get; init; }

    /// <summary>The Firecracker of virtual machines; null = that of PATH.</summary>
    public string? Firecracker { get; init; }

    /// <summary>Where instances' addresses come from.</summary>
    public Ipv4Subnet NetworkSubnet { get; init; } = NetworkOptions.DefaultSubnet;

    /// <summary>Where the container engine listens; null = DOCKER_HOST, then Docker's socket, then Podman's.</summary>
    public string? DockerHost { get; init; }

    /// <summary>Functions run in containers even when they name no image.</summary>
    public bool IsDockerBackend { get; init; }

    /// <summary>Functions of images are services of a swarm.</summary>
    public bool IsSwarmBackend { get; init; }

    /// <summary>What container functions of the registry need of the engine.</summary>
    public IReadOnlyList<ContainerNeed> Containers { get; init; } = [];

    /// <summary>Whether something here wants a container engine.</summary>
    public bool WantsContainers => IsDockerBackend || IsSwarmBackend || Containers.Count > 0;

    /// <summary>Reads the environment.</summary>
    public Func<string, string?> Variable { get; init; } = static _ => null;

    /// <summary>The ports that the daemon would open.</summary>
    public IReadOnlyList<DaemonPort> Ports { get; init; } = [];

    /// <summary>Process id of a daemon that runs already: it holds its ports rightfully. Null = none.</summary>
    public int? DaemonPid { get; init; }

    /// <summary>Time.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>What a container function needs of the engine.</summary>
/// <param name="Function">Its name.</param>
/// <param name="Image">Its image.</param>
/// <param name="Runtime">Its runtime; null = the engine's default.</param>
internal readonly record struct ContainerNeed(string Function, string Image, string? Runtime);

/// <summary>A port of the daemon.</summary>
/// <param name="Setting">The name of its setting, <c>http-port</c>.</param>
/// <param name="Port">The port.</param>
/// <param name="Transport">Over which transport.</param>
internal readonly record struct DaemonPort(string Setting, int Port, Transport Transport);

/// <summary>The transport of a port.</summary>
internal enum Transport
{
    /// <summary>TCP.</summary>
    Tcp,

    /// <summary>UDP.</summary>
    Udp,
}
