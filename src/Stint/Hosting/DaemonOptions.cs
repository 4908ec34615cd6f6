using System.Net;
using Stint.Cluster.Store;
using Stint.Functions;
using Stint.Network;

namespace Stint.Hosting;

/// <summary>
/// The settings of the daemon. Each has one name, in three spellings: <c>http-port</c> in <c>stint.toml</c>, <c>--http-port</c> as a flag, <c>STINT_HTTP_PORT</c> in the
/// environment. A flag beats the environment, which beats the file, which beats the default.
/// </summary>
internal sealed record DaemonOptions
{
    /// <summary><c>registry</c>: the folder of the functions. Default /var/lib/stint/functions as root, else ~/.local/share/stint/functions.</summary>
    public required string Registry { get; init; }

    /// <summary><c>state</c>: what the daemon keeps: built bundles, build cache, logs, token. Default /var/lib/stint/state as root, else ~/.local/share/stint/state.</summary>
    public required string State { get; init; }

    /// <summary><c>run</c>: what lives only as long as the daemon: sockets. Default /run/stint as root, else $XDG_RUNTIME_DIR/stint, else a folder of the state.</summary>
    public required string Run { get; init; }

    /// <summary><c>store</c>: the PostgreSQL database that gateways share, such as postgres://USER@HOST/DATABASE; the registry is then a mirror of it, STATE/mirror. Null = none.</summary>
    public StoreAddress? Store { get; init; }

    /// <summary><c>store-key</c>: the file with the key of the store's secrets, the same on every gateway; made for a new store. Default STATE/store.key.</summary>
    public string? StoreKey { get; init; }

    /// <summary><c>node-name</c>: this machine's name among those that share the store. Default: the host's name, as far as it is one.</summary>
    public string? NodeName { get; init; }

    /// <summary><c>core</c>: gateways whose worker this machine is; with any, it takes calls from them alone and keeps nothing but a cache. Empty = it is no worker of others.</summary>
    public IReadOnlyList<DnsEndPoint> Core { get; init; } = [];

    /// <summary>This machine is a worker of gateways, and nothing else.</summary>
    public bool RunsForGateways() => Core.Count > 0;

    /// <summary><c>join-token</c>: what lets this machine into the cluster at its first start, or the path of a file that holds it.</summary>
    public string? JoinToken { get; init; }

    /// <summary><c>labels</c>: what the operator says of this machine.</summary>
    public Dictionary<string, string> Labels { get; init; } = NoLabels;

    /// <summary><c>node-listen</c>: addresses of the endpoint for other machines of the cluster. Default all, IPv4 and IPv6.</summary>
    public IReadOnlyList<IPAddress> NodeListen { get; init; } = [IPAddress.IPv6Any];

    /// <summary><c>node-port</c>: TCP port of the endpoint for other machines of the cluster; −1 = a gateway has none.</summary>
    public int NodePort { get; init; } = Cluster.Transport.NodeAddress.DefaultPort;

    /// <summary><c>node-address</c>: where gateways reach this worker, with commas. Default: the address that its connection to a gateway comes from.</summary>
    public string? NodeAddress { get; init; }

    /// <summary><c>worker</c>: this gateway runs instances itself.</summary>
    public bool Worker { get; init; } = true;

    /// <summary><c>scheduling</c>: how a gateway chooses a worker for a call that names no script.</summary>
    public Cluster.Dispatch.SchedulingPolicy Scheduling { get; init; } = Cluster.Dispatch.SchedulingPolicy.WarmFirst;

    /// <summary><c>code-cache</c> (MiB): what functions' folders may take up on a worker.</summary>
    public int CodeCacheMiB { get; init; } = 4096;

    /// <summary><c>store-on-create</c> (also <c>STORE_ON_CREATE</c>, FunLess's): what is deployed is brought to all workers at once, not with the first call.</summary>
    public bool StoreOnCreate { get; init; } = true;

    /// <summary><c>prometheus</c>: the Prometheus server that says how loaded workers are, as in FunLess. Default none: they say it themselves.</summary>
    public Uri? Prometheus { get; init; }

    /// <summary><c>listen</c>: addresses of the invocation endpoints. Default all, IPv4 and IPv6.</summary>
    public IReadOnlyList<IPAddress> Listen { get; init; } = [IPAddress.IPv6Any];

    /// <summary><c>http-port</c> (also <c>HTTP_PORT</c>, <c>http_PORT</c>): −1 = off.</summary>
    public int HttpPort { get; init; } = 8000;

    /// <summary><c>coap-port</c> (also <c>COAP_PORT</c>, <c>coap_PORT</c>): UDP, −1 = off.</summary>
    public int CoapPort { get; init; } = 5683;

    /// <summary><c>grpc-port</c> (also <c>GRPC_PORT</c>, <c>grpc_PORT</c>): −1 = off.</summary>
    public int GrpcPort { get; init; } = 9000;

    /// <summary><c>coap-multicast</c>: answer discovery sent to the group of all CoAP nodes (224.0.1.187, ff02::fd).</summary>
    public bool CoapMulticast { get; init; }

    /// <summary><c>unifaas-port</c> (also <c>UNIFAAS_PORT</c>): −1 = off; the management endpoint serves <c>/invoke/…</c> anyway.</summary>
    public int UniFaasPort { get; init; } = -1;

    /// <summary><c>management-port</c> (also <c>MGMT_PORT</c>).</summary>
    public int ManagementPort { get; init; } = 8080;

    /// <summary><c>management-listen</c>: addresses of the management endpoint. Default the loopback of both families.</summary>
    public IReadOnlyList<IPAddress> ManagementListen { get; init; } = [IPAddress.Loopback, IPAddress.IPv6Loopback];

    /// <summary><c>token-file</c>: where the management token is kept; made at the first start. Default STATE/token.</summary>
    public string? TokenFile { get; init; }

    /// <summary><c>insecure</c>: no token even though the management endpoint is open to others.</summary>
    public bool Insecure { get; init; }

    /// <summary><c>basic-auth</c> (also <c>basic_auth</c>, OpenFaaS's): everything at the management endpoint but invocations and health wants credentials, from the loopback too.</summary>
    public bool BasicAuth { get; init; }

    /// <summary><c>secret-mount-path</c> (also <c>secret_mount_path</c>): the folder with the files <c>basic-auth-user</c> and <c>basic-auth-password</c>.</summary>
    public string SecretMountPath { get; init; } = "/run/secrets";

    /// <summary><c>openfaas-metrics-port</c>: where OpenFaaS's gateway has its metrics, 8082 there; −1 = off, they are at the management endpoint anyway.</summary>
    public int OpenFaasMetricsPort { get; init; } = -1;

    /// <summary><c>funless-port</c>: FunLess's API alone, at the addresses of the management endpoint; −1 = off, it is at the management endpoint anyway.</summary>
    public int FunLessPort { get; init; } = 4000;

    /// <summary><c>funless-auth</c>: FunLess's API wants a subject's token. Can be turned off only while the management endpoint is open to this host alone.</summary>
    public bool FunLessAuth { get; init; } = true;

    /// <summary><c>funless-token-file</c>: where the tokens of admin and guest are written for FunLess's command line. Default STATE/funless/tokens.</summary>
    public string? FunLessTokenFile { get; init; }

    /// <summary><c>isolation</c>: <c>sandbox</c> (default) or <c>none</c>.</summary>
    public Isolation Isolation { get; init; } = Isolation.Sandbox;

    /// <summary><c>backend</c> (also <c>TF_BACKEND</c>): what runs functions that have code: <c>process</c> (default) or <c>docker</c>. <c>swarm</c>: <c>[container]</c> functions are services of Docker Swarm, those that have code run in the process sandbox.</summary>
    public RuntimeBackend Backend { get; init; } = RuntimeBackend.Process;

    /// <summary><c>docker-host</c>: where the container engine listens, such as unix:///var/run/docker.sock. Default: DOCKER_HOST, then Docker's socket, then Podman's.</summary>
    public string? DockerHost { get; init; }

    /// <summary><c>docker-base</c>: for <c>backend = "docker"</c>, the images with the interpreters of the runtimes. Default for each: what <c>stint image build RUNTIME</c> makes.</summary>
    public IReadOnlyDictionary<Runtime, string> DockerBase { get; init; } = NoImages;

    /// <summary><c>swarm-network</c>: for <c>backend = "swarm"</c>, the attachable overlay network of all functions; made when it is absent.</summary>
    public string SwarmNetwork { get; init; } = "stint";

    /// <summary><c>swarm-reach</c>: for <c>backend = "swarm"</c>, how calls reach functions.</summary>
    public SwarmReach SwarmReach { get; init; }

    /// <summary><c>container-subnets</c>: where functions' container networks get their addresses; each function has a block of its own.</summary>
    public IReadOnlyList<IPNetwork> ContainerSubnets { get; init; } = [IPNetwork.Parse("10.101.0.0/16")];

    /// <summary><c>container-spares</c>: containers that are created ahead, not started, for each version of a <c>[container]</c> function in use; 0 = none.</summary>
    public int ContainerSpares { get; init; } = 1;

    /// <summary><c>container-starts</c>: containers that are created or started at a time.</summary>
    public int ContainerStarts { get; init; } = 4;

    /// <summary><c>callback-port</c>: where UniFaaS's guests say that they are ready, at the gateways of functions' networks only.</summary>
    public int CallbackPort { get; init; } = 3000;

    /// <summary><c>network-default</c>: what <c>network</c> is for functions that do not say: <c>outbound</c> (default) or <c>none</c>.</summary>
    public NetworkAccess NetworkDefault { get; init; } = NetworkAccess.Outbound;

    /// <summary><c>network-subnet</c>: where instances' addresses come from, four for each. Default 10.100.0.0/16; one that is given here must be free, or the daemon does not start.</summary>
    public Ipv4Subnet? NetworkSubnet { get; init; }

    /// <summary><c>network-dns</c>: name servers of instances, IPv4. Default those of the host.</summary>
    public IReadOnlyList<uint> NetworkDns { get; init; } = [];

    /// <summary><c>network-allow</c>: addresses and ports that instances may reach although they are this host's. Default none.</summary>
    public IReadOnlyList<AllowedTarget> NetworkAllow { get; init; } = [];

    /// <summary><c>network-stock</c>: networks for process functions, and taps for virtual machines, that are made ahead once that kind is in use.</summary>
    public int NetworkStock { get; init; } = 4;

    /// <summary><c>vm-folder</c>: where virtual machines' own files are while they run. Default <c>faas</c> in the folder for temporary files, as UniFaaS has it.</summary>
    public string? VmFolder { get; init; }

    /// <summary><c>kvm</c>: whether virtual machines use KVM.</summary>
    public KvmUse Kvm { get; init; }

    /// <summary><c>qemu</c>: the program. Default: qemu-system-x86_64 of the system's folders, then PATH.</summary>
    public string? Qemu { get; init; }

    /// <summary><c>firecracker</c> (also <c>FIRECRACKER_EXE</c>): the program. Default: that of the system's folders, then PATH.</summary>
    public string? Firecracker { get; init; }

    /// <summary><c>jailer</c>: Firecracker's jailer. Default: that of the system's folders, then PATH.</summary>
    public string? Jailer { get; init; }

    /// <summary><c>wasm-runners</c>: processes that stay ready for WebAssembly functions, once there is one; 0 = one for each core and one more.</summary>
    public int WasmRunners { get; init; }

    /// <summary><c>wasm-runners-max</c>: such processes at most, and so calls at a time; 0 = four for each core, at least 8.</summary>
    public int WasmRunnersMax { get; init; }

    /// <summary><c>wasm-memory</c> (MiB): memory of one such process, with all that is in it.</summary>
    public int WasmMemoryMiB { get; init; } = 512;

    /// <summary><c>sink-folder</c>: where sinks of the type <c>file</c> write. Default STATE/sinks.</summary>
    public string? SinkFolder { get; init; }

    /// <summary><c>leave-seconds</c>: how long calls are still taken after SIGTERM, while <c>/readyz</c> says no already.</summary>
    public int LeaveSeconds { get; init; }

    /// <summary><c>drain-seconds</c>: how long running calls may go on after SIGTERM.</summary>
    public int DrainSeconds { get; init; } = 10;

    /// <summary><c>max-body</c> (MiB): the largest request body; 413 beyond.</summary>
    public int MaxBodyMiB { get; init; } = 64;

    /// <summary><c>grpc-max-message</c> (MiB): the longest gRPC message, in either direction; RESOURCE_EXHAUSTED beyond. Default 4, as in gRPC's own libraries.</summary>
    public int GrpcMaxMessageMiB { get; init; } = 4;

    /// <summary><c>async-disk</c> (MiB): what asynchronous calls and results on their way may take up on disk; a function half of it.</summary>
    public int AsyncDiskMiB { get; init; } = 1024;

    /// <summary><c>async-max-waiting</c>: asynchronous calls of one function that may wait.</summary>
    public int AsyncMaxWaiting { get; init; } = 100_000;

    /// <summary><c>async-concurrency</c>: asynchronous calls of all functions that run at a time.</summary>
    public int AsyncConcurrency { get; init; } = 64;

    /// <summary><c>async-max-result</c> (MiB): the longest answer that goes to a callback or a sink.</summary>
    public int AsyncMaxResultMiB { get; init; } = 4;

    /// <summary><c>async-retries</c>: <c>retries</c> of functions that do not say.</summary>
    public int AsyncRetries { get; init; }

    /// <summary><c>async-backoff</c> (seconds): <c>backoff</c> of functions that do not say.</summary>
    public TimeSpan AsyncBackoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary><c>async-max-age</c> (seconds): <c>max-age</c> of functions that do not say.</summary>
    public TimeSpan AsyncMaxAge { get; init; } = TimeSpan.FromDays(1);

    /// <summary><c>async-keep-ids</c> (seconds): how long callers' own <c>X-Call-Id</c>s are remembered after their calls were done.</summary>
    public TimeSpan AsyncKeepIds { get; init; } = TimeSpan.FromHours(1);

    /// <summary><c>async-keep-dead</c> (seconds): how long dead letters are kept.</summary>
    public TimeSpan AsyncKeepDead { get; init; } = TimeSpan.FromDays(7);

    /// <summary><c>callback-allow</c>: addresses or networks that <c>X-Callback-Url</c> may lead to although they are this host's own or link-local. Default none.</summary>
    public IReadOnlyList<IPNetwork> CallbackAllow { get; init; } = [];

    /// <summary><c>trusted-proxies</c>: addresses or networks of proxies before this daemon whose <c>Forwarded</c> and <c>X-Forwarded-…</c> headers functions may see. Default none.</summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary><c>max-upload</c> (MiB): the largest function upload.</summary>
    public int MaxUploadMiB { get; init; } = 64;

    /// <summary><c>allow-local-urls</c>: let <c>/uploadURL</c> fetch from this host itself and from link-local addresses.</summary>
    public bool AllowLocalUrls { get; init; }

    /// <summary><c>build-timeout</c> (seconds): the longest a build step may take.</summary>
    public int BuildTimeoutSeconds { get; init; } = 600;

    /// <summary><c>memory-budget</c> (MiB): what all instances together may be promised; 0 = three quarters of the host's memory.</summary>
    public int MemoryBudgetMiB { get; init; }

    /// <summary><c>instance-budget</c>: instances of all functions together; 0 = 500.</summary>
    public int InstanceBudget { get; init; }

    /// <summary><c>spares</c>: blank, sandboxed interpreters that wait for a function, for each kind of runtime in use; 0 = none.</summary>
    public int Spares { get; init; } = 1;

    /// <summary><c>empty-sandboxes</c>: sandboxes with nothing in them that wait for an interpreter, for each kind of runtime in use; 0 = none.</summary>
    public int EmptySandboxes { get; init; } = 1;

    /// <summary><c>log-level</c>: error, warn, info, debug or trace.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary><c>log-format</c>: text or json.</summary>
    public LogFormat LogFormat { get; init; } = LogFormat.Text;

    /// <summary><c>function-log-size</c> (MiB): a function's log is rotated at this size, one old file is kept.</summary>
    public int FunctionLogMiB { get; init; } = 4;

    /// <summary><c>python3</c>: the interpreter of python3 and binary functions. Default: /usr/bin/python3, then PATH.</summary>
    public string? Python3 { get; init; }

    /// <summary><c>nodejs</c>: the interpreter of nodejs functions. Default: /usr/bin/node, then PATH.</summary>
    public string? NodeJs { get; init; }

    private static readonly Dictionary<string, string> NoLabels = [];

    private static readonly IReadOnlyDictionary<Runtime, string> NoImages = new Dictionary<Runtime, string>();
}

/// <summary>What runs functions that have code.</summary>
internal enum RuntimeBackend
{
    /// <summary>Processes of this host, in the sandbox.</summary>
    Process,

    /// <summary>Containers of an engine.</summary>
    Docker,

    /// <summary>As <see cref="Process"/>; functions of an image are services of Docker Swarm.</summary>
    Swarm,
}

/// <summary>How calls reach functions that are services of a swarm.</summary>
internal enum SwarmReach
{
    /// <summary>Over the network from a daemon that is in it; else over ports that nodes publish.</summary>
    Auto,

    /// <summary>Over the network; no node publishes a port.</summary>
    Overlay,
}

/// <summary>When virtual machines use KVM.</summary>
internal enum KvmUse
{
    /// <summary>When a tiny guest has shown that it runs guests.</summary>
    Probe,

    /// <summary>Without looking.</summary>
    Always,

    /// <summary>QEMU interprets guests.</summary>
    Never,
}

/// <summary>How functions are kept apart from the host.</summary>
internal enum Isolation
{
    /// <summary>Every instance in its own sandbox; without one the daemon runs nothing.</summary>
    Sandbox,

    /// <summary>Plain processes of the daemon's user. For trusted code on hosts that have no sandbox.</summary>
    None,
}

/// <summary>The form of the daemon's own log.</summary>
internal enum LogFormat
{
    /// <summary>One readable line an event.</summary>
    Text,

    /// <summary>One JSON object an event.</summary>
    Json,
}
