using Stint.Backends.Processes.Sandboxing;

namespace Stint.Backends.Processes;

/// <summary>
/// The folder in which instances' folders lie. Only what has the name of an instance is ever removed from it: an operator's mistaken <c>--run /tmp</c> must not empty <c>/tmp</c>.
/// </summary>
internal static class RunFolder
{
    /// <summary>The file that a daemon holds locked while it uses the folder.</summary>
    public const string LockName = "lock";

    /// <summary>Hexadecimal digits of an instance's id, which is its folder's name.</summary>
    public const int NameDigits = 10;

    // sun_path has 108 bytes with its zero (unix(7)); an instance adds "/0123456789/socket".
    private const int MaxLength = 107 - 18;

    /// <summary>Makes it, or removes what a daemon that was killed left in it. The caller has made sure that no living one uses it.</summary>
    /// <exception cref="IOException">The path is too long for sockets.</exception>
    public static void Prepare(string folder)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(folder) > MaxLength)
            throw new IOException($"the run folder {folder} has a path of more than {MaxLength} bytes, too long for sockets in it; choose a shorter one with --run");
        RemoveInstances(folder);
    }

    /// <summary>Removes what is ours, and the folder itself when nothing else is in it.</summary>
    public static void Remove(string folder)
    {
        if (!Directory.Exists(folder)) return;
        RemoveInstances(folder);
        File.Delete(Path.Combine(folder, LockName));
        if (Directory.EnumerateFileSystemEntries(folder).Any()) return;
        try
        {
            Directory.Delete(folder);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Empty, and not ours to remove: a mount point, or a service manager's (RuntimeDirectory= of systemd), which removes it itself.
        }
    }

    /// <summary>Makes the folder so that sandboxes' users can pass through it; one that exists stays as it is.</summary>
    public static void Make(string folder)
    {
        if (Directory.Exists(folder)) return;
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
    }

    private static void RemoveInstances(string folder)
    {
        foreach (var instance in Directory.GetDirectories(folder))
            if (Path.GetFileName(instance) is { Length: NameDigits } name && name.All(char.IsAsciiHexDigitLower)) Directory.Delete(instance, recursive: true);
    }
}
