using System.Globalization;

namespace Stint.Backends.Processes.Limits;

/// <summary>
/// Control groups version 1 (Documentation/admin-guide/cgroup-v1): a hierarchy for each controller, an instance has a group in each. The fallback for hosts that have not moved to version 2.
/// </summary>
internal sealed class ControlGroupsV1 : IControlGroups
{
    private readonly Dictionary<string, string> _parents;

    private ControlGroupsV1(Dictionary<string, string> parents) => _parents = parents;

    /// <inheritdoc/>
    public string Description => $"cgroup v1 ({string.Join(", ", _parents.Keys)}) at {_parents["memory"]}";

    /// <summary>Tries to take the hierarchies into use; otherwise says why not.</summary>
    /// <param name="hierarchies">For each controller: where it is mounted, and the daemon's own group in it.</param>
    /// <param name="name">The name of this daemon's groups.</param>
    /// <param name="problem">Why they cannot be used.</param>
    public static ControlGroupsV1? TryOpen(IReadOnlyDictionary<string, (string Mount, string Own)> hierarchies, string name, out string problem)
    {
        problem = "";
        var parents = new Dictionary<string, string>();
        foreach (var controller in new[] { "memory", "pids", "cpu", "cpuacct" })
        {
            if (!hierarchies.TryGetValue(controller, out var place))
            {
                if (controller == "cpuacct") continue; // only for usage figures
                problem = $"there is no cgroup v1 hierarchy for {controller}";
                return null;
            }
            // The root of the hierarchy first: a daemon that is started from another session must find what its predecessor left.
            var parent = TryMake(Path.Combine(place.Mount, "stint", name), parents.Values, out problem)
                ?? TryMake(Path.Combine(place.Mount, place.Own.TrimStart('/'), "stint", name), parents.Values, out problem);
            if (parent is null) return null;
            parents[controller] = parent;
        }
        return new ControlGroupsV1(parents);
    }

    /// <inheritdoc/>
    public IControlGroup Create(string name, InstanceLimits limits)
    {
        var folders = _parents.ToDictionary(static parent => parent.Key, parent => Path.Combine(parent.Value, name));
        foreach (var folder in folders.Values) Directory.CreateDirectory(folder);
        var group = new Group(folders);
        group.SetLimits(limits);
        return group;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parent in _parents.Values)
        {
            GroupFiles.RemoveTree(parent);
            _ = GroupFiles.TryRemove(Path.GetDirectoryName(parent)!); // "stint" itself, when no other daemon uses it
        }
    }

    private static string? TryMake(string parent, IEnumerable<string> taken, out string problem)
    {
        problem = "";
        try
        {
            if (!taken.Contains(parent)) GroupFiles.RemoveTree(parent); // cpu and cpuacct are often mounted together
            return Directory.CreateDirectory(parent).FullName;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            problem = failure.Message;
            return null;
        }
    }

    private sealed class Group(Dictionary<string, string> folders) : IControlGroup
    {
        public IReadOnlyList<string> JoinFiles { get; } = [.. folders.Values.Distinct().Select(static folder => Path.Combine(folder, "cgroup.procs"))];

        public void SetLimits(InstanceLimits limits)
        {
            var memory = limits.MemoryBytes.ToString(CultureInfo.InvariantCulture);
            // memory + swap is only there when the kernel accounts for swap, and may never be below memory alone: when the limit grows it goes first, when it shrinks last.
            var hasSwap = File.Exists(Path.Combine(folders["memory"], "memory.memsw.limit_in_bytes"));
            var grows = limits.MemoryBytes > GroupFiles.ReadNumber(folders["memory"], "memory.limit_in_bytes");
            if (hasSwap && grows) GroupFiles.Write(folders["memory"], "memory.memsw.limit_in_bytes", memory);
            GroupFiles.Write(folders["memory"], "memory.limit_in_bytes", memory);
            if (hasSwap && !grows) GroupFiles.Write(folders["memory"], "memory.memsw.limit_in_bytes", memory);
            GroupFiles.Write(folders["pids"], "pids.max", limits.Pids.ToString(CultureInfo.InvariantCulture));
            if (limits.Cpus == 0) return;
            GroupFiles.Write(folders["cpu"], "cpu.cfs_period_us", InstanceLimits.CpuPeriodMicroseconds.ToString(CultureInfo.InvariantCulture));
            GroupFiles.Write(folders["cpu"], "cpu.cfs_quota_us", limits.CpuQuotaMicroseconds.ToString(CultureInfo.InvariantCulture));
        }

        public InstanceUsage ReadUsage() => new(
            GroupFiles.ReadNumber(folders["memory"], "memory.usage_in_bytes"),
            folders.TryGetValue("cpuacct", out var accounting) ? TimeSpan.FromMicroseconds(GroupFiles.ReadNumber(accounting, "cpuacct.usage") / 1000) : default);

        public bool RanOutOfMemory() => GroupFiles.ReadKey(folders["memory"], "memory.oom_control", "oom_kill") > 0;

        public bool IsPopulated() => folders.Values.Any(static folder => GroupFiles.ReadProcesses(folder).Any());

        public void Kill()
        {
            foreach (var pid in GroupFiles.ReadProcesses(folders["pids"])) _ = Spawning.Posix.kill(pid, Spawning.Posix.SigKill);
        }

        public bool TryRemove()
        {
            var gone = true;
            foreach (var folder in folders.Values) gone &= GroupFiles.TryRemove(folder);
            return gone;
        }
    }
}
