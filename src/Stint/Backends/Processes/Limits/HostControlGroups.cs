namespace Stint.Backends.Processes.Limits;

/// <summary>Finds the control groups of this host: version 2 if it has the controllers, else version 1.</summary>
internal static class HostControlGroups
{
    /// <summary>Takes them into use, or returns null and says why there are none.</summary>
    /// <param name="name">The name of this daemon's group; a group of that name that is there already was left by a daemon that died, and goes with all that is in it.</param>
    /// <param name="problem">Why there are none, with what to do.</param>
    public static IControlGroups? TryOpen(string name, out string problem)
    {
        var own = ReadOwnGroups();
        var mounts = ReadMounts();
        problem = "no cgroup file system is mounted";
        if (mounts.TryGetValue("", out var unified))
        {
            if (ControlGroupsV2.TryOpen(unified, own.GetValueOrDefault("", "/"), name, out problem) is { } version2) return version2;
        }
        var hierarchies = mounts.Where(static mount => mount.Key.Length > 0).ToDictionary(static mount => mount.Key, mount => (mount.Value, own.GetValueOrDefault(mount.Key, "/")));
        if (hierarchies.Count > 0)
        {
            if (ControlGroupsV1.TryOpen(hierarchies, name, out var problem1) is { } version1) return version1;
            problem = $"{problem}; {problem1}";
        }
        problem += ". Run the daemon as root, or in a delegated group: systemd-run --user --scope -p Delegate=yes stint up";
        return null;
    }

    /// <summary>/proc/self/cgroup: lines of <c>ID:controllers:path</c>; the unified hierarchy has no controllers (cgroups(7)).</summary>
    private static Dictionary<string, string> ReadOwnGroups()
    {
        var groups = new Dictionary<string, string>();
        if (!File.Exists("/proc/self/cgroup")) return groups;
        foreach (var line in File.ReadLines("/proc/self/cgroup"))
        {
            var parts = line.Split(':', 3);
            if (parts.Length != 3) continue;
            foreach (var controller in parts[1].Split(',')) groups[controller] = parts[2];
        }
        return groups;
    }

    /// <summary>/proc/self/mounts: <c>device path type options …</c>; the options of a version 1 hierarchy name its controllers.</summary>
    private static Dictionary<string, string> ReadMounts()
    {
        var mounts = new Dictionary<string, string>();
        foreach (var line in File.ReadLines("/proc/self/mounts"))
        {
            var parts = line.Split(' ');
            if (parts.Length < 4) continue;
            if (parts[2] == "cgroup2") mounts.TryAdd("", parts[1]);
            if (parts[2] != "cgroup") continue;
            foreach (var option in parts[3].Split(',')) mounts.TryAdd(option, parts[1]);
        }
        return mounts;
    }
}
