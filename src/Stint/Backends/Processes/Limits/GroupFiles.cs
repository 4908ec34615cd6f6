using System.Globalization;

namespace Stint.Backends.Processes.Limits;

/// <summary>Reading and writing the small files of the control group file systems.</summary>
internal static class GroupFiles
{
    /// <summary>Writes a value; a failure names the file and what was to be written.</summary>
    public static void Write(string folder, string file, string value)
    {
        var path = Path.Combine(folder, file);
        try
        {
            File.WriteAllText(path, value);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"cannot write '{value}' to {path}: {failure.Message}", failure);
        }
    }

    /// <summary>A file with one number; zero when it is not there or says <c>max</c>.</summary>
    public static long ReadNumber(string folder, string file) =>
        TryRead(Path.Combine(folder, file)) is { } text && long.TryParse(text.AsSpan().Trim(), CultureInfo.InvariantCulture, out var number) ? number : 0;

    /// <summary>The number behind a key in a file of <c>key number</c> lines; zero when it is not there.</summary>
    public static long ReadKey(string folder, string file, string key)
    {
        if (TryRead(Path.Combine(folder, file)) is not { } text) return 0;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith(key, StringComparison.Ordinal) || line.Length <= key.Length || line[key.Length] != ' ') continue;
            return long.TryParse(line[(key.Length + 1)..], CultureInfo.InvariantCulture, out var number) ? number : 0;
        }
        return 0;
    }

    /// <summary>The processes listed in a group's <c>cgroup.procs</c>.</summary>
    public static IEnumerable<int> ReadProcesses(string folder)
    {
        if (TryRead(Path.Combine(folder, "cgroup.procs")) is not { } text) yield break;
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            if (int.TryParse(line, CultureInfo.InvariantCulture, out var pid)) yield return pid;
    }

    /// <summary>Removes a group; true when it is gone.</summary>
    public static bool TryRemove(string folder)
    {
        try
        {
            // rmdir <folder>: the files in it are the kernel's and go with it
            if (Directory.Exists(folder)) Directory.Delete(folder);
            return true;
        }
        catch (IOException)
        {
            return false; // EBUSY: not empty yet
        }
    }

    /// <summary>Kills everything in the groups below a folder and removes them and the folder: what a daemon that was killed left behind.</summary>
    public static void RemoveTree(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var child in Directory.GetDirectories(folder)) RemoveTree(child);
        // A process that has been killed leaves its group a moment later.
        for (var attempt = 0; attempt < 200 && !TryRemove(folder); attempt++)
        {
            foreach (var pid in ReadProcesses(folder)) _ = Spawning.Posix.kill(pid, Spawning.Posix.SigKill);
            Spawning.Posix.Pause(milliseconds: 5);
        }
    }

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null; // the group has just been removed, or the kernel has no such file
        }
    }
}
