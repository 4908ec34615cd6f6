namespace Stint.EndToEnd.Fixtures;

/// <summary>How a daemon is started.</summary>
internal sealed record DaemonSetup
{
    /// <summary>Flags besides folders and ports; a later flag of the same name is an error of the command line.</summary>
    public IReadOnlyList<string> Flags { get; init; } = [];

    /// <summary>It is a worker of a cluster: <c>stint worker</c> in place of <c>stint up</c>.</summary>
    public bool IsWorker { get; init; }

    /// <summary>Its UDP port for CoAP; -1 = none.</summary>
    public int CoapPort { get; init; } = -1;

    /// <summary>Its TCP port for gRPC; -1 = none.</summary>
    public int GrpcPort { get; init; } = -1;

    /// <summary>Variables of its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The network namespace that it runs in, reached over relays of the test's; null = the test's own. Functions' networks are off there unless a flag says otherwise: test runs share the host's.</summary>
    public Stint.Network.NetworkNamespace? Namespace { get; init; }

    /// <summary>What stands before the command: <c>setpriv …</c>.</summary>
    public IReadOnlyList<string> Prefix { get; init; } = [];

    /// <summary>A folder that the test owns and that outlives the daemon; else a new one that goes with it.</summary>
    public string? Root { get; init; }

    /// <summary>Done before it starts, when its folders are known.</summary>
    public Action<StintDaemon>? Before { get; init; }
}
