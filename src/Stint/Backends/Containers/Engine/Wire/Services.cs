// Swarm's services: GET and POST /services, and the parts of their specification that we write. Names and fields are the API's.
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Stint.Backends.Containers.Engine;

/// <summary>A service to be made: the body of <c>POST /services/create</c>. What is null is left to the image or the engine.</summary>
internal sealed record ServiceSettings
{
    /// <summary>Its name, one in the whole swarm.</summary>
    public required string Name { get; init; }

    /// <summary>Labels of the service; its tasks' containers have those of <see cref="TaskContainer"/>.</summary>
    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    /// <summary>What its tasks are.</summary>
    public required TaskTemplate TaskTemplate { get; init; }

    /// <summary>How many there are.</summary>
    public required ServiceMode Mode { get; init; }

    /// <summary>How <c>docker service update</c> goes about it.</summary>
    public UpdateSettings? UpdateConfig { get; init; }

    /// <summary>How a rollback does.</summary>
    public UpdateSettings? RollbackConfig { get; init; }

    /// <summary>How it can be reached.</summary>
    public EndpointSpec? EndpointSpec { get; init; }
}

/// <summary>What a service's tasks are.</summary>
internal sealed record TaskTemplate
{
    /// <summary>The container of each.</summary>
    public required TaskContainer ContainerSpec { get; init; }

    /// <summary>What a task may use, and what a node must have free for it.</summary>
    public TaskResources? Resources { get; init; }

    /// <summary>What becomes of one that ends.</summary>
    public RestartSettings? RestartPolicy { get; init; }

    /// <summary>Which nodes will do.</summary>
    public PlacementSettings? Placement { get; init; }

    /// <summary>The networks that it joins.</summary>
    public IReadOnlyList<NetworkAttachment>? Networks { get; init; }

    /// <summary>What becomes of its output.</summary>
    public LogDriverSettings? LogDriver { get; init; }
}

/// <summary>A task's container.</summary>
internal sealed record TaskContainer
{
    /// <summary>The image: by its id (nodes that lack it cannot run it), or by a name with a digest (nodes pull it).</summary>
    public required string Image { get; init; }

    /// <summary>Labels of the container.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Instead of the image's entry point.</summary>
    public IReadOnlyList<string>? Command { get; init; }

    /// <summary>Instead of its arguments.</summary>
    public IReadOnlyList<string>? Args { get; init; }

    /// <summary>As <c>NAME=VALUE</c>.</summary>
    public IReadOnlyList<string>? Env { get; init; }

    /// <summary>Nanoseconds between the stop signal and the kill.</summary>
    public long? StopGracePeriod { get; init; }

    /// <summary>The root file system cannot be written.</summary>
    public bool? ReadOnly { get; init; }

    /// <summary>Folders in memory.</summary>
    public IReadOnlyList<TaskMount>? Mounts { get; init; }

    /// <summary>Swarm secrets that it sees.</summary>
    public IReadOnlyList<SecretReference>? Secrets { get; init; }

    /// <summary>Capabilities added.</summary>
    public IReadOnlyList<string>? CapabilityAdd { get; init; }

    /// <summary>Capabilities dropped, <c>ALL</c>.</summary>
    public IReadOnlyList<string>? CapabilityDrop { get; init; }

    /// <summary>Limits of the kernel.</summary>
    public IReadOnlyList<UlimitSettings>? Ulimits { get; init; }

    /// <summary>What newer engines can hold a task to; API 1.44.</summary>
    public TaskPrivileges? Privileges { get; init; }
}

/// <summary>What newer engines can hold a task to.</summary>
/// <param name="NoNewPrivileges">No program gains rights by being run.</param>
internal sealed record TaskPrivileges(bool NoNewPrivileges);

/// <summary>A folder in memory in a task's container.</summary>
internal sealed record TaskMount
{
    /// <summary><c>tmpfs</c>.</summary>
    public required string Type { get; init; }

    /// <summary>Where.</summary>
    public required string Target { get; init; }

    /// <summary>Its size and mode.</summary>
    public TmpfsSettings? TmpfsOptions { get; init; }
}

/// <summary>A folder in memory.</summary>
/// <param name="SizeBytes">Its size.</param>
/// <param name="Mode">Its mode, as a number.</param>
internal sealed record TmpfsSettings(long SizeBytes, int Mode);

/// <summary>A Swarm secret that a task sees.</summary>
/// <param name="SecretID">Its id.</param>
/// <param name="SecretName">Its name.</param>
/// <param name="File">As which file.</param>
internal sealed record SecretReference(string SecretID, string SecretName, SecretFile File);

/// <summary>The file of a secret.</summary>
/// <param name="Name">Its path.</param>
/// <param name="UID">Its owner.</param>
/// <param name="GID">Its group.</param>
/// <param name="Mode">Its mode, as a number.</param>
internal sealed record SecretFile(string Name, string UID, string GID, int Mode);

/// <summary>What a task may use (<see cref="Limits"/>), and what a node must have free for it (<see cref="Reservations"/>).</summary>
internal sealed record TaskResources(TaskAmounts? Limits, TaskAmounts? Reservations);

/// <summary>Amounts of a task. Null = none.</summary>
/// <param name="NanoCPUs">1 000 000 000 = one processor.</param>
/// <param name="MemoryBytes">Memory.</param>
/// <param name="Pids">Processes and threads; of limits only.</param>
internal sealed record TaskAmounts(long? NanoCPUs, long? MemoryBytes, long? Pids = null);

/// <summary>What becomes of a task that ends.</summary>
/// <param name="Condition"><c>any</c>, <c>on-failure</c>, <c>none</c>.</param>
/// <param name="Delay">Nanoseconds before its successor.</param>
internal sealed record RestartSettings(string Condition, long Delay);

/// <summary>Which nodes will do.</summary>
/// <param name="Constraints">As <c>node.role==worker</c>.</param>
internal sealed record PlacementSettings(IReadOnlyList<string> Constraints);

/// <summary>A network that tasks join.</summary>
/// <param name="Target">Its id.</param>
/// <param name="Aliases">Names of the service there besides its own.</param>
internal sealed record NetworkAttachment(string Target, IReadOnlyList<string> Aliases);

/// <summary>What becomes of a task's output.</summary>
/// <param name="Name">The driver.</param>
/// <param name="Options">Its settings.</param>
internal sealed record LogDriverSettings(string Name, IReadOnlyDictionary<string, string> Options);

/// <summary>How many tasks a service has.</summary>
/// <param name="Replicated">So many, wherever there is room; null = one on each node.</param>
internal sealed record ServiceMode(ReplicatedMode? Replicated);

/// <summary>So many tasks.</summary>
/// <param name="Replicas">How many.</param>
internal sealed record ReplicatedMode(long Replicas);

/// <summary>How tasks are exchanged for others.</summary>
/// <param name="Parallelism">At a time.</param>
/// <param name="Order"><c>start-first</c> or <c>stop-first</c>.</param>
/// <param name="FailureAction"><c>rollback</c>, <c>pause</c>, <c>continue</c>.</param>
/// <param name="Monitor">Nanoseconds for which a new one is watched.</param>
internal sealed record UpdateSettings(long Parallelism, string Order, string FailureAction, long Monitor);

/// <summary>How a service can be reached.</summary>
/// <param name="Mode"><c>dnsrr</c>: its name stands for its tasks' addresses; <c>vip</c>: for one address, which wants IPVS in the nodes' kernels.</param>
/// <param name="Ports">Published ports; null = none.</param>
internal sealed record EndpointSpec(string Mode, IReadOnlyList<PublishedPort>? Ports);

/// <summary>A port that nodes publish.</summary>
internal sealed record PublishedPort
{
    /// <summary><c>tcp</c>.</summary>
    public string Protocol { get; init; } = "tcp";

    /// <summary>The container's.</summary>
    public int TargetPort { get; init; }

    /// <summary>The node's; zero in a specification = the node chooses.</summary>
    [JsonPropertyName("PublishedPort")]
    public int NodePort { get; init; }

    /// <summary><c>host</c>: each node its own tasks'; <c>ingress</c>: each node all tasks', which wants IPVS.</summary>
    public string PublishMode { get; init; } = "host";
}

/// <summary>The answer to a create: of a service or a secret.</summary>
internal sealed record CreatedObject
{
    /// <summary>Its id.</summary>
    public required string ID { get; init; }
}

/// <summary><c>GET /services</c>, one of the list.</summary>
internal sealed record ServiceDetails
{
    /// <summary>Its id.</summary>
    public required string ID { get; init; }

    /// <summary>What it is to be.</summary>
    public required ServiceView Spec { get; init; }
}

/// <summary>Of a service's specification what we read.</summary>
internal sealed record ServiceView
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its labels.</summary>
    [AllowNull]
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();

    /// <summary>How many tasks.</summary>
    public ServiceMode? Mode { get; init; }

    /// <summary>The tasks that are wanted; zero when it is not replicated.</summary>
    [JsonIgnore]
    public int Replicas => (int)(Mode?.Replicated?.Replicas ?? 0);
}
