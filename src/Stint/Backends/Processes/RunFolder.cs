using Stint.Backends.Processes.Sandboxing;

namespace Stint.Backends.Processes;

/// <summary>The folder in which instances' folders lie.</summary>
internal static class RunFolder
{
    // sun_path has 108 bytes with its zero (unix(7)); an instance adds "/0123456789/socket".
    private const int MaxLength = 107 - 18;

    /// <summary>Makes it empty; what is in it was left by a daemon that was killed.</summary>
    /// <exception cref="IOException">The path is too long for sockets.</exception>
    public static void Prepare(string folder)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(folder) > MaxLength)
            throw new IOException($"the run folder {folder} has a path of more than {MaxLength} bytes, too long for sockets in it; choose a shorter one with --run");
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(folder, HostPrograms.TraversableFolder);
    }
}
