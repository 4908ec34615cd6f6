using Stint.Backends.Processes.Sandboxing;

namespace Stint.Hosting;

/// <summary>The daemon's folders: made, locked, and reachable for the sandboxes' user.</summary>
internal sealed class DaemonFolders : IDisposable
{
    private readonly FileStream _lock;

    private DaemonFolders(FileStream stateLock) => _lock = stateLock;

    /// <summary>Makes the folders and takes the state for this daemon alone.</summary>
    /// <exception cref="IOException">Another daemon has it, or a folder cannot be made or reached; the message says what to do.</exception>
    public static DaemonFolders Open(DaemonOptions options, bool isRoot)
    {
        foreach (var folder in new[] { options.Registry, options.State })
        {
            try
            {
                Directory.CreateDirectory(folder);
            }
            catch (UnauthorizedAccessException denied)
            {
                throw new IOException($"the folder {folder} cannot be made: {denied.Message}. Choose another with --registry or --state, or run as its owner", denied);
            }
        }
        var stateLock = Lock(options.State);
        try
        {
            // Others may pass through to the bundles, whose names they cannot know, and see nothing else.
            File.SetUnixFileMode(options.State, HostPrograms.TraversableFolder);
            if (isRoot) RequireReachable(options.State, "--state");
            return new DaemonFolders(stateLock);
        }
        catch
        {
            stateLock.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    private static FileStream Lock(string state)
    {
        var path = Path.Combine(state, "lock");
        try
        {
            // flock(2) through FileShare.None: gone with the process, however it ends.
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            file.SetLength(0);
            file.Write(System.Text.Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"));
            file.Flush();
            return file;
        }
        catch (IOException busy)
        {
            throw new IOException($"another daemon uses the state folder {state}. Stop it, or choose another folder with --state", busy);
        }
    }

    private static void RequireReachable(string folder, string setting)
    {
        for (var at = folder; at is not null; at = Path.GetDirectoryName(at))
        {
            if ((File.GetUnixFileMode(at) & UnixFileMode.OtherExecute) != 0) continue;
            throw new IOException($"functions run as an unprivileged user, who cannot pass through {at} to reach {folder}. Choose another folder with {setting}, or: chmod o+x {at}");
        }
    }
}
