namespace Stint.Functions;

/// <summary><c>[container]</c>: how a function runs as a container of an image, served by a container engine.</summary>
internal sealed record ContainerSpec
{
    /// <summary>What stands for the callback URL in <see cref="Command"/> and <see cref="Args"/>.</summary>
    public const string CallbackPlaceholder = "%callback";

    /// <summary>The port that UniFaaS's guests serve on.</summary>
    private const int UsualPort = 8080;

    /// <summary><c>image</c>: name and tag, as the engine knows it. What it names is looked up at each start.</summary>
    public required string Image { get; init; }

    /// <summary><c>memory</c> (MiB): limit of one instance, its <c>/tmp</c> included; there is no swap beyond it.</summary>
    public int MemoryMiB { get; init; } = 128;

    /// <summary><c>runtime</c>: one that is registered with the engine; null = the engine's default.</summary>
    public string? Runtime { get; init; }

    /// <summary><c>cpus</c>: cores that one instance may use on average; zero = no limit.</summary>
    public double Cpus { get; init; }

    /// <summary><c>pids</c>: processes and threads of one instance.</summary>
    public int Pids { get; init; } = 256;

    /// <summary><c>writable</c>: the instance may write to its own copy of the image.</summary>
    public bool Writable { get; init; }

    /// <summary><c>tmp</c> (MiB): size of the <c>/tmp</c> in memory that a read-only instance has.</summary>
    public int TmpMiB { get; init; } = 64;

    /// <summary><c>capabilities</c>: those that the instance keeps, without <c>CAP_</c>; all others are dropped.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary><c>network</c>.</summary>
    public ContainerNetwork Network { get; init; } = ContainerNetwork.Bridge;

    /// <summary><c>port</c> as it was given; null = not given. What counts is <see cref="HttpPort"/>.</summary>
    public int? Port { get; init; }

    /// <summary><c>health-path</c>: the path that answers when the instance can serve; null = that the port accepts is enough.</summary>
    public string? HealthPath { get; init; }

    /// <summary><c>command</c>: replaces the image's ENTRYPOINT; empty = the image's own.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary><c>args</c>: replace the image's CMD; empty = the image's own, or the callback URL.</summary>
    public IReadOnlyList<string> Args { get; init; } = [];

    /// <summary><c>callback</c> as it was given; null = not given. What counts is <see cref="CallsBack"/>.</summary>
    public bool? Callback { get; init; }

    /// <summary>The port of the instance that serves HTTP.</summary>
    public int HttpPort => Port ?? UsualPort;

    /// <summary>
    /// Whether the instance says by itself, with a request, that it is ready, as UniFaaS's guests do. When the file does not say: it does when a part of its command is the URL for it, or
    /// when there is none of the keys that an image needs which knows nothing of callbacks.
    /// </summary>
    public bool CallsBack => Callback ?? (TakesCallback || (Port is null && HealthPath is null && Command.Count == 0 && Args.Count == 0));

    /// <summary>Whether command or arguments say where the callback URL goes.</summary>
    public bool TakesCallback => Command.Concat(Args).Any(static part => part.Contains(CallbackPlaceholder, StringComparison.Ordinal));
}

/// <summary>What of the network a container can reach besides the host that asks it.</summary>
internal enum ContainerNetwork
{
    /// <summary><c>bridge</c>: everything that the host can reach, and no other instance.</summary>
    Bridge,

    /// <summary><c>internal</c>: nothing beyond the host.</summary>
    Internal,
}
