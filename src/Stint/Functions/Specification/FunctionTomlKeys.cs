using Stint.Functions.Toml.Settings;

namespace Stint.Functions.Specification;

/// <summary>Every key of <c>function.toml</c>, once: name, values, default, meaning. The reader, the writer, the suggestions and docs/function-toml.md come from here.</summary>
internal static class FunctionTomlKeys
{
    private static readonly FunctionSpec Defaults = new();
    private static readonly ProcessSpec ProcessDefaults = new() { Runtime = Runtime.Python3 };
    private static readonly ContainerSpec ContainerDefaults = new() { Image = "none" };
    private static readonly VmSpec VmDefaults = new() { Kernel = "none" };
    private static readonly WasmSpec WasmDefaults = new();

    /// <summary>30 days: a .NET timer holds at most 49 (2^32 ms), and who wants more wants -1.</summary>
    private const double MaxKeepAlive = 30 * 24 * 3600;

    /// <summary>Keys at the top of the file.</summary>
    public static Section<FunctionSpec> Function { get; } = new("",
    [
        Key("concurrent-requests", new IntegerKind(1, 1000), s => s.ConcurrentRequests, (s, v) => s with { ConcurrentRequests = v },
            "Requests that one instance serves at a time."),
        Key("single-use", new BooleanKind(), s => s.SingleUse, (s, v) => s with { SingleUse = v },
            "An instance serves exactly one request and goes."),
        Key("keepalive", new SecondsKind(0, MaxKeepAlive, mayBeForEver: true), s => s.KeepAlive, (s, v) => s with { KeepAlive = v },
            "How long an idle instance is kept after its last request completed; 0 = not at all."),
        Key("min-instances", new IntegerKind(0, 1000), s => s.MinInstances, (s, v) => s with { MinInstances = v },
            "Instances kept warm from deployment on."),
        Key("max-instances", new IntegerKind(1, 1000), s => s.MaxInstances, (s, v) => s with { MaxInstances = v },
            "Never more instances than so many at a time.", "twice the host's cores, at least 4, at least `min-instances`"),
        Key("scale-by", new WordKind<ScalingMeasure>(("demand", ScalingMeasure.Demand), ("rps", ScalingMeasure.Rps), ("capacity", ScalingMeasure.Capacity), ("cpu", ScalingMeasure.Cpu)), s => s.ScaleBy, (s, v) => s with { ScaleBy = v },
            "What else keeps instances ready besides calls that wait: calls a second (`rps`), calls at a time (`capacity`), thousandths of a processor (`cpu`); see scaling.md."),
        Key("scale-target", new NumberKind(0.001, 1_000_000), s => s.ScaleTarget, (s, v) => s with { ScaleTarget = v },
            "The load that one instance is to carry, in the unit of `scale-by`."),
        Key("scale-proportion", new NumberKind(0.01, 1), s => s.ScaleProportion, (s, v) => s with { ScaleProportion = v },
            "The part of `scale-target` that is planned with."),
        Key("timeout", new SecondsKind(0.001, 86_400), s => s.Timeout, (s, v) => s with { Timeout = v },
            "The longest a call may take once it runs."),
        Key("boot-timeout", new SecondsKind(0.001, 3600), s => s.BootTimeout, (s, v) => s with { BootTimeout = v },
            "The longest an instance may take to get ready."),
        Key("health-interval", new SecondsKind(0, 86_400), s => s.HealthInterval, (s, v) => s with { HealthInterval = v },
            "An instance that has been idle for so long is asked whether it still answers, and again after as long; 0 = never."),
        Key("health-timeout", new SecondsKind(0.001, 3600), s => s.HealthTimeout, (s, v) => s with { HealthTimeout = v },
            "An instance that has not answered that question by then is killed, and replaced if it is needed."),
        Key("max-queue", new IntegerKind(0, 1_000_000), s => s.MaxQueue, (s, v) => s with { MaxQueue = v },
            "Calls that may wait for an instance; more are refused at once."),
        Key("queue-timeout", new OptionalKind<TimeSpan>(new SecondsKind(0, 3600)), s => s.OwnQueueTimeout, (s, v) => s with { OwnQueueTimeout = v },
            "The longest a call waits for an instance.", "5, and for a call whose instance is being started, until that has ended; with `[vm]`, 5 after `boot-timeout`"),
        Key("ahead", new IntegerKind(0, 100), s => s.Ahead, (s, v) => s with { Ahead = v },
            "Successors of a `single-use` instance that are started before they are needed."),
        Key("observe", new SecondsKind(0, 86_400, mayBeForEver: true), s => s.Observe, (s, v) => s with { Observe = v },
            "CoAP clients may observe the function and get a fresh answer this often, at least every 0.1; 0 = they may not; -1: only after `stint notify`."),
        Key("tag", new TextKind(), s => s.Tag, (s, v) => s with { Tag = v },
            "Selects the function's entry in a scheduling script (scheduling.md).", "the entry `default`"),
        Key("capacity", new OptionalKind<int>(new IntegerKind(0, int.MaxValue, " (KiB)")), s => s.CapacityKiB, (s, v) => s with { CapacityKiB = v },
            "The memory that scheduling counts a call of the function with; no limit.", "64"),
        Key("secrets", new SecretNamesKind(), s => s.Secrets, (s, v) => s with { Secrets = v },
            "Secrets of the function's module that it may read, each in the file `/var/openfaas/secrets/NAME`.", "none"),
        Key("constraints", new TextListKind(), s => s.Constraints, (s, v) => s with { Constraints = v },
            "Where OpenFaaS's clients want the function to run; with `backend = \"swarm\"` placement constraints; else only shown, there is one machine.", "none"),
        Key("env", new TextTableKind(TextNames.Variables), s => s.Env, (s, v) => s with { Env = v },
            "Environment variables of the function, at most 60,000 bytes.", "empty"),
        Key("labels", new TextTableKind(TextNames.Any), s => s.Labels, (s, v) => s with { Labels = v },
            "Free words for other tools; Stint only shows them.", "empty"),
        Key("annotations", new TextTableKind(TextNames.Any), s => s.Annotations, (s, v) => s with { Annotations = v },
            "More free words, which OpenFaaS's clients keep apart from labels.", "empty"),
        Key("requests", new TextTableKind(TextNames.Any), s => s.Requests, (s, v) => s with { Requests = v },
            "Resources that OpenFaaS's clients ask to be set aside; with `backend = \"swarm\"` a node must have `memory` and `cpu` free, else only shown.", "empty"),
        Key("event", new EventsKind(), s => s.Events, (s, v) => s with { Events = v },
            "What calls the function besides its callers, see below.", "none"),
        Key("sink", new SinksKind(), s => s.Sinks, (s, v) => s with { Sinks = v },
            "Where the results of successful calls go, see below.", "none"),
        Key("async", new TableKind<AsyncSpec>(AsyncKeys.Section, new AsyncSpec()), s => s.Async, (s, v) => s with { Async = v },
            "How asynchronous calls are run, see below.", "none"),
    ]);

    /// <summary>Keys of <c>[process]</c>.</summary>
    public static Section<ProcessSpec> Process { get; } = new("process",
    [
        new Setting<ProcessSpec, Runtime>("runtime", new WordKind<Runtime>(("python3", Runtime.Python3), ("nodejs", Runtime.NodeJs), ("binary", Runtime.Binary)),
            s => s.Runtime, (s, v) => s with { Runtime = v }, ProcessDefaults, "The language; `binary` runs `fn.sh` once per call.") { IsRequired = true },
        ProcessKey("memory", new IntegerKind(16, 1_048_576, " (MiB)"), s => s.MemoryMiB, (s, v) => s with { MemoryMiB = v },
            "Limit of one instance, everything in it and its `/tmp` included."),
        ProcessKey("cpus", new NumberKind(0, 1024), s => s.Cpus, (s, v) => s with { Cpus = v },
            "Cores that one instance may use on average; 0 = no limit."),
        ProcessKey("pids", new IntegerKind(4, 32_768), s => s.Pids, (s, v) => s with { Pids = v },
            "Processes and threads of one instance."),
        ProcessKey("network", new WordKind<NetworkAccess?>(("outbound", NetworkAccess.Outbound), ("none", NetworkAccess.None), ("host", NetworkAccess.Host)), s => s.Network, (s, v) => s with { Network = v },
            "`outbound`: the world, but neither this host nor other functions ([network.md](network.md)); `none`: no network at all, not even the host's loopback; `host`: the host's own.",
            "`\"outbound\"` where the host can give it, else `\"none\"`; `network-default` changes that"),
        ProcessKey("tmp", new IntegerKind(1, 1_048_576, " (MiB)"), s => s.TmpMiB, (s, v) => s with { TmpMiB = v },
            "Size of the instance's private `/tmp`."),
        ProcessKey("scripts", new BooleanKind(), s => s.AllowInstallScripts, (s, v) => s with { AllowInstallScripts = v },
            "Let `npm install` run the packages' own install scripts."),
    ]);

    /// <summary>Keys of <c>[container]</c>; the first three are UniFaaS's.</summary>
    public static Section<ContainerSpec> Container { get; } = new("container",
    [
        new Setting<ContainerSpec, string>("image", new ImageKind(), s => s.Image, (s, v) => s with { Image = v }, ContainerDefaults,
            "The image, as the engine knows it: `name:tag`. What it names is looked up at each start.") { IsRequired = true },
        ContainerKey("memory", new IntegerKind(6, 1_048_576, " (MiB)"), s => s.MemoryMiB, (s, v) => s with { MemoryMiB = v },
            "Limit of one instance, its `/tmp` included, and no swap beyond it."),
        ContainerKey("runtime", new PatternKind("a name of letters, digits and . _ -", static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-', 128), s => s.Runtime, (s, v) => s with { Runtime = v },
            "A runtime that is registered with the engine, `runsc` for instance.", "the engine's own"),
        ContainerKey("cpus", new NumberKind(0, 1024), s => s.Cpus, (s, v) => s with { Cpus = v },
            "Cores that one instance may use on average; 0 = no limit."),
        ContainerKey("pids", new IntegerKind(1, 32_768), s => s.Pids, (s, v) => s with { Pids = v },
            "Processes and threads of one instance."),
        ContainerKey("writable", new BooleanKind(), s => s.Writable, (s, v) => s with { Writable = v },
            "The instance may write to its own copy of the image, which nothing limits but the engine's disk; otherwise only to `/tmp`."),
        ContainerKey("tmp", new IntegerKind(1, 1_048_576, " (MiB)"), s => s.TmpMiB, (s, v) => s with { TmpMiB = v },
            "Size of the `/tmp` in memory of an instance that is not `writable`."),
        ContainerKey("capabilities", new CapabilitiesKind(), s => s.Capabilities, (s, v) => s with { Capabilities = v },
            "Capabilities that the instance keeps, such as \"NET_BIND_SERVICE\"; all others are dropped.", "none"),
        ContainerKey("network", new WordKind<ContainerNetwork>(("bridge", ContainerNetwork.Bridge), ("internal", ContainerNetwork.Internal)), s => s.Network, (s, v) => s with { Network = v },
            "`bridge`: what the host can reach; `internal`: nothing beyond the host. Instances never reach each other."),
        ContainerKey("port", new OptionalKind<int>(new IntegerKind(1, 65_535)), s => s.Port, (s, v) => s with { Port = v },
            "The port on which the instance serves HTTP.", "8080"),
        ContainerKey("health-path", new PatternKind("a path that begins with /", static c => c is > ' ' and < '\x7f' and not '#', 1024, '/'), s => s.HealthPath, (s, v) => s with { HealthPath = v },
            "The path that answers with a status from 200 to 399 once the instance can serve.", "that the port accepts is enough"),
        ContainerKey("command", new TextListKind(), s => s.Command, (s, v) => s with { Command = v },
            "Replaces the image's ENTRYPOINT; `%callback` in it becomes the callback URL.", "the image's own"),
        ContainerKey("args", new TextListKind(), s => s.Args, (s, v) => s with { Args = v },
            "Replace the image's CMD; `%callback` in them becomes the callback URL.", "the image's own, or the callback URL alone when `callback` is true"),
        ContainerKey("callback", new OptionalKind<bool>(new BooleanKind()), s => s.Callback, (s, v) => s with { Callback = v },
            "The instance says by a GET of the callback URL that it is ready, as UniFaaS's guests do.", "true when `%callback` is used, or none of `port`, `health-path`, `command`, `args`"),
    ]);

    /// <summary>Keys of <c>[vm]</c>; the first six are UniFaaS's.</summary>
    public static Section<VmSpec> Vm { get; } = new("vm",
    [
        new Setting<VmSpec, string>("kernel", new TextKind(), s => s.Kernel, (s, v) => s with { Kernel = v }, VmDefaults,
            "The kernel: a file of the function's folder, or an absolute path.") { IsRequired = true },
        VmKey("image", new TextKind(), s => s.Image, (s, v) => s with { Image = v },
            "The disk, likewise; with `disk-type = \"9p\"` a folder.", "required, unless there is an `initrd`"),
        VmKey("memory", new IntegerKind(8, 1_048_576, " (MiB)"), s => s.MemoryMiB, (s, v) => s with { MemoryMiB = v },
            "Memory of the guest; the hypervisor's own (16 to 64 MiB) comes on top in the host's budget."),
        VmKey("cpus", new IntegerKind(1, 64), s => s.Cpus, (s, v) => s with { Cpus = v },
            "Processors of the guest, and what it may use of the host's."),
        VmKey("cmdline", new CmdlineKind(), s => s.Cmdline, (s, v) => s with { Cmdline = v },
            "The kernel's command line; `%ip`, `%gateway`, `%netmask` and `%callback` are filled in. Without `%callback` an instance is ready when its port accepts.", "empty"),
        VmKey("hypervisor", new HypervisorKind(), s => s.Hypervisor, (s, v) => s with { Hypervisor = v },
            "The hypervisor and its switches."),
        VmKey("initrd", new TextKind(), s => s.Initrd, (s, v) => s with { Initrd = v },
            "An initial file system in memory, a file as `kernel` is one."),
        VmKey("port", new IntegerKind(1, 65_535), s => s.Port, (s, v) => s with { Port = v },
            "The port on which the guest serves HTTP."),
        VmKey("overlay", new IntegerKind(0, 1_048_576, " (MiB)"), s => s.OverlayMiB, (s, v) => s with { OverlayMiB = v },
            "The image is attached read-only, shared by all instances, and an empty second disk of this size takes what the guest writes; 0 = none."),
        VmKey("snapshot", new BooleanKind(), s => s.Snapshot, (s, v) => s with { Snapshot = v },
            "Resume instances from a snapshot of one that was ready, where that is possible."),
        VmKey("on-resume", new PatternKind("a path that begins with /", static c => c is > ' ' and < '\x7f' and not '#', 1024, '/'), s => s.OnResume, (s, v) => s with { OnResume = v },
            "A path of the guest that gets a POST of 64 random bytes, and the time in `X-Stint-Time`, when an instance has resumed, before its first call."),
    ]);

    /// <summary>Keys of <c>[wasm]</c>.</summary>
    public static Section<WasmSpec> Wasm { get; } = new("wasm",
    [
        WasmKey("file", new TextKind("the path of a file in the code's folder"), s => s.File, (s, v) => s with { File = v },
            "The module.", "the only `.wasm` file among the code"),
        WasmKey("memory", new IntegerKind(1, 4096, " (MiB)"), s => s.MemoryMiB, (s, v) => s with { MemoryMiB = v },
            "The most that a call's memory may grow to; `memory.grow` fails beyond."),
        WasmKey("output", new IntegerKind(1, 256, " (MiB)"), s => s.OutputMiB, (s, v) => s with { OutputMiB = v },
            "The longest answer; a call that writes more fails."),
        WasmKey("interface", new WordKind<WasmInterface?>(("funless", WasmInterface.FunLess), ("wasi", WasmInterface.Wasi)), s => s.Interface, (s, v) => s with { Interface = v },
            "`funless`: FunLess's `fl_imps` and `__invoke`; `wasi`: a WASI preview 1 command. See [webassembly.md](webassembly.md).", "found out from the module's exports"),
        WasmKey("args", new TextListKind(), s => s.Args, (s, v) => s with { Args = v },
            "Arguments of a WASI command, after its name.", "none"),
        WasmKey("network", new WordKind<NetworkAccess?>(("outbound", NetworkAccess.Outbound), ("none", NetworkAccess.None), ("host", NetworkAccess.Host)), s => s.Network, (s, v) => s with { Network = v },
            "Where the HTTP requests of a FunLess module may go, which the daemon makes for it. `outbound`: the world, but neither this host nor private networks that `network-allow` does not name; `none`: nowhere; `host`: everywhere.",
            "what `network-default` says"),
        WasmKey("isolation", new WordKind<WasmIsolation>(("shared", WasmIsolation.Shared), ("process", WasmIsolation.Process)), s => s.Isolation, (s, v) => s with { Isolation = v },
            "`shared`: calls run in sandboxed processes that all WebAssembly functions share; `process`: each instance has one of its own."),
    ]);

    private static Setting<FunctionSpec, T> Key<T>(
        string name, ValueKind<T> kind, Func<FunctionSpec, T?> get, Func<FunctionSpec, T, FunctionSpec> set, string help, string? defaultText = null) =>
        new(name, kind, get, set, Defaults, help, defaultText);

    private static Setting<ProcessSpec, T> ProcessKey<T>(string name, ValueKind<T> kind, Func<ProcessSpec, T?> get, Func<ProcessSpec, T, ProcessSpec> set, string help, string? defaultText = null) =>
        new(name, kind, get, set, ProcessDefaults, help, defaultText);

    private static Setting<ContainerSpec, T> ContainerKey<T>(
        string name, ValueKind<T> kind, Func<ContainerSpec, T?> get, Func<ContainerSpec, T, ContainerSpec> set, string help, string? defaultText = null) =>
        new(name, kind, get, set, ContainerDefaults, help, defaultText);

    private static Setting<VmSpec, T> VmKey<T>(
        string name, ValueKind<T> kind, Func<VmSpec, T?> get, Func<VmSpec, T, VmSpec> set, string help, string? defaultText = null) =>
        new(name, kind, get, set, VmDefaults, help, defaultText);

    private static Setting<WasmSpec, T> WasmKey<T>(string name, ValueKind<T> kind, Func<WasmSpec, T?> get, Func<WasmSpec, T, WasmSpec> set, string help, string? defaultText = null) =>
        new(name, kind, get, set, WasmDefaults, help, defaultText);
}
