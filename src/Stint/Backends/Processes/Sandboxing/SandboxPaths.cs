namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Where things lie inside a sandbox.</summary>
internal static class SandboxPaths
{
    /// <summary>The function's code, read-only.</summary>
    public const string Code = "/fn";

    /// <summary>The folder of the instance's socket.</summary>
    public const string SocketFolder = "/run/stint";

    /// <summary>The socket's file in its folder.</summary>
    public const string SocketName = "socket";

    /// <summary>The socket on which the daemon listens.</summary>
    public const string Socket = SocketFolder + "/" + SocketName;

    /// <summary>The code of the runtimes, read-only.</summary>
    public const string Runtimes = "/run/runtimes";

    /// <summary>The writable folder of a build.</summary>
    public const string Build = "/build";
}
