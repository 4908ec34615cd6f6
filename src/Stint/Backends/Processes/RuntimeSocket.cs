using System.Net.Sockets;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.Backends.Processes;

/// <summary>The socket to which a runtime connects, in a folder of its own.</summary>
internal static class RuntimeSocket
{
    /// <summary>Its path.</summary>
    public static string PathIn(string folder) => Path.Combine(folder, SandboxPaths.SocketName);

    /// <summary>Makes the folder and listens in it.</summary>
    public static Socket Listen(string folder)
    {
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(PathIn(folder)));
        // The sandbox's user is another one. Others cannot come here: the folder's name is random and its parent cannot be listed.
        File.SetUnixFileMode(PathIn(folder), (UnixFileMode)0b110_110_110);
        listener.Listen(backlog: 64);
        return listener;
    }
}
