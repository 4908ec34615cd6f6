using Stint.Functions;
using Stint.Functions.Toml.Settings;

namespace Stint.Hosting.Configuration;

/// <summary>Every option of the daemon, once. The loader, <c>--help</c> and docs/configuration.md come from here.</summary>
internal static class DaemonOptionTable
{
    /// <summary>Variables that begin with <c>STINT_</c> and are no options of the daemon: the configuration file's path.</summary>
    public const string ConfigVariable = "STINT_CONFIG";

    /// <summary>All such variables: that path, what the launcher says, and what the other commands read.</summary>
    public static IReadOnlyList<string> OtherVariables { get; } = [ConfigVariable, "STINT_ROOT", "STINT_MANAGEMENT", "STINT_TOKEN"];

    /// <summary>The flag that names the configuration file, without dashes.</summary>
    public const string ConfigFlag = "config";

    private static readonly DaemonOptions Defaults = new() { Registry = "", State = "", Run = "" };

    /// <summary>All options, in the order of <c>--help</c> and of the page.</summary>
    public static IReadOnlyList<DaemonOption> All { get; } =
    [
        Option("registry", new PathKind(), o => o.Registry, (o, v) => o with { Registry = v },
            "Folder of the functions.", "/var/lib/stint/functions as root, else ~/.local/share/stint/functions") with { Short = "-r" },
        Option("state", new PathKind(), o => o.State, (o, v) => o with { State = v },
            "Folder of what the daemon keeps: built bundles, build cache, logs, token.", "/var/lib/stint/state as root, else ~/.local/share/stint/state"),
        Option("run", new PathKind(), o => o.Run, (o, v) => o with { Run = v },
            "Folder of what lives only as long as the daemon: sockets.", "/run/stint as root, else $XDG_RUNTIME_DIR/stint, else the folder `run` of the state"),
        Option("store", new StoreAddressKind(), o => o.Store, (o, v) => o with { Store = v },
            "The PostgreSQL database that several gateways share; the registry is then a mirror of it in the folder `mirror` of the state.", "none: the folder `registry` alone"),
        Option("store-key", new PathKind(), o => o.StoreKey, (o, v) => o with { StoreKey = v },
            "File with the key that the store's secrets are sealed with, the same on every gateway; made for a new store.", "the file `store.key` of the state"),
        Option("node-name", new NodeNameKind(), o => o.NodeName, (o, v) => o with { NodeName = v },
            "This machine's name among those that share the store.", "the host's name, lower-case, with - for every other character"),
        Option("prometheus", new PrometheusAddressKind(), o => o.Prometheus, (o, v) => o with { Prometheus = v },
            "The Prometheus server that says how much memory workers have left, as in FunLess: a host (port 9090), HOST:PORT, or a URL.", "workers say it themselves", "PROMETHEUS_HOST"),
        Option("listen", new AddressListKind(), o => o.Listen, (o, v) => o with { Listen = v },
            "Addresses of the invocation endpoints."),
        Option("http-port", Port(-1), o => o.HttpPort, (o, v) => o with { HttpPort = v },
            "TCP port of the HTTP endpoint.", null, "HTTP_PORT", "http_PORT"),
        Option("coap-port", Port(-1), o => o.CoapPort, (o, v) => o with { CoapPort = v },
            "UDP port of the CoAP endpoint.", null, "COAP_PORT", "coap_PORT"),
        Option("coap-multicast", new BooleanKind(), o => o.CoapMulticast, (o, v) => o with { CoapMulticast = v },
            "Answer CoAP discovery that is sent to the group of all CoAP nodes (224.0.1.187, ff02::fd)."),
        Option("grpc-port", Port(-1), o => o.GrpcPort, (o, v) => o with { GrpcPort = v },
            "TCP port of the gRPC endpoint.", null, "GRPC_PORT", "grpc_PORT"),
        Option("unifaas-port", Port(-1), o => o.UniFaasPort, (o, v) => o with { UniFaasPort = v },
            "TCP port of UniFaaS's endpoint /invoke/FUNCTION/PATH alone, 8123 as a rule; the management endpoint has it anyway.", null, "UNIFAAS_PORT"),
        Option("management-port", Port(0), o => o.ManagementPort, (o, v) => o with { ManagementPort = v },
            "TCP port of the management endpoint.", null, "MGMT_PORT"),
        Option("management-listen", new AddressListKind(), o => o.ManagementListen, (o, v) => o with { ManagementListen = v },
            "Addresses of the management endpoint; beyond the loopback it wants the token."),
        Option("token-file", new PathKind(), o => o.TokenFile, (o, v) => o with { TokenFile = v },
            "Where the management token is kept; made at the first start.", "the file `token` of the state"),
        Option("insecure", new BooleanKind(), o => o.Insecure, (o, v) => o with { Insecure = v },
            "No token even though the management endpoint is open to others."),
        Option("basic-auth", new BooleanKind(), o => o.BasicAuth, (o, v) => o with { BasicAuth = v },
            "The management endpoint wants credentials from everybody: the token, or user and password out of `secret-mount-path`.", null, "basic_auth"),
        Option("secret-mount-path", new PathKind(), o => o.SecretMountPath, (o, v) => o with { SecretMountPath = v },
            "Folder of the files `basic-auth-user` and `basic-auth-password`, for `basic-auth`.", null, "secret_mount_path"),
        Option("openfaas-metrics-port", Port(-1), o => o.OpenFaasMetricsPort, (o, v) => o with { OpenFaasMetricsPort = v },
            "TCP port that has OpenFaaS's metrics alone, 8082 as a rule, at the addresses of `management-listen`; the management endpoint has them anyway."),
        Option("funless-port", Port(-1), o => o.FunLessPort, (o, v) => o with { FunLessPort = v },
            "TCP port of FunLess's API alone, at the addresses of `management-listen`; the management endpoint has it anyway."),
        Option("funless-auth", new BooleanKind(), o => o.FunLessAuth, (o, v) => o with { FunLessAuth = v },
            "FunLess's API wants a subject's token; `false` only while `management-listen` is the loopback."),
        Option("funless-token-file", new PathKind(), o => o.FunLessTokenFile, (o, v) => o with { FunLessTokenFile = v },
            "Where the tokens of FunLess's admin and guest are written, for its command line to read.", "the file `funless/tokens` of the state"),
        Option("isolation", new WordKind<Isolation>(("sandbox", Isolation.Sandbox), ("none", Isolation.None)), o => o.Isolation, (o, v) => o with { Isolation = v },
            "`sandbox`: every instance in its own, and without one the daemon runs nothing; `none`: plain processes, for trusted code only."),
        Option("backend", new WordKind<RuntimeBackend>(("process", RuntimeBackend.Process), ("docker", RuntimeBackend.Docker), ("swarm", RuntimeBackend.Swarm)), o => o.Backend, (o, v) => o with { Backend = v },
            "What runs functions that have code: `process`: the process sandbox; `docker`: containers, as in tinyFaaS; `swarm`: the sandbox as well, and `[container]` functions are services of Docker Swarm.", null, "TF_BACKEND"),
        Option("docker-host", new TextKind("an address such as unix:///var/run/docker.sock"), o => o.DockerHost, (o, v) => o with { DockerHost = v },
            "Where the container engine listens.", "`DOCKER_HOST`, then Docker's socket, then Podman's"),
        Option("docker-base", new BaseImagesKind(), o => o.DockerBase, (o, v) => o with { DockerBase = v },
            "Images with the interpreters, for `backend = \"docker\"`; in a flag or a variable: python3=IMAGE,nodejs=IMAGE.", "for each runtime what `stint image build` makes of this host's own"),
        Option("swarm-network", new TextKind("the name of a network"), o => o.SwarmNetwork, (o, v) => o with { SwarmNetwork = v },
            "For `backend = \"swarm\"`, the attachable overlay network of all functions; made when it is absent."),
        Option("swarm-reach", new WordKind<SwarmReach>(("auto", SwarmReach.Auto), ("overlay", SwarmReach.Overlay)), o => o.SwarmReach, (o, v) => o with { SwarmReach = v },
            "For `backend = \"swarm\"`, how calls reach functions: `auto`: over `swarm-network` when the daemon is in a container of it, else over ports that nodes publish; `overlay`: no port is ever published."),
        Option("container-subnets", new SubnetListKind(), o => o.ContainerSubnets, (o, v) => o with { ContainerSubnets = v },
            "Where the networks of `[container]` functions get their addresses; each function has a block of its own."),
        Option("container-spares", new IntegerKind(0, 64), o => o.ContainerSpares, (o, v) => o with { ContainerSpares = v },
            "Containers that are created ahead, not started, for each version of a `[container]` function in use; 0 = none."),
        Option("container-starts", new IntegerKind(1, 256), o => o.ContainerStarts, (o, v) => o with { ContainerStarts = v },
            "Containers that are created or started at a time; others wait for their turn."),
        Option("callback-port", new IntegerKind(1, 65_535), o => o.CallbackPort, (o, v) => o with { CallbackPort = v },
            "Where UniFaaS's guests say that they are ready: TCP, at the gateways of functions' networks only."),
        Option("network-default", new WordKind<NetworkAccess>(("outbound", NetworkAccess.Outbound), ("none", NetworkAccess.None)), o => o.NetworkDefault, (o, v) => o with { NetworkDefault = v },
            "What `network` is for process functions that do not say."),
        Option("network-subnet", new SubnetKind(), o => o.NetworkSubnet, (o, v) => o with { NetworkSubnet = v },
            "Where instances' addresses come from, four for each; it must not collide with a route of the host.", "\"10.100.0.0/16\""),
        Option("network-dns", new NameServersKind(), o => o.NetworkDns, (o, v) => o with { NetworkDns = v },
            "Name servers of functions.", "those of the host"),
        Option("network-allow", new AllowedTargetsKind(), o => o.NetworkAllow, (o, v) => o with { NetworkAllow = v },
            "Addresses with a port that functions may reach, over TCP and UDP, although they are this host's.", "none"),
        Option("network-stock", new IntegerKind(0, 1000), o => o.NetworkStock, (o, v) => o with { NetworkStock = v },
            "Networks of process functions, and taps of virtual machines, that are made ahead; each kind once it is in use."),
        Option("vm-folder", new PathKind(), o => o.VmFolder, (o, v) => o with { VmFolder = v },
            "Where virtual machines' own files are while they run: disks, consoles, sockets.", "`faas` in the folder for temporary files (`TMPDIR`), as UniFaaS has it"),
        Option("kvm", new WordKind<KvmUse>(("probe", KvmUse.Probe), ("always", KvmUse.Always), ("never", KvmUse.Never)), o => o.Kvm, (o, v) => o with { Kvm = v },
            "Whether virtual machines use KVM: `probe`: when a tiny guest has shown that it works; `always`: without looking; `never`: QEMU interprets them."),
        Option("qemu", new PathKind(PathTarget.Program), o => o.Qemu, (o, v) => o with { Qemu = v },
            "The QEMU of `[vm]` functions.", "qemu-system-x86_64 of the system's folders, then PATH"),
        Option("firecracker", new PathKind(PathTarget.Program), o => o.Firecracker, (o, v) => o with { Firecracker = v },
            "The Firecracker of `[vm]` functions.", "firecracker of the system's folders, then PATH", "FIRECRACKER_EXE"),
        Option("jailer", new PathKind(PathTarget.Program), o => o.Jailer, (o, v) => o with { Jailer = v },
            "Firecracker's jailer, for functions that ask for it.", "jailer of the system's folders, then PATH"),
        Option("wasm-runners", new IntegerKind(0, 256), o => o.WasmRunners, (o, v) => o with { WasmRunners = v },
            "Sandboxed processes that stay ready for the calls of all WebAssembly functions, once there is one (50 MiB each); 0 = one for each core and one more."),
        Option("wasm-runners-max", new IntegerKind(0, 1024), o => o.WasmRunnersMax, (o, v) => o with { WasmRunnersMax = v },
            "Such processes at most, and so calls of WebAssembly functions at a time; 0 = four for each core, at least 8."),
        Option("wasm-memory", new IntegerKind(256, 1_048_576, " (MiB)"), o => o.WasmMemoryMiB, (o, v) => o with { WasmMemoryMiB = v },
            "Memory of one such process: the call's, its answer's, and 192 MiB for Node.js and compiled modules."),
        Option("sink-folder", new PathKind(), o => o.SinkFolder, (o, v) => o with { SinkFolder = v },
            "Folder of the files that sinks of the type `file` write.", "the folder `sinks` of the state"),
        Option("drain-seconds", new IntegerKind(0, 3600, " (seconds)"), o => o.DrainSeconds, (o, v) => o with { DrainSeconds = v },
            "How long running calls may go on after SIGTERM."),
        Option("max-body", new IntegerKind(1, 65_536, " (MiB)"), o => o.MaxBodyMiB, (o, v) => o with { MaxBodyMiB = v },
            "The largest request body; more is answered 413."),
        Option("grpc-max-message", new IntegerKind(1, 1024, " (MiB)"), o => o.GrpcMaxMessageMiB, (o, v) => o with { GrpcMaxMessageMiB = v },
            "The longest gRPC message, in either direction; more is answered RESOURCE_EXHAUSTED."),
        Option("async-disk", new IntegerKind(1, 1_048_576, " (MiB)"), o => o.AsyncDiskMiB, (o, v) => o with { AsyncDiskMiB = v },
            "What asynchronous calls, dead letters and results on their way may take up on disk, together; one function's half of it."),
        Option("async-max-waiting", new IntegerKind(1, 10_000_000), o => o.AsyncMaxWaiting, (o, v) => o with { AsyncMaxWaiting = v },
            "Asynchronous calls of one function that may wait; more are refused."),
        Option("async-concurrency", new IntegerKind(1, 10_000), o => o.AsyncConcurrency, (o, v) => o with { AsyncConcurrency = v },
            "Asynchronous calls of all functions that run at a time."),
        Option("async-max-result", new IntegerKind(1, 256, " (MiB)"), o => o.AsyncMaxResultMiB, (o, v) => o with { AsyncMaxResultMiB = v },
            "The longest answer that goes to a callback or a sink."),
        Option("async-retries", new IntegerKind(0, 1000), o => o.AsyncRetries, (o, v) => o with { AsyncRetries = v },
            "How often an asynchronous call is run again that the function itself failed; `[async] retries` of a function goes before it."),
        Option("async-backoff", new SecondsKind(0.001, 3600), o => o.AsyncBackoff, (o, v) => o with { AsyncBackoff = v },
            "The wait before an asynchronous call's second try, which then doubles; `[async] backoff` goes before it."),
        Option("async-max-age", new SecondsKind(1, 30 * 24 * 3600), o => o.AsyncMaxAge, (o, v) => o with { AsyncMaxAge = v },
            "Asynchronous calls that are older are not tried again; `[async] max-age` goes before it."),
        Option("async-keep-ids", new SecondsKind(0, 30 * 24 * 3600), o => o.AsyncKeepIds, (o, v) => o with { AsyncKeepIds = v },
            "How long a caller's own X-Call-Id is remembered after its asynchronous call was done: the same call is not run again that long."),
        Option("async-keep-dead", new SecondsKind(0, 365 * 24 * 3600), o => o.AsyncKeepDead, (o, v) => o with { AsyncKeepDead = v },
            "How long dead letters are kept, 1,000 of a function at most."),
        Option("callback-allow", new NetworkListKind(), o => o.CallbackAllow, (o, v) => o with { CallbackAllow = v },
            "Addresses or networks that X-Callback-Url may lead to although they are this host's own or link-local."),
        Option("trusted-proxies", new NetworkListKind(), o => o.TrustedProxies, (o, v) => o with { TrustedProxies = v },
            "Proxies before this daemon, by address or network, whose `Forwarded` and `X-Forwarded-…` headers are passed on to functions; other callers' are replaced."),
        Option("max-upload", new IntegerKind(1, 65_536, " (MiB)"), o => o.MaxUploadMiB, (o, v) => o with { MaxUploadMiB = v },
            "The largest function upload."),
        Option("allow-local-urls", new BooleanKind(), o => o.AllowLocalUrls, (o, v) => o with { AllowLocalUrls = v },
            "Let tinyFaaS's /uploadURL fetch from this host itself and from link-local addresses."),
        Option("build-timeout", new IntegerKind(1, 86_400, " (seconds)"), o => o.BuildTimeoutSeconds, (o, v) => o with { BuildTimeoutSeconds = v },
            "The longest a build step may take."),
        Option("memory-budget", new IntegerKind(0, 67_108_864, " (MiB)"), o => o.MemoryBudgetMiB, (o, v) => o with { MemoryBudgetMiB = v },
            "What all instances together may be promised; 0 = three quarters of the host's memory."),
        Option("instance-budget", new IntegerKind(0, 100_000), o => o.InstanceBudget, (o, v) => o with { InstanceBudget = v },
            "Instances of all functions together; 0 = 500."),
        Option("spares", new IntegerKind(0, 64), o => o.Spares, (o, v) => o with { Spares = v },
            "Blank, sandboxed interpreters that wait for a function, for each kind of runtime in use: they make cold starts quick and cost a few MiB each (Node.js 40); 0 = none."),
        Option("empty-sandboxes", new IntegerKind(0, 64), o => o.EmptySandboxes, (o, v) => o with { EmptySandboxes = v },
            "Sandboxes with no interpreter in them that wait, for each kind of runtime in use, for a cold start that finds no spare: half a MiB each; 0 = none."),
        Option("log-level", new WordKind<LogLevel>(("error", LogLevel.Error), ("warn", LogLevel.Warning), ("info", LogLevel.Information), ("debug", LogLevel.Debug), ("trace", LogLevel.Trace)),
            o => o.LogLevel, (o, v) => o with { LogLevel = v }, "The least that the daemon logs.") with { Short = "-l" },
        Option("log-format", new WordKind<LogFormat>(("text", LogFormat.Text), ("json", LogFormat.Json)), o => o.LogFormat, (o, v) => o with { LogFormat = v },
            "One readable line or one JSON object an event."),
        Option("function-log-size", new IntegerKind(1, 1024, " (MiB)"), o => o.FunctionLogMiB, (o, v) => o with { FunctionLogMiB = v },
            "A function's log is rotated at this size; one old file is kept."),
        Option("python3", new PathKind(PathTarget.Program), o => o.Python3, (o, v) => o with { Python3 = v },
            "The interpreter of python3 and binary functions.", "/usr/bin/python3, then PATH"),
        Option("nodejs", new PathKind(PathTarget.Program), o => o.NodeJs, (o, v) => o with { NodeJs = v },
            "The interpreter of nodejs functions.", "/usr/bin/node, then PATH"),
    ];

    /// <summary>The option of that name.</summary>
    public static DaemonOption? Find(string name) => All.FirstOrDefault(o => o.Name == name);

    /// <summary>The options as the keys of <c>stint.toml</c>.</summary>
    public static Section<DaemonOptions> File { get; } = new("", [.. All.Select(o => o.Setting)]);

    private static IntegerKind Port(int least) => new(least, 65_535, least < 0 ? " (-1 = off, 0 = any free one)" : " (0 = any free one)");

    private static DaemonOption Option<T>(
        string name, ValueKind<T> kind, Func<DaemonOptions, T?> get, Func<DaemonOptions, T, DaemonOptions> set, string help, string? defaultText = null, params string[] variables) =>
        new(new Setting<DaemonOptions, T>(name, kind, get, set, Defaults, help, defaultText), variables);
}
