using Stint.Backends.Processes.Sandboxing;
using Stint.Functions.Bundles;

namespace Stint.Backends.Vms;

/// <summary>
/// The folders of instances, <c>TMP/faas/INSTANCE-ID</c> as UniFaaS has them, in a place that other users and other daemons may write to as well: so each says whose it is, and a folder that belongs to
/// somebody else is not used.
/// </summary>
/// <param name="root">The folder of them all.</param>
/// <param name="daemon">This daemon's id.</param>
internal sealed class VmFolders(string root, string daemon)
{
    /// <summary>The file that says whose an instance's folder is.</summary>
    private const string OwnerName = "daemon";

    // sun_path has 108 bytes with its zero (unix(7)); the longest socket is "/0123456789/run/incoming.sock".
    private const int MaxRootLength = 107 - 29;

    /// <summary>Removes what a daemon of the same id that was killed has left.</summary>
    /// <returns>The names of the instances.</returns>
    public IReadOnlyList<string> RemoveLeftovers()
    {
        if (!Directory.Exists(root)) return [];
        var left = new List<string>();
        foreach (var folder in Directory.GetDirectories(root))
        {
            if (!IsOurs(folder)) continue;
            Directory.Delete(folder, recursive: true);
            left.Add(Path.GetFileName(folder));
        }
        return left;
    }

    /// <summary>Removes the folder of them all, when no machine of anybody is in it.</summary>
    public void RemoveRoot()
    {
        if (FileStat.TryRead(root, out var stat) && stat.IsFolder && stat.User == Processes.Spawning.Posix.geteuid() && !Directory.EnumerateFileSystemEntries(root).Any()) Directory.Delete(root);
    }

    /// <summary>Makes an instance's folder: the daemon's own, in which the hypervisor's user may open what it is given but make nothing.</summary>
    /// <returns>Its path.</returns>
    /// <exception cref="InstanceStartException">It cannot be made; the message says what to do.</exception>
    public string Make(string id)
    {
        try
        {
            RequireRoot();
            var folder = Path.Combine(root, id);
            Directory.CreateDirectory(folder);
            File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
            File.WriteAllText(Path.Combine(folder, OwnerName), daemon);
            return folder;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new InstanceStartException($"the virtual machine's folder cannot be made in {root}: {failure.Message}", failure) { IsHostsFault = true };
        }
    }

    private void RequireRoot()
    {
        if (System.Text.Encoding.UTF8.GetByteCount(root) > MaxRootLength) throw new IOException($"the path has more than {MaxRootLength} bytes, too long for sockets in it; choose a shorter one with --vm-folder");
        if (!FileStat.TryRead(root, out var stat))
        {
            Directory.CreateDirectory(root);
            File.SetUnixFileMode(root, HostPrograms.TraversableFolder);
            return;
        }
        if (!stat.IsFolder) throw new IOException("it is a link or a file; remove it, or choose another folder with --vm-folder");
        if (stat.User != Processes.Spawning.Posix.geteuid()) throw new IOException($"it belongs to user {stat.User}, who could exchange what lies in it; remove it, or choose another folder with --vm-folder");
        // UniFaaS leaves it as the umask has it.
        if ((File.GetUnixFileMode(root) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0) File.SetUnixFileMode(root, HostPrograms.TraversableFolder);
    }

    private bool IsOurs(string folder)
    {
        try
        {
            var owner = Path.Combine(folder, OwnerName);
            return FileStat.TryRead(owner, out var stat) && stat.IsFile && stat.User == Processes.Spawning.Posix.geteuid() && File.ReadAllText(owner) == daemon;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false; // somebody else's
        }
    }
}
