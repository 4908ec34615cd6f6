using System.Collections.ObjectModel;

namespace Stint.Functions;

/// <summary>What a checked <c>function.toml</c> says. Immutable; the key's name in the file stands with each member.</summary>
internal sealed record FunctionSpec
{
    /// <summary><c>concurrent-requests</c>: requests that one instance serves at a time, 1 to 1,000.</summary>
    public int ConcurrentRequests { get; init; } = 1;

    /// <summary><c>single-use</c>: an instance serves exactly one request and goes.</summary>
    public bool SingleUse { get; init; }

    /// <summary><c>keepalive</c> (seconds): how long an idle instance is kept after its last request completed; zero = not at all, <see cref="Timeout.InfiniteTimeSpan"/> (−1) = for ever.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(300);

    /// <summary><c>min-instances</c>: instances kept warm from deployment on.</summary>
    public int MinInstances { get; init; }

    /// <summary><c>max-instances</c>: never more than so many at a time.</summary>
    public int MaxInstances { get; init; } = DefaultMaxInstances;

    /// <summary><c>scale-by</c>: what decides, besides calls that wait, how many instances are kept.</summary>
    public ScalingMeasure ScaleBy { get; init; }

    /// <summary><c>scale-target</c>: the load that one instance is to carry, in the unit of <see cref="ScaleBy"/>.</summary>
    public double ScaleTarget { get; init; } = 50;

    /// <summary><c>scale-proportion</c>: the part of <see cref="ScaleTarget"/> that is planned with; the rest is for what comes before another instance is there.</summary>
    public double ScaleProportion { get; init; } = 0.9;

    /// <summary><c>timeout</c> (seconds): the longest a call may take once it runs.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary><c>boot-timeout</c> (seconds): the longest an instance may take to get ready.</summary>
    public TimeSpan BootTimeout { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary><c>health-interval</c> (seconds): an instance that has been idle for so long is asked whether it is well, and again after as long; zero = never.</summary>
    public TimeSpan HealthInterval { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary><c>health-timeout</c> (seconds): an instance that has not answered by then is replaced.</summary>
    public TimeSpan HealthTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary><c>max-queue</c>: calls that may wait for an instance; more are refused at once.</summary>
    public int MaxQueue { get; init; } = 1000;

    /// <summary><c>queue-timeout</c> (seconds): the longest a call waits for an instance; when it was not set, a call whose instance is being started waits for that one's start besides.</summary>
    // A machine's boot is part of its first call's wait; when it fails, the call is to hear why.
    public TimeSpan QueueTimeout
    {
        get => OwnQueueTimeout ?? TimeSpan.FromSeconds(5) + (Vm is null ? TimeSpan.Zero : BootTimeout);
        init => OwnQueueTimeout = value;
    }

    /// <summary><see cref="QueueTimeout"/> as it was set; null = it was not.</summary>
    public TimeSpan? OwnQueueTimeout { get; init; }

    /// <summary><c>ahead</c>: successors of a single-use instance that are started before they are needed.</summary>
    public int Ahead { get; init; }

    /// <summary><c>observe</c> (seconds): CoAP clients may observe the function and get a fresh answer this often; zero = they may not, <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> (−1) = only when told to.</summary>
    public TimeSpan Observe { get; init; }

    /// <summary><c>[env]</c>: environment variables of the function.</summary>
    public IReadOnlyDictionary<string, string> Env { get; init; } = new Dictionary<string, string>();

    /// <summary><c>[labels]</c>: free words for other tools.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary><c>[annotations]</c>: free words for other tools, kept apart from <see cref="Labels"/> as OpenFaaS and Kubernetes do.</summary>
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary><c>[requests]</c>: resources that whoever deployed it asked to be set aside. With <c>backend = "swarm"</c> a node must have them free; one machine has nothing to choose by it.</summary>
    public IReadOnlyDictionary<string, string> Requests { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary><c>constraints</c>: where whoever deployed it wants it to run. Placement constraints with <c>backend = "swarm"</c>; else there is one machine.</summary>
    public IReadOnlyList<string> Constraints { get; init; } = [];

    /// <summary><c>tag</c>: what selects the function's entry in a scheduling script; null = the entry <c>default</c>.</summary>
    public string? Tag { get; init; }

    /// <summary><c>capacity</c> (KiB): the memory that scheduling counts a call of the function with; null = it was not given.</summary>
    public int? CapacityKiB { get; init; }

    /// <summary><c>secrets</c>: secrets of the function's module that it sees as files, and no others.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    /// <summary><c>[[event]]</c>: what calls the function besides its callers.</summary>
    public IReadOnlyList<EventSpec> Events { get; init; } = [];

    /// <summary><c>[[sink]]</c>: where the results of successful calls go.</summary>
    public IReadOnlyList<SinkSpec> Sinks { get; init; } = [];

    /// <summary><c>[async]</c>: how asynchronous calls are run; null = as the daemon's options say.</summary>
    public AsyncSpec? Async { get; init; }

    /// <summary><c>[process]</c>: the function runs in the process sandbox.</summary>
    public ProcessSpec? Process { get; init; }

    /// <summary><c>[container]</c>: the function runs as containers of an image.</summary>
    public ContainerSpec? Container { get; init; }

    /// <summary><c>[vm]</c>: the function runs as virtual machines.</summary>
    public VmSpec? Vm { get; init; }

    /// <summary><c>[wasm]</c>: the function is a WebAssembly module.</summary>
    public WasmSpec? Wasm { get; init; }

    /// <summary>Whether its instances run on other machines too, as far as anybody here knows (<c>backend = "swarm"</c>): they take nothing of this host's room.</summary>
    public bool IsElsewhere { get; init; }

    /// <summary>Whether its code lies beside its <c>function.toml</c> and is built into a bundle; otherwise it comes from elsewhere, from an image for instance.</summary>
    public bool HasCode => Process is not null || Wasm is not null;

    /// <summary>Whether anything beside its <c>function.toml</c> belongs to it: code, or the files of a virtual machine.</summary>
    public bool HasFiles => HasCode || Vm is not null;

    /// <summary>
    /// Memory that one instance is promised, MiB; whatever runs it. A virtual machine's hypervisor is counted. An instance of a WebAssembly function that has no process of its own holds nothing: what its calls need is
    /// the runners'.
    /// </summary>
    public int MemoryMiB => Process?.MemoryMiB ?? Container?.MemoryMiB ?? (Vm is { } vm ? vm.MemoryMiB + vm.OverheadMiB : Wasm is { Isolation: WasmIsolation.Process } wasm ? wasm.RunnerMemoryMiB : 0);

    /// <summary>Default of <see cref="MaxInstances"/>: twice the host's cores, at least 4.</summary>
    public static int DefaultMaxInstances { get; } = Math.Max(4, Environment.ProcessorCount * 2);
}

/// <summary><c>[process]</c>: how a function runs in the process sandbox.</summary>
internal sealed record ProcessSpec
{
    /// <summary><c>runtime</c>.</summary>
    public required Runtime Runtime { get; init; }

    /// <summary><c>memory</c> (MiB): limit of one instance, everything in it and its <c>/tmp</c> included.</summary>
    public int MemoryMiB { get; init; } = 256;

    /// <summary><c>cpus</c>: cores that one instance may use on average; zero = no limit.</summary>
    public double Cpus { get; init; }

    /// <summary><c>pids</c>: processes and threads of one instance.</summary>
    public int Pids { get; init; } = 64;

    /// <summary><c>network</c>; null = what the daemon's <c>network-default</c> says, as far as the host can give it.</summary>
    public NetworkAccess? Network { get; init; }

    /// <summary><c>tmp</c> (MiB): size of the instance's private <c>/tmp</c>.</summary>
    public int TmpMiB { get; init; } = 64;

    /// <summary><c>scripts</c>: let <c>npm install</c> run the packages' own install scripts.</summary>
    public bool AllowInstallScripts { get; init; }
}

/// <summary>What a function's load is measured by.</summary>
internal enum ScalingMeasure
{
    /// <summary><c>demand</c>: by calls that wait, alone.</summary>
    Demand,

    /// <summary><c>rps</c>: calls a second.</summary>
    Rps,

    /// <summary><c>capacity</c>: calls that run or wait at a time.</summary>
    Capacity,

    /// <summary><c>cpu</c>: thousandths of a processor.</summary>
    Cpu,
}

/// <summary>The languages of the process sandbox, as tinyFaaS names them.</summary>
internal enum Runtime
{
    /// <summary><c>python3</c>: <c>fn.py</c> with <c>def fn(input, headers)</c>.</summary>
    Python3,

    /// <summary><c>nodejs</c>: a module that exports <c>(req, res) => …</c>.</summary>
    NodeJs,

    /// <summary><c>binary</c>: <c>fn.sh</c>, once per call.</summary>
    Binary,
}

/// <summary>What of the network an instance can reach.</summary>
internal enum NetworkAccess
{
    /// <summary><c>none</c>: nothing, not even the host's loopback.</summary>
    None,

    /// <summary><c>outbound</c>: the world, through a network of its own; not the host, nor other functions.</summary>
    Outbound,

    /// <summary><c>host</c>: the host's own network, for functions that are trusted with it.</summary>
    Host,
}
