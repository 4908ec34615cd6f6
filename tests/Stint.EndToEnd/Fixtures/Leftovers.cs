using System.Security.Cryptography;
using System.Text;
using Stint.Network.Netlink;

namespace Stint.EndToEnd.Fixtures;

/// <summary>Looks for everything that a daemon makes on its host. Its folders' paths are in the command lines and mounts of whatever it started, and nowhere else.</summary>
internal static class Leftovers
{
    /// <summary>What is still there of a daemon whose folders lie in <paramref name="root"/>; empty when all is gone.</summary>
    public static IReadOnlyList<string> Of(string root, string state, string run, string temporary)
    {
        var found = new List<string>();
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(static path => int.TryParse(Path.GetFileName(path), out _)))
        {
            if (ProcessMounts.Include(process, root)) found.Add($"process {Describe(process)} still has its mounts");
            else if (Contains(Path.Combine(process, "cmdline"), root)) found.Add($"process {Describe(process)} still runs");
        }
        found.AddRange(ControlGroups(state).Select(static group => $"control group {group}"));
        using (var host = new RouteSocket()) found.AddRange(host.List().Where(link => link.Alias == $"stint:{Id(state)}").Select(static link => $"link {link.Name}"));
        if (Directory.Exists(run)) found.Add($"run folder {run} with {string.Join(", ", Directory.EnumerateFileSystemEntries(run))}");
        found.AddRange(Entries(Path.Combine(state, "staging")).Concat(Entries(temporary)).Select(static path => $"temporary file {path}"));
        return found;
    }

    /// <summary>The control groups of the daemon with that state folder.</summary>
    public static IReadOnlyList<string> ControlGroups(string state)
    {
        var name = Id(state);
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        try
        {
            return [.. Directory.EnumerateDirectories("/sys/fs/cgroup", name, options)];
        }
        catch (DirectoryNotFoundException)
        {
            return ControlGroups(state); // another test's group went away while we looked
        }
    }

    /// <summary>What a daemon with that state folder is called on its host.</summary>
    public static string Id(string state) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(state)))[..12];

    private static IEnumerable<string> Entries(string folder) => Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder) : [];

    private static bool Contains(string file, string text)
    {
        try
        {
            return File.ReadAllText(file).Contains(text + "/", StringComparison.Ordinal);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false; // it ended meanwhile
        }
    }

    private static string Describe(string process)
    {
        try
        {
            return $"{Path.GetFileName(process)} ({File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ').Trim()})";
        }
        catch (IOException)
        {
            return Path.GetFileName(process);
        }
    }
}
