namespace Stint.Checks;

/// <summary>Limits of memory, processes and cpu come from cgroups: version 2 where the daemon may make groups, else version 1 as root, else they are missing.</summary>
internal sealed class CgroupsCheck : ICheck
{
    private const string Root = "/sys/fs/cgroup";

    /// <inheritdoc/>
    public Task<CheckResult> RunAsync(CheckScope scope, CancellationToken cancellationToken) => Task.FromResult(Look());

    private static CheckResult Look()
    {
        if (File.Exists($"{Root}/cgroup.controllers"))
        {
            var own = OwnGroup();
            if (!Access.CanWrite(own)) return Result(CheckStatus.Degraded, $"version 2, but {own} is not delegated to this user: no limits of memory, processes and cpu.", "systemd-run --user --scope -p Delegate=yes stint up");
            string[] wanted = ["cpu", "memory", "pids"];
            var lacking = wanted.Except(File.ReadAllText($"{own}/cgroup.controllers").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToList();
            return lacking.Count == 0
                ? Result(CheckStatus.Fine, "version 2, with cpu, memory and pids.", null)
                : Result(CheckStatus.Degraded, $"version 2, without {string.Join(", ", lacking)} in {own}: those limits are missing.", "systemd-run --scope -p Delegate=yes stint up");
        }
        string[] hierarchies = ["memory", "pids", "cpu"];
        var there = hierarchies.Where(name => Directory.Exists($"{Root}/{name}")).ToList();
        if (there.Count == 0)
            return Result(CheckStatus.Degraded, "none are mounted: no limits of memory, processes and cpu.", $"{(Environment.IsPrivilegedProcess ? "" : "sudo ")}mount -t cgroup2 none {Root}");
        var writable = there.Where(name => Access.CanWrite($"{Root}/{name}")).ToList();
        return writable.Count == hierarchies.Length
            ? Result(CheckStatus.Fine, "version 1, with cpu, memory and pids.", null)
            : Result(CheckStatus.Degraded, $"version 1, writable for this user: {(writable.Count == 0 ? "none" : string.Join(", ", writable))}; the other limits are missing.",
                Environment.IsPrivilegedProcess ? "mount the missing hierarchies, or boot with systemd.unified_cgroup_hierarchy=1" : "sudo stint up, or boot with systemd.unified_cgroup_hierarchy=1");
    }

    // cgroups(7), /proc/[pid]/cgroup: the line of version 2 begins with "0::".
    private static string OwnGroup()
    {
        var line = File.ReadLines("/proc/self/cgroup").FirstOrDefault(line => line.StartsWith("0::", StringComparison.Ordinal)) ?? "0::/";
        var path = Root + line[3..].TrimEnd('/');
        return Directory.Exists(path) ? path : Root;
    }

    private static CheckResult Result(CheckStatus status, string found, string? cure) => new("cgroups", status, found, cure, Concern.Comfort);
}
