using System.Text.Json.Serialization;

namespace Stint.Management;

// The JSON of the management API under /stint/v1: what the daemon sends and the command line reads. Names on the wire are camelCase. Fields are only ever
// added: a client ignores what it does not know, and what an older daemon leaves out has its default. The defaults stand twice because generated readers set every
// init-only property, those that were left out to null.

/// <summary><c>GET /stint/v1/info</c>: the daemon itself.</summary>
internal sealed record DaemonView
{
    /// <summary>Version of the program.</summary>
    public required string Version { get; init; }

    /// <summary>Process id of the daemon on its host.</summary>
    public int Pid { get; init; }

    /// <summary>When it began to serve.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary><c>sandbox</c> or <c>none</c>.</summary>
    public string Isolation { get; init => field = value ?? ""; } = "";

    /// <summary>Every endpoint that is on.</summary>
    public IReadOnlyList<EndpointView> Endpoints { get; init => field = value ?? []; } = [];

    /// <summary>Folder of the functions.</summary>
    public string Registry { get; init => field = value ?? ""; } = "";

    /// <summary>Folder of what the daemon keeps.</summary>
    public string State { get; init => field = value ?? ""; } = "";

    /// <summary>The machine.</summary>
    public HostView? Host { get; init; }

    /// <summary>What an operator should know, one sentence each; empty when all is well.</summary>
    public IReadOnlyList<string> Warnings { get; init => field = value ?? []; } = [];
}

/// <summary>Where the daemon listens.</summary>
/// <param name="Protocol"><c>http</c>, <c>coap</c>, <c>grpc</c>, <c>unifaas</c> or <c>management</c>.</param>
/// <param name="Url">Its address, with a host name that works on the daemon's own machine.</param>
internal sealed record EndpointView(string Protocol, string Url);

/// <summary>The machine that the daemon runs on.</summary>
/// <param name="Cores">Processors that the daemon may use.</param>
/// <param name="MemoryBytes">Physical memory.</param>
internal sealed record HostView(int Cores, long MemoryBytes);

/// <summary><c>GET /stint/v1/functions</c>.</summary>
/// <param name="Functions">All that are deployed, broken ones included, by name.</param>
internal sealed record FunctionListView(IReadOnlyList<FunctionView> Functions);

/// <summary>One deployed function and how it does.</summary>
internal record FunctionView
{
    /// <summary>The name within its module.</summary>
    public required string Name { get; init; }

    /// <summary>The module; <c>_</c> is the default one.</summary>
    public string Module { get; init => field = value ?? "_"; } = "_";

    /// <summary><c>python3</c>, <c>nodejs</c>, <c>binary</c>, <c>container</c>, <c>vm</c>, <c>wasm</c>, or the backend that is missing; empty when its configuration cannot be read.</summary>
    public string Runtime { get; init => field = value ?? ""; } = "";

    /// <summary><c>ready</c>, <c>building</c>, <c>broken</c>, or <c>unsupported</c> when this version has no backend for it.</summary>
    public string State { get; init => field = value ?? ""; } = "";

    /// <summary>Why it is broken, one sentence each, with the line of <c>function.toml</c> where there is one.</summary>
    public IReadOnlyList<string> Problems { get; init => field = value ?? []; } = [];

    /// <summary>The short id of the version that serves; empty when none does.</summary>
    public string Version { get; init => field = value ?? ""; } = "";

    /// <summary>When that version was taken into service.</summary>
    public DateTimeOffset? DeployedAt { get; init; }

    /// <summary>Instances by state.</summary>
    public InstanceCountsView Instances { get; init => field = value ?? new(0, 0, 0, 0); } = new(0, 0, 0, 0);

    /// <summary>Calls that wait for an instance.</summary>
    public int Queue { get; init; }

    /// <summary>Calls since the daemon's start.</summary>
    public long Requests { get; init; }

    /// <summary>Calls that ended in an error, whoever's.</summary>
    public long Errors { get; init; }

    /// <summary>Calls that had to wait for a new instance.</summary>
    public long ColdStarts { get; init; }

    /// <summary>Median duration of a call in seconds; null before the first.</summary>
    public double? P50Seconds { get; init; }

    /// <summary>99th percentile of the duration in seconds; null before the first call.</summary>
    public double? P99Seconds { get; init; }

    /// <summary>Memory of all instances together.</summary>
    public long MemoryBytes { get; init; }

    /// <summary><c>concurrent-requests</c>.</summary>
    public int ConcurrentRequests { get; init; }

    /// <summary><c>min-instances</c>.</summary>
    public int MinInstances { get; init; }

    /// <summary><c>max-instances</c>.</summary>
    public int MaxInstances { get; init; }

    /// <summary><c>name</c>, or <c>name.module</c> outside the default module.</summary>
    [JsonIgnore]
    public string FullName => Module is "_" or "" ? Name : $"{Name}.{Module}";
}

/// <summary>Instances of a function by state.</summary>
/// <param name="Starting">Not ready yet.</param>
/// <param name="Idle">Ready, without a call.</param>
/// <param name="Busy">With a call at least.</param>
/// <param name="Draining">Of an old version, finishing its calls.</param>
internal sealed record InstanceCountsView(int Starting, int Idle, int Busy, int Draining)
{
    /// <summary>All of them.</summary>
    [JsonIgnore]
    public int Total => Starting + Idle + Busy + Draining;
}

/// <summary><c>GET /stint/v1/functions/{name}</c>: all there is to know about one function.</summary>
internal sealed record FunctionDetailView : FunctionView
{
    /// <summary>Its folder in the registry, on the daemon's machine.</summary>
    public string Folder { get; init => field = value ?? ""; } = "";

    /// <summary><c>keepalive</c> in seconds; −1 = for ever.</summary>
    public double KeepaliveSeconds { get; init; }

    /// <summary><c>timeout</c> in seconds.</summary>
    public double TimeoutSeconds { get; init; }

    /// <summary><c>memory</c> in MiB.</summary>
    public int MemoryMiB { get; init; }

    /// <summary><c>cpus</c>; zero = no limit.</summary>
    public double Cpus { get; init; }

    /// <summary><c>pids</c>.</summary>
    public int Pids { get; init; }

    /// <summary>Of a process <c>outbound</c>, <c>none</c> or <c>host</c>, of a container <c>bridge</c> or <c>internal</c>, of a virtual machine <c>tap</c>.</summary>
    public string Network { get; init => field = value ?? ""; } = "";

    /// <summary>Why it has no network although it should; empty when all is well.</summary>
    public string NetworkProblem { get; init => field = value ?? ""; } = "";

    /// <summary>The image of a container, or of a virtual machine as <c>function.toml</c> names it; empty for others.</summary>
    public string Image { get; init => field = value ?? ""; } = "";

    /// <summary>The engine's runtime that a container asks for; empty = the engine's default.</summary>
    public string ContainerRuntime { get; init => field = value ?? ""; } = "";

    /// <summary>The kernel of a virtual machine, as <c>function.toml</c> names it; empty for others.</summary>
    public string Kernel { get; init => field = value ?? ""; } = "";

    /// <summary>What runs a virtual machine: <c>firecracker</c>, <c>qemu</c> or <c>microvm</c>; empty for others.</summary>
    public string Hypervisor { get; init => field = value ?? ""; } = "";

    /// <summary>Names of the environment variables; their values are not shown.</summary>
    public IReadOnlyList<string> Env { get; init => field = value ?? []; } = [];

    /// <summary><c>[labels]</c>.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init => field = value ?? new Dictionary<string, string>(); } = new Dictionary<string, string>();

    /// <summary>What calls it besides its callers.</summary>
    public IReadOnlyList<EventView> Events { get; init => field = value ?? []; } = [];

    /// <summary>Where its results go.</summary>
    public IReadOnlyList<SinkView> Sinks { get; init => field = value ?? []; } = [];

    /// <summary>Events that became calls.</summary>
    public long EventsAccepted { get; init; }

    /// <summary>Events that the function cannot take; its log says why.</summary>
    public long EventsRejected { get; init; }

    /// <summary>Messages of QoS 0 that came while calls could not be taken over, and runs of schedules that were missed.</summary>
    public long EventsLost { get; init; }

    /// <summary>Results that wait to be delivered to its sinks.</summary>
    public long DeliveriesWaiting { get; init; }

    /// <summary>Results that could not be delivered and are kept as dead letters (<c>stint async ls --dead</c>).</summary>
    public long DeliveriesDead { get; init; }

    /// <summary>Each instance.</summary>
    public IReadOnlyList<InstanceView> InstanceList { get; init => field = value ?? []; } = [];

    /// <summary>Why it does not run, in a sentence; null when it does.</summary>
    public string? Why { get; init; }

    /// <summary>When the next instance is tried, while starts or instances keep failing; null when nothing has to wait.</summary>
    public DateTimeOffset? NextRetryAt { get; init; }

    /// <summary>Instances that did not get ready.</summary>
    public long StartFailures { get; init; }

    /// <summary>Instances that ended by themselves.</summary>
    public long Deaths { get; init; }

    /// <summary>Instances that were killed because they broke their contract, did not let go of a call, or did not answer a probe.</summary>
    public long Replaced { get; init; }

    /// <summary>The version whose instances are booting to take over; empty when no deployment is under way.</summary>
    public string NextVersion { get; init => field = value ?? ""; } = "";
}

/// <summary>One event of a function.</summary>
/// <param name="Description">What it is; no passwords.</param>
/// <param name="State"><c>ready</c>, or what is wrong.</param>
/// <param name="Next">When a schedule is due next.</param>
internal sealed record EventView(string Description, string State, DateTimeOffset? Next);

/// <summary>One sink of a function.</summary>
/// <param name="Description">What it is; no passwords.</param>
internal sealed record SinkView(string Description);

/// <summary>One running copy of a function.</summary>
internal sealed record InstanceView
{
    /// <summary>Its name in logs and metrics.</summary>
    public required string Id { get; init; }

    /// <summary><c>starting</c>, <c>idle</c>, <c>busy</c> or <c>draining</c>.</summary>
    public string State { get; init => field = value ?? ""; } = "";

    /// <summary>Calls that it is serving.</summary>
    public int InFlight { get; init; }

    /// <summary>When its start began.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When its last call ended; null before the first.</summary>
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>Short id of the version that it runs.</summary>
    public string Version { get; init => field = value ?? ""; } = "";

    /// <summary>Memory of everything in it.</summary>
    public long MemoryBytes { get; init; }
}

/// <summary>One line of the answer to <c>PUT /stint/v1/functions/{name}</c>.</summary>
internal sealed record DeployEventView
{
    /// <summary><c>step</c>: what happens now. <c>output</c>: a line of the build. <c>deployed</c> and <c>failed</c>: the last line.</summary>
    public required string Event { get; init; }

    /// <summary>The text of a step or of an output line.</summary>
    public string? Text { get; init; }

    /// <summary>With <c>deployed</c>: the function as it serves now.</summary>
    public FunctionView? Function { get; init; }

    /// <summary>With <c>failed</c>: why.</summary>
    public ErrorView? Error { get; init; }
}

/// <summary>The body of every refusal.</summary>
internal sealed record ErrorBodyView(ErrorView Error);

/// <summary>What went wrong.</summary>
/// <param name="Code">A fixed word for programs. <see cref="BadConfiguration"/> makes the command line exit with 78.</param>
/// <param name="Message">For people: what, why, what to do.</param>
internal sealed record ErrorView(string Code, string Message)
{
    /// <summary>The code of everything wrong with a <c>function.toml</c>.</summary>
    public const string BadConfiguration = "bad-configuration";
}

/// <summary><c>DELETE /stint/v1/functions</c>.</summary>
/// <param name="Removed">How many functions there were.</param>
internal sealed record RemovedView(int Removed);

/// <summary><c>POST /stint/v1/functions/{name}/notify</c>.</summary>
/// <param name="Representations">How many observed answers are asked for again; 0 when nobody observes the function.</param>
internal sealed record NotifiedView(int Representations);

/// <summary>One line of <c>GET /stint/v1/logs</c>.</summary>
internal sealed record LogLineView
{
    /// <summary>When it was written.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Full name of the function.</summary>
    public required string Function { get; init; }

    /// <summary>The instance; empty for a build.</summary>
    public string Instance { get; init => field = value ?? ""; } = "";

    /// <summary><c>stdout</c>, <c>stderr</c>, <c>system</c> or <c>build</c>.</summary>
    public string Stream { get; init => field = value ?? ""; } = "";

    /// <summary>The line, as the function wrote it.</summary>
    public string Text { get; init => field = value ?? ""; } = "";
}

/// <summary><c>GET /stint/v1/tokens</c>.</summary>
/// <param name="Subjects">By name.</param>
internal sealed record TokenListView(IReadOnlyList<TokenHolderView> Subjects);

/// <summary>Somebody who has a token for FunLess's API.</summary>
/// <param name="Name">The name.</param>
/// <param name="IsAdmin">May manage subjects.</param>
/// <param name="IssuedAt">When the token was made.</param>
/// <param name="ExpiresAt">From then on it is good no more.</param>
internal sealed record TokenHolderView(string Name, bool IsAdmin, DateTimeOffset IssuedAt, DateTimeOffset ExpiresAt);

/// <summary>Body of <c>POST /stint/v1/tokens</c>.</summary>
/// <param name="Name">The subject's name.</param>
internal sealed record TokenRequest(string? Name);

/// <summary>A token that was made.</summary>
/// <param name="Name">Whose it is.</param>
/// <param name="Token">The token.</param>
/// <param name="ExpiresAt">From then on it is good no more.</param>
internal sealed record TokenView(string Name, string Token, DateTimeOffset ExpiresAt);

/// <summary>Reading and writing of the views without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(DaemonView))]
[JsonSerializable(typeof(FunctionListView))]
[JsonSerializable(typeof(TopView))]
[JsonSerializable(typeof(FunctionDetailView))]
[JsonSerializable(typeof(DeployEventView))]
[JsonSerializable(typeof(ErrorBodyView))]
[JsonSerializable(typeof(RemovedView))]
[JsonSerializable(typeof(NotifiedView))]
[JsonSerializable(typeof(LogLineView))]
[JsonSerializable(typeof(TokenListView))]
[JsonSerializable(typeof(TokenRequest))]
[JsonSerializable(typeof(TokenView))]
[JsonSerializable(typeof(AsyncListView))]
[JsonSerializable(typeof(AsyncDetailsView))]
[JsonSerializable(typeof(AsyncCountView))]
internal sealed partial class ManagementJson : JsonSerializerContext;
