namespace Stint.Backends.Containers.Engine;

/// <summary>A container to be made: the body of <c>POST /containers/create</c>. What is null is left to the image or the engine.</summary>
internal sealed record ContainerSettings
{
    /// <summary>Name, tag or id of the image.</summary>
    public required string Image { get; init; }

    /// <summary>The command's arguments, or the command when the image has no entry point.</summary>
    public IReadOnlyList<string>? Cmd { get; init; }

    /// <summary>The command, instead of the image's.</summary>
    public IReadOnlyList<string>? Entrypoint { get; init; }

    /// <summary>As <c>NAME=VALUE</c>, in addition to the image's.</summary>
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Labels.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary><c>USER[:GROUP]</c>, names or numbers.</summary>
    public string? User { get; init; }

    /// <summary>The folder in which the command starts.</summary>
    public string? WorkingDir { get; init; }

    /// <summary>The container's own host name.</summary>
    public string? Hostname { get; init; }

    /// <summary>The signal of a stop, <c>SIGINT</c>.</summary>
    public string? StopSignal { get; init; }

    /// <summary>Seconds between a stop's signal and the kill.</summary>
    public int? StopTimeout { get; init; }

    /// <summary>A terminal; its output is then one raw stream.</summary>
    public bool? Tty { get; init; }

    /// <summary>Whether it has a standard input.</summary>
    public bool? OpenStdin { get; init; }

    /// <summary>What of the host it gets.</summary>
    public HostConfig? HostConfig { get; init; }

    /// <summary>Its addresses in its first network.</summary>
    public NetworkingConfig? NetworkingConfig { get; init; }
}

/// <summary>What of the host a container gets.</summary>
internal sealed record HostConfig
{
    /// <summary>Memory limit, bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>Limit of memory and swap together, bytes: equal to <see cref="Memory"/> = no swap.</summary>
    public long? MemorySwap { get; init; }

    /// <summary>Processor limit: 1 000 000 000 = one processor.</summary>
    public long? NanoCpus { get; init; }

    /// <summary>Limit of processes and threads.</summary>
    public long? PidsLimit { get; init; }

    /// <summary>Capabilities added, <c>NET_BIND_SERVICE</c>.</summary>
    public IReadOnlyList<string>? CapAdd { get; init; }

    /// <summary>Capabilities dropped, <c>ALL</c>.</summary>
    public IReadOnlyList<string>? CapDrop { get; init; }

    /// <summary>As <c>no-new-privileges</c>, <c>seccomp=…</c>.</summary>
    public IReadOnlyList<string>? SecurityOpt { get; init; }

    /// <summary>The root file system cannot be written.</summary>
    public bool? ReadonlyRootfs { get; init; }

    /// <summary>Folders in memory, with mount options: <c>/tmp</c> → <c>size=64m,mode=1777</c>.</summary>
    public IReadOnlyDictionary<string, string>? Tmpfs { get; init; }

    /// <summary>As <c>/host:/inside:ro</c>.</summary>
    public IReadOnlyList<string>? Binds { get; init; }

    /// <summary>Mounts that say more than <see cref="Binds"/>; a source that does not exist is an error here and not made.</summary>
    public IReadOnlyList<MountSettings>? Mounts { get; init; }

    /// <summary><c>bridge</c>, <c>none</c>, <c>host</c>, or a network's name or id.</summary>
    public string? NetworkMode { get; init; }

    /// <summary>The runtime; null = the engine's default.</summary>
    public string? Runtime { get; init; }

    /// <summary>Resource limits (setrlimit(2)).</summary>
    public IReadOnlyList<UlimitSettings>? Ulimits { get; init; }

    /// <summary>A small init as first process, which reaps.</summary>
    public bool? Init { get; init; }

    /// <summary>Where its output goes.</summary>
    public LogSettings? LogConfig { get; init; }

    /// <summary>Bytes of <c>/dev/shm</c>.</summary>
    public long? ShmSize { get; init; }

    /// <summary>The kernel may not kill it for memory; never null together with a limit on version 2 of cgroups.</summary>
    public bool? OomKillDisable { get; init; }

    /// <summary>−1000 to 1000: who is killed first when the host runs out of memory.</summary>
    public int? OomScoreAdj { get; init; }

    /// <summary>The control group that its own is made in.</summary>
    public string? CgroupParent { get; init; }

    /// <summary>As <c>name:address</c>.</summary>
    public IReadOnlyList<string>? ExtraHosts { get; init; }

    /// <summary>Name servers.</summary>
    public IReadOnlyList<string>? Dns { get; init; }

    /// <summary>Kernel parameters of its namespaces.</summary>
    public IReadOnlyDictionary<string, string>? Sysctls { get; init; }

    /// <summary><c>none</c>, <c>private</c>, <c>host</c>.</summary>
    public string? IpcMode { get; init; }

    /// <summary>The engine removes it when it ends.</summary>
    public bool? AutoRemove { get; init; }
}

/// <summary>Limits that can be changed later; what is null stays.</summary>
internal sealed record LimitSettings
{
    /// <summary>Memory limit, bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>Limit of memory and swap together, bytes.</summary>
    public long? MemorySwap { get; init; }

    /// <summary>Processor limit: 1 000 000 000 = one processor; 0 = none.</summary>
    public long? NanoCpus { get; init; }

    /// <summary>Limit of processes and threads.</summary>
    public long? PidsLimit { get; init; }
}

/// <summary>One mount of a container.</summary>
internal sealed record MountSettings
{
    /// <summary><c>bind</c>, <c>volume</c> or <c>tmpfs</c>.</summary>
    public required string Type { get; init; }

    /// <summary>Path on the engine's host, or a volume's name; null with tmpfs.</summary>
    public string? Source { get; init; }

    /// <summary>Path inside.</summary>
    public required string Target { get; init; }

    /// <summary>Cannot be written.</summary>
    public bool? ReadOnly { get; init; }

    /// <summary>Further settings of a bind mount.</summary>
    public BindOptions? BindOptions { get; init; }

    /// <summary>Further settings of a tmpfs.</summary>
    public TmpfsOptions? TmpfsOptions { get; init; }
}

/// <summary>Settings of a bind mount.</summary>
internal sealed record BindOptions
{
    /// <summary><c>rprivate</c>, <c>rslave</c>, <c>rshared</c>, …</summary>
    public string? Propagation { get; init; }
}

/// <summary>Settings of a tmpfs mount.</summary>
internal sealed record TmpfsOptions
{
    /// <summary>Its limit, bytes.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>Its permissions as a number, 0o1777 = 1023.</summary>
    public int? Mode { get; init; }
}

/// <summary>A resource limit.</summary>
/// <param name="Name"><c>nofile</c>, <c>core</c>, …</param>
/// <param name="Soft">In force.</param>
/// <param name="Hard">What it can be raised to.</param>
internal sealed record UlimitSettings(string Name, long Soft, long Hard);

/// <summary>Where a container's output goes.</summary>
/// <param name="Type"><c>json-file</c>, <c>local</c>, <c>none</c>, …</param>
/// <param name="Config">The driver's settings: <c>max-size</c>, <c>max-file</c>.</param>
internal sealed record LogSettings(string Type, IReadOnlyDictionary<string, string>? Config = null);

/// <summary>A container's networks when it is made.</summary>
/// <param name="EndpointsConfig">By the network's name or id; engines before API 1.44 take one.</param>
internal sealed record NetworkingConfig(IReadOnlyDictionary<string, EndpointSettings> EndpointsConfig);

/// <summary>A container in a network.</summary>
internal sealed record EndpointSettings
{
    /// <summary>Its fixed address.</summary>
    public EndpointAddresses? IPAMConfig { get; init; }

    /// <summary>Further names for it in this network.</summary>
    public IReadOnlyList<string>? Aliases { get; init; }

    /// <summary>With <paramref name="address"/> as its fixed IPv4 address.</summary>
    public static EndpointSettings At(string address) => new() { IPAMConfig = new EndpointAddresses(address) };
}

/// <summary>Fixed addresses of a container in a network.</summary>
/// <param name="IPv4Address">IPv4; its network must have a subnet of its own.</param>
internal sealed record EndpointAddresses(string? IPv4Address);
