using System.Net.Sockets;
using Stint.Backends.Processes.Limits;
using Stint.Backends.Processes.Sandboxing;
using Stint.Backends.Processes.Spawning;

namespace Stint.Backends.Processes;

/// <summary>
/// What an instance holds of the host: its folder with the socket, its control group, its user number, its process. Releasing frees all of it, whatever of it there is.
/// </summary>
internal sealed class InstanceResources(string id, string folder, SandboxUsers users)
{
    // Processes leave their control group a moment after they were killed; two seconds is ample, and what is left then is reported.
    private const int RemovalAttempts = 400;
    private static readonly TimeSpan RemovalPause = TimeSpan.FromMilliseconds(5);

    // How long a runtime that was told to go (its connections closed) has for its own exit, before it is killed.
    private static readonly TimeSpan ExitGrace = TimeSpan.FromMilliseconds(200);

    /// <summary>The instance.</summary>
    public string Id { get; } = id;

    /// <summary>The folder that is mounted into the sandbox.</summary>
    public string Folder { get; } = folder;

    /// <summary>The host's user number, when the daemon is root.</summary>
    public int? User { get; set; }

    /// <summary>The control group, when the host has any.</summary>
    public IControlGroup? Group { get; set; }

    /// <summary>Where the daemon listens while the instance starts.</summary>
    public Socket? Listener { get; set; }

    /// <summary>The first process of the instance.</summary>
    public ChildProcess? Process { get; set; }

    /// <summary>The folder of links to the code, when a spare became this instance.</summary>
    public string? Links { get; set; }

    /// <summary>Keeps the version's code on disk.</summary>
    public IDisposable? Bundle { get; set; }

    /// <summary>Stops what runs and frees everything.</summary>
    /// <returns>Null, or what could not be freed.</returns>
    public async Task<string?> ReleaseAsync(TimeProvider time)
    {
        Listener?.Dispose();
        if (Process is { } process)
        {
            try
            {
                await process.Exited.WaitAsync(ExitGrace, time).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                process.Signal(Posix.SigKill);
            }
        }
        var left = Group is { } group ? await EmptyAsync(group, time).ConfigureAwait(false) : null;
        if (Process is { } killed) await killed.Exited.ConfigureAwait(false);
        if (User is { } user) users.Return(user);
        if (Links is { } links && Directory.Exists(links)) Directory.Delete(links, recursive: true);
        Bundle?.Dispose();
        if (Directory.Exists(Folder)) Directory.Delete(Folder, recursive: true);
        return left;
    }

    private async Task<string?> EmptyAsync(IControlGroup group, TimeProvider time)
    {
        for (var attempt = 0; attempt < RemovalAttempts; attempt++)
        {
            if (attempt > 0 || Process is null or { Exited.IsCompleted: true }) group.Kill();
            if (group.TryRemove()) return null;
            await Task.Delay(RemovalPause, time).ConfigureAwait(false);
        }
        return $"the control group of instance {Id} could not be emptied";
    }
}
