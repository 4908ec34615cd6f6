namespace Stint.Backends.Processes.Sandboxing;

/// <summary>Where the host keeps the programs that sandboxes are made of and run.</summary>
internal static class HostPrograms
{
    /// <summary>0711: others may pass through but not look around.</summary>
    public const UnixFileMode TraversableFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private static readonly string[] SystemFolders = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin"];

    /// <summary>The absolute path of a program: in the system's own folders first, so that a version manager's shim in somebody's home does not win; null when there is none.</summary>
    public static string? Find(string name)
    {
        var folders = SystemFolders.Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries));
        return folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }

    /// <summary>
    /// What must be mounted so that an interpreter outside of /usr runs: its installation's folder (<c>/opt/python/bin/python3</c> → <c>/opt/python</c>). Null for one in /usr or /bin.
    /// </summary>
    public static string? InstallationOf(string interpreter)
    {
        var real = File.ResolveLinkTarget(interpreter, returnFinalTarget: true)?.FullName ?? interpreter;
        if (real.StartsWith("/usr/", StringComparison.Ordinal) || real.StartsWith("/bin/", StringComparison.Ordinal)) return null;
        return Path.GetDirectoryName(Path.GetDirectoryName(real));
    }
}
