using Stint.Backends.Processes.Spawning;
using Stint.Functions;

namespace Stint.Backends.Processes.Sandboxing;

/// <summary>What runs in one sandbox and what it may see.</summary>
internal sealed record SandboxPlan
{
    /// <summary>The program and its arguments, as paths inside the sandbox.</summary>
    public required IReadOnlyList<string> Command { get; init; }

    /// <summary>Folders and files of the host, in the order in which they are mounted.</summary>
    public required IReadOnlyList<SandboxMount> Mounts { get; init; }

    /// <summary>Environment variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The working folder inside.</summary>
    public string WorkingFolder { get; init; } = "/tmp";

    /// <summary>What of the network it reaches.</summary>
    public NetworkAccess Network { get; init; } = NetworkAccess.None;

    /// <summary>The network that it is put into; there when <see cref="Network"/> is outbound.</summary>
    public SandboxNetwork? Outbound { get; init; }

    /// <summary>Size of its private <c>/tmp</c>, MiB.</summary>
    public required int TmpMiB { get; init; }

    /// <summary>The largest file it may write, MiB (RLIMIT_FSIZE).</summary>
    public required int FileMiB { get; init; }

    /// <summary>The host's user number it runs as, when the daemon is root.</summary>
    public int? User { get; init; }

    /// <summary>Further groups of the host that it is a member of, when the daemon is root.</summary>
    public IReadOnlyList<int> Groups { get; init; } = [];

    /// <summary>Device files that it may open.</summary>
    public IReadOnlyList<SandboxMount> Devices { get; init; } = [];

    /// <summary>Files of control groups to join before anything else happens.</summary>
    public IReadOnlyList<string> JoinFiles { get; init; } = [];

    /// <summary>Where the sandbox waits when all of it is made, before it runs the command; null: it does not wait.</summary>
    public Gate? Gate { get; init; }
}

/// <summary>One bind mount.</summary>
/// <param name="Host">Absolute path on the host.</param>
/// <param name="Inside">Absolute path in the sandbox.</param>
/// <param name="Access">Whether the sandbox may write.</param>
internal readonly record struct SandboxMount(string Host, string Inside, MountAccess Access = MountAccess.ReadOnly);

/// <summary>What may be done with a mount.</summary>
internal enum MountAccess
{
    /// <summary>Reading only.</summary>
    ReadOnly,

    /// <summary>Reading and writing.</summary>
    ReadWrite,
}
