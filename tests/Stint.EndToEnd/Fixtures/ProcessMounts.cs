namespace Stint.EndToEnd.Fixtures;

/// <summary>Tells whose sandbox a process is in.</summary>
internal static class ProcessMounts
{
    /// <summary>Whether anything below a folder of the host is mounted where the process is; false too when it has ended.</summary>
    /// <param name="process">Its folder in <c>/proc</c>.</param>
    /// <param name="folder">The folder.</param>
    public static bool Include(string process, string folder)
    {
        var source = WithinFileSystem(folder) + "/";
        return Fields(process).Any(fields => $"{fields[3]}/".StartsWith(source, StringComparison.Ordinal));
    }

    // What is mounted is named within its own file system (proc(5), field 4), which may be another one than the root's: tests keep their files in memory where they can.
    private static string WithinFileSystem(string folder)
    {
        var home = Fields("/proc/self").Where(fields => $"{folder}/".StartsWith(fields[4] == "/" ? "/" : fields[4] + "/", StringComparison.Ordinal)).MaxBy(static fields => fields[4].Length)!;
        return $"{home[3].TrimEnd('/')}/{folder[home[4].Length..].TrimStart('/')}";
    }

    private static List<string[]> Fields(string process)
    {
        try
        {
            return [.. File.ReadAllLines(Path.Combine(process, "mountinfo")).Select(static line => line.Split(' '))];
        }
        catch (Exception ended) when (ended is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
