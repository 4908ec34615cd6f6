using Stint.Functions;

namespace Stint.Backends.Processes;

/// <summary>Where the process backend keeps things and what it runs functions with.</summary>
internal sealed record ProcessBackendOptions
{
    /// <summary>The folder for instances' sockets; its path must be short, because a socket's may have no more than 107 bytes (unix(7)).</summary>
    public required string RunFolder { get; init; }

    /// <summary>The folder for the sandboxes' own files.</summary>
    public required string StateFolder { get; init; }

    /// <summary>The folder for spares' links to code; on the same file system as the bundles.</summary>
    public required string LinksFolder { get; init; }

    /// <summary>Spares of each kind of runtime in use; zero = none.</summary>
    public required int Spares { get; init; }

    /// <summary>Empty sandboxes of each kind of runtime in use; zero = none.</summary>
    public required int EmptySandboxes { get; init; }

    /// <summary>The unpacked runtimes: <c>python3/runtime.py</c>, <c>nodejs/runtime.js</c>, <c>binary/runtime.py</c>.</summary>
    public required string Runtimes { get; init; }

    /// <summary>The Python interpreter, or null when there is none.</summary>
    public string? Python3 { get; init; }

    /// <summary>The Node.js interpreter, or null when there is none.</summary>
    public string? NodeJs { get; init; }

    /// <summary>Both.</summary>
    public RuntimeInterpreters Interpreters => new(Python3, NodeJs);

    /// <summary>What functions get of the network that do not say.</summary>
    public required NetworkAccess NetworkDefault { get; init; }

    /// <summary>The name of this daemon's control group.</summary>
    public required string GroupName { get; init; }

    /// <summary>How functions are kept apart from the host.</summary>
    public required Hosting.Isolation Isolation { get; init; }
}
