using Stint.Backends.Processes;
using Stint.Backends.Processes.Sandboxing;

namespace Stint.Hosting;

/// <summary>The daemon's folders: made, locked, and reachable for the sandboxes' user.</summary>
internal sealed class DaemonFolders : IDisposable
{
    private readonly FileStream _state;
    private readonly FileStream _run;

    private DaemonFolders(FileStream state, FileStream run) => (_state, _run) = (state, run);

    /// <summary>Makes the folders and takes them for this daemon alone.</summary>
    /// <exception cref="IOException">Another daemon has one of them, or one cannot be made or reached; the message says what to do.</exception>
    public static DaemonFolders Open(DaemonOptions options, bool isRoot)
    {
        Make(options.Registry, "--registry", static folder => Directory.CreateDirectory(folder));
        Make(options.State, "--state", static folder => Directory.CreateDirectory(folder));
        Make(options.Run, "--run", RunFolder.Make);
        var state = Lock(options.State, "lock", "state", "--state");
        FileStream? run = null;
        try
        {
            run = Lock(options.Run, RunFolder.LockName, "run", "--run");
            // Others may pass through to the bundles, whose names they cannot know, and see nothing else.
            File.SetUnixFileMode(options.State, HostPrograms.TraversableFolder);
            if (isRoot)
            {
                RequireReachable(options.State, "--state");
                RequireReachable(options.Run, "--run");
            }
            return new DaemonFolders(state, run);
        }
        catch
        {
            run?.Dispose();
            state.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _run.Dispose();
        _state.Dispose();
    }

    private static void Make(string folder, string setting, Action<string> make)
    {
        try
        {
            make(folder);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new IOException($"the folder {folder} cannot be made: {denied.Message}. Choose another with {setting}, or run as its owner", denied);
        }
    }

    private static FileStream Lock(string folder, string name, string what, string setting)
    {
        var path = Path.Combine(folder, name);
        try
        {
            // flock(2) through FileShare.None: gone with the process, however it ends.
            var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            file.SetLength(0);
            file.Write(System.Text.Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"));
            file.Flush();
            return file;
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new IOException($"the {what} folder {folder} belongs to somebody else: {denied.Message}. Choose another with {setting}, or run as its owner", denied);
        }
        catch (IOException busy)
        {
            throw new IOException($"another daemon uses the {what} folder {folder}. Stop it, or choose another folder with {setting}", busy);
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
