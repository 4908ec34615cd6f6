using System.Globalization;

namespace Stint.Backends.Processes.Limits;

/// <summary>
/// Control groups version 2 (Documentation/admin-guide/cgroup-v2.rst). In the daemon's own group when nothing else is in that, as in a service of systemd with <c>Delegate=yes</c>: what is above
/// belongs to the service manager (systemd, docs/CGROUP_DELEGATION.md). Otherwise, from a shell for instance, as root in the root of the hierarchy: <c>/sys/fs/cgroup/stint/NAME</c>; not as root in
/// the daemon's own group. There the daemon moves into the leaf <c>daemon</c>, because a group with processes of its own cannot hand controllers to its children.
/// </summary>
internal sealed class ControlGroupsV2 : IControlGroups
{
    private static readonly string[] Controllers = ["memory", "pids", "cpu"];

    private readonly string _parent;

    private ControlGroupsV2(string parent) => _parent = parent;

    /// <inheritdoc/>
    public string Description => $"cgroup v2 at {_parent}";

    /// <summary>Tries to take the hierarchy into use; otherwise says why not.</summary>
    /// <param name="mount">Where the hierarchy is mounted.</param>
    /// <param name="ownGroup">The daemon's own group in it, <c>/</c> for the root.</param>
    /// <param name="name">The name of this daemon's group.</param>
    /// <param name="problem">Why it cannot be used.</param>
    public static ControlGroupsV2? TryOpen(string mount, string ownGroup, string name, out string problem)
    {
        problem = "";
        var offered = File.Exists(Path.Combine(mount, "cgroup.controllers")) ? File.ReadAllText(Path.Combine(mount, "cgroup.controllers")).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries) : [];
        var missing = Controllers.Except(offered).ToArray();
        if (missing.Length > 0)
        {
            problem = $"cgroup v2 at {mount} offers no {string.Join(", ", missing)} controller";
            return null;
        }
        var own = Path.Combine(mount, ownGroup.TrimStart('/'));
        string[] parents = IsAloneIn(own) ? [own, mount] : [mount, own];
        foreach (var candidate in parents.Distinct().Select(static parent => Path.Combine(parent, "stint")))
        {
            try
            {
                EnableControllers(Path.GetDirectoryName(candidate)!);
                Directory.CreateDirectory(candidate);
                EnableControllers(candidate);
                var parent = Path.Combine(candidate, name);
                GroupFiles.RemoveTree(parent);
                Directory.CreateDirectory(parent);
                EnableControllers(parent);
                return new ControlGroupsV2(parent);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                problem = failure.Message;
            }
        }
        return null;
    }

    /// <inheritdoc/>
    public IControlGroup Create(string name, InstanceLimits limits)
    {
        var folder = Path.Combine(_parent, name);
        Directory.CreateDirectory(folder);
        if (File.Exists(Path.Combine(folder, "memory.swap.max"))) GroupFiles.Write(folder, "memory.swap.max", "0");
        GroupFiles.Write(folder, "memory.oom.group", "1"); // an instance that lost one process to the kernel is no instance
        var group = new Group(folder);
        group.SetLimits(limits);
        return group;
    }

    /// <inheritdoc/>
    public void Dispose() => GroupFiles.RemoveTree(_parent);

    private static bool IsAloneIn(string group) => GroupFiles.ReadProcesses(group).Take(2).ToArray() is [var only] && only == Environment.ProcessId;

    private static void EnableControllers(string folder)
    {
        var enabled = File.ReadAllText(Path.Combine(folder, "cgroup.subtree_control")).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        var wanted = Controllers.Except(enabled).ToArray();
        if (wanted.Length == 0) return;
        var text = string.Join(' ', wanted.Select(static controller => $"+{controller}"));
        try
        {
            GroupFiles.Write(folder, "cgroup.subtree_control", text);
        }
        catch (IOException) when (GroupFiles.ReadProcesses(folder).Any())
        {
            // "No internal processes": everything in the group, this daemon included, moves into a leaf.
            var leaf = Directory.CreateDirectory(Path.Combine(folder, "daemon")).FullName;
            foreach (var pid in GroupFiles.ReadProcesses(folder).ToArray()) GroupFiles.Write(leaf, "cgroup.procs", pid.ToString(CultureInfo.InvariantCulture));
            GroupFiles.Write(folder, "cgroup.subtree_control", text);
        }
    }

    private sealed class Group(string folder) : IControlGroup
    {
        public IReadOnlyList<string> JoinFiles { get; } = [Path.Combine(folder, "cgroup.procs")];

        public void SetLimits(InstanceLimits limits)
        {
            GroupFiles.Write(folder, "memory.max", limits.MemoryBytes.ToString(CultureInfo.InvariantCulture));
            GroupFiles.Write(folder, "pids.max", limits.Pids.ToString(CultureInfo.InvariantCulture));
            if (limits.Cpus > 0) GroupFiles.Write(folder, "cpu.max", $"{limits.CpuQuotaMicroseconds} {InstanceLimits.CpuPeriodMicroseconds}");
        }

        public InstanceUsage ReadUsage() =>
            new(GroupFiles.ReadNumber(folder, "memory.current"), TimeSpan.FromMicroseconds(GroupFiles.ReadKey(folder, "cpu.stat", "usage_usec")));

        public bool RanOutOfMemory() => GroupFiles.ReadKey(folder, "memory.events", "oom_kill") > 0;

        public bool IsPopulated() => GroupFiles.ReadKey(folder, "cgroup.events", "populated") > 0;

        public void Kill()
        {
            if (File.Exists(Path.Combine(folder, "cgroup.kill"))) GroupFiles.Write(folder, "cgroup.kill", "1"); // Linux 5.14
            else foreach (var pid in GroupFiles.ReadProcesses(folder)) _ = Spawning.Posix.kill(pid, Spawning.Posix.SigKill);
        }

        public bool TryRemove() => GroupFiles.TryRemove(folder);
    }
}
