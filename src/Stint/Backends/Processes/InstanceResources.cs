using System.Net.Sockets;

namespace Stint.Backends.Processes;

/// <summary>
/// What an instance holds of the host: its folder with the socket, its process with the walls around it. Releasing frees all of it, whatever of it there is.
/// </summary>
internal sealed class InstanceResources(string id, string folder)
{
    /// <summary>The instance.</summary>
    public string Id { get; } = id;

    /// <summary>The folder that the runtime sees as the socket's.</summary>
    public string Folder { get; } = folder;

    /// <summary>Where the daemon listens while the instance starts.</summary>
    public Socket? Listener { get; set; }

    /// <summary>The runtime.</summary>
    public IRuntimeProcess? Process { get; set; }

    /// <summary>The folder of links to the code, when a spare became this instance.</summary>
    public string? Links { get; set; }

    /// <summary>Keeps the version's code on disk.</summary>
    public IDisposable? Bundle { get; set; }

    /// <summary>Stops what runs and frees everything.</summary>
    /// <returns>Null, or what could not be freed.</returns>
    public async Task<string?> ReleaseAsync()
    {
        Listener?.Dispose();
        var left = Process is { } process ? await process.ReleaseAsync().ConfigureAwait(false) : null;
        if (Links is { } links && Directory.Exists(links)) Directory.Delete(links, recursive: true);
        Bundle?.Dispose();
        if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
        return left;
    }
}
