using Stint.Backends.Processes.Limits;

namespace Stint.Tests.Backends.Processes.Limits;

/// <summary>
/// What is written to a version 2 hierarchy, on a folder that looks like one: our machines have version 1 only, whose real groups the end-to-end tests use; a real version 2 is that of the machine in
/// which they start the service. Names and formats are the kernel's (Documentation/admin-guide/cgroup-v2.rst).
/// </summary>
public sealed class ControlGroupsV2Tests : IDisposable
{
    private readonly string _mount = Directory.CreateTempSubdirectory("stint-cgroup2-").FullName;

    public void Dispose() => Directory.Delete(_mount, recursive: true);

    [Fact]
    public void Limits_are_written_in_the_kernels_words_and_usage_is_read_back()
    {
        Offer("cpuset cpu io memory pids");
        foreach (var folder in new[] { "", "stint", "stint/d" }) Write(folder, "cgroup.subtree_control", "cpu memory pids\n");
        using var groups = ControlGroupsV2.TryOpen(_mount, "/", "d", out var problem);
        Assert.True(groups is not null, problem);
        Write("stint/d/i", "memory.swap.max", "max\n");
        var group = groups.Create("i", new InstanceLimits(64 << 20, 32, 0.5));
        Assert.Equal("67108864", Read("memory.max"));
        Assert.Equal("0", Read("memory.swap.max"));
        Assert.Equal("1", Read("memory.oom.group"));
        Assert.Equal("32", Read("pids.max"));
        Assert.Equal("50000 100000", Read("cpu.max"));
        Assert.Equal([Path.Combine(_mount, "stint/d/i/cgroup.procs")], group.JoinFiles);

        Write("stint/d/i", "memory.current", "4096\n");
        Write("stint/d/i", "cpu.stat", "usage_usec 1500000\nuser_usec 1000000\n");
        Write("stint/d/i", "memory.events", "low 0\noom 1\noom_kill 1\n");
        Write("stint/d/i", "cgroup.events", "populated 0\nfrozen 0\n");
        Assert.Equal((4096, TimeSpan.FromSeconds(1.5)), (group.ReadUsage().MemoryBytes, group.ReadUsage().CpuTime));
        Assert.True(group.RanOutOfMemory());
        Assert.False(group.IsPopulated());
        Write("stint/d/i", "cgroup.kill", "");
        group.Kill();
        Assert.Equal("1", Read("cgroup.kill"));
    }

    [Fact]
    public void A_hierarchy_without_the_controllers_is_refused_and_says_which_are_missing()
    {
        Offer("cpu io");
        Assert.Null(ControlGroupsV2.TryOpen(_mount, "/", "d", out var problem));
        Assert.Equal($"cgroup v2 at {_mount} offers no memory, pids controller", problem);
    }

    [Fact]
    public void Controllers_that_are_not_enabled_yet_are_enabled_on_the_way_down()
    {
        Offer("cpu memory pids");
        Write("", "cgroup.subtree_control", "cpu\n");
        foreach (var folder in new[] { "stint", "stint/d" }) Write(folder, "cgroup.subtree_control", "");
        using var groups = ControlGroupsV2.TryOpen(_mount, "/", "d", out var problem);
        Assert.True(groups is not null, problem);
        Assert.Equal("+memory +pids", File.ReadAllText(Path.Combine(_mount, "cgroup.subtree_control")));
        Assert.Equal("+memory +pids +cpu", File.ReadAllText(Path.Combine(_mount, "stint/d/cgroup.subtree_control")));
    }

    [Theory]
    [InlineData(true, "system.slice/stint.service/stint/d"), InlineData(false, "stint/d")]
    public void A_group_that_the_daemon_has_for_itself_is_used_and_one_with_others_is_not(bool alone, string expected)
    {
        Offer("cpu memory pids");
        foreach (var folder in new[] { "", "stint", "stint/d", "system.slice/stint.service", "system.slice/stint.service/stint", "system.slice/stint.service/stint/d" })
            Write(folder, "cgroup.subtree_control", "cpu memory pids\n");
        Write("system.slice/stint.service", "cgroup.procs", alone ? $"{Environment.ProcessId}\n" : $"{Environment.ProcessId}\n{Environment.ProcessId + 1}\n");
        using var groups = ControlGroupsV2.TryOpen(_mount, "/system.slice/stint.service", "d", out var problem);
        Assert.True(groups is not null, problem);
        Assert.Equal($"cgroup v2 at {_mount}/{expected}", groups.Description);
    }

    private void Offer(string controllers) => Write("", "cgroup.controllers", controllers + "\n");

    private void Write(string folder, string file, string text)
    {
        Directory.CreateDirectory(Path.Combine(_mount, folder));
        File.WriteAllText(Path.Combine(_mount, folder, file), text);
    }

    private string Read(string file) => File.ReadAllText(Path.Combine(_mount, "stint/d/i", file));
}
