using System.Globalization;
using Stint.Backends.Processes.Spawning;

namespace Stint.Backends.Processes;

/// <summary>Processes of this host by their user.</summary>
internal static class UserProcesses
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>Kills all of a user's, and returns when there are none.</summary>
    public static async Task KillAsync(int user, TimeProvider time)
    {
        while (true)
        {
            var found = Of(user);
            if (found.Count == 0) return;
            foreach (var process in found) _ = Posix.kill(process, Posix.SigKill);
            await Task.Delay(Pause, time).ConfigureAwait(false);
        }
    }

    private static List<int> Of(int user)
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var process)) continue;
            try
            {
                // "State:\tZ (zombie)" needs no killing; "Uid:\treal effective saved file" (proc_pid_status(5))
                var lines = File.ReadAllLines(Path.Combine(folder, "status"));
                if (Value(lines, "State:").StartsWith('Z')) continue;
                if (Value(lines, "Uid:").Split('\t').Contains(user.ToString(CultureInfo.InvariantCulture))) found.Add(process);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // it has ended
            }
        }
        return found;
    }

    private static string Value(string[] lines, string key) => lines.FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?[key.Length..].Trim() ?? "";
}
