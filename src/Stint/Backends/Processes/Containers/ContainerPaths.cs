using Stint.Backends.Processes.Sandboxing;

namespace Stint.Backends.Processes.Containers;

/// <summary>Where things lie inside a container, apart from the code (<see cref="SandboxPaths.Code"/>). Not in /run, which engines may cover.</summary>
internal static class ContainerPaths
{
    /// <summary>The folder of the instance's socket.</summary>
    public const string SocketFolder = "/stint/socket";

    /// <summary>The socket on which the daemon listens.</summary>
    public const string Socket = SocketFolder + "/" + SandboxPaths.SocketName;
}
