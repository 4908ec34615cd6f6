using System.Globalization;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary>What a guest can do to the host and to other guests: the table of docs/containers.md, from inside.</summary>
[Collection(TestEngine.Collection)]
public sealed class IsolationTests(ContainerDaemon shared) : IClassFixture<ContainerDaemon>
{
    private readonly StintDaemon _daemon = shared.Daemon;

    [Fact]
    public async Task Another_runtime_of_the_engine_runs_it_when_it_is_named()
    {
        const string tells = "health-path = \"/index.html\"\ncommand = [\"/bin/sh\", \"-c\", \"cat /proc/version; exec httpd -f -p 8080 -h /www\"]";
        await shared.DeployAsync("gvisor", Guests.Web, tells + "\nruntime = \"runsc\"");
        await shared.DeployAsync("ordinary", Guests.Web, tells);
        // Its sockets are the host's here (TestEngine), and then it ends a read that has to wait: a caller who is slower than the server sees no answer.
        await Retry.UntilAsync("it serves", async () => (await _daemon.Http.GetAsync("gvisor/index.html")).IsSuccessStatusCode);
        // gVisor is a kernel of its own, and always says that it is this one.
        await Retry.UntilAsync("it has a kernel of its own", async () => (await _daemon.LogsAsync("gvisor")).Contains("Linux version 4.4.0 ", StringComparison.Ordinal));
        Assert.Equal(200, (int)(await _daemon.Http.GetAsync("ordinary/index.html")).StatusCode);
        var ours = (await File.ReadAllTextAsync("/proc/version")).Trim();
        await Retry.UntilAsync("another has the host's", async () => (await _daemon.LogsAsync("ordinary")).Contains(ours, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_can_be_written_but_a_bounded_tmp()
    {
        await shared.DeployAsync("readonly", Guests.Web, "port = 8080\ntmp = 2");
        Assert.Contains("Read-only file system", await shared.ShellAsync("readonly", "touch /x"), StringComparison.Ordinal);
        var output = await shared.ShellAsync("readonly", "echo here >/tmp/x; cat /tmp/x; dd if=/dev/zero of=/tmp/y bs=1M count=5");
        Assert.StartsWith("here\n", output, StringComparison.Ordinal);
        Assert.Contains("No space left on device", output, StringComparison.Ordinal);
        // A program may be put there and run, as Java's libraries do.
        Assert.Equal("ran\n", await shared.ShellAsync("readonly", "rm -f /tmp/y; printf '#!/bin/sh\\necho ran\\n' >/tmp/p; chmod +x /tmp/p; /tmp/p"));
    }

    [Fact]
    public async Task A_writable_one_has_its_own_copy()
    {
        await shared.DeployAsync("writable", Guests.Web, "port = 8080\nwritable = true", "single-use = true\nmax-instances = 2");
        Assert.Equal("mine\n", await shared.ShellAsync("writable", "ls /x 2>/dev/null; echo mine >/x; cat /x"));
        Assert.Equal("mine\n", await shared.ShellAsync("writable", "ls /x 2>/dev/null; echo mine >/x; cat /x"));
    }

    [Fact]
    public async Task Volumes_of_the_image_are_bounded_too()
    {
        await shared.DeployAsync("volume", Guests.Volume, "port = 8080\ntmp = 2");
        var output = await shared.ShellAsync("volume", "ls /data; echo here >/data/x; cat /data/x; dd if=/dev/zero of=/data/y bs=1M count=5");
        Assert.StartsWith("here\n", output, StringComparison.Ordinal);
        Assert.Contains("No space left on device", output, StringComparison.Ordinal);
        await shared.DeployAsync("volume", Guests.Volume, "port = 8080\nwritable = true");
        await Retry.UntilAsync("the new version can write there", async () => await shared.ShellAsync("volume", "touch /data/x; ls /data") == "file\nx\n");
    }

    [Fact]
    public async Task It_has_no_capability_but_those_listed_and_gains_none()
    {
        await shared.DeployAsync("caps", Guests.Web);
        var status = await shared.ShellAsync("caps", "cat /proc/self/status");
        foreach (var set in (string[])["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) Assert.Contains($"{set}:\t0000000000000000\n", status, StringComparison.Ordinal);
        Assert.Contains("NoNewPrivs:\t1\n", status, StringComparison.Ordinal);
        // 2: a filter (seccomp(2)).
        Assert.Contains("Seccomp:\t2\n", status, StringComparison.Ordinal);
        Assert.Contains("Operation not permitted", await shared.ShellAsync("caps", "chown 1 /tmp; mount -t tmpfs none /tmp"), StringComparison.Ordinal);

        await shared.DeployAsync("chown", Guests.Web, "port = 8080\ncapabilities = [\"CAP_CHOWN\"]");
        // 1 = CAP_CHOWN (linux/capability.h).
        Assert.Contains("CapBnd:\t0000000000000001\n", await shared.ShellAsync("chown", "cat /proc/self/status"), StringComparison.Ordinal);
        Assert.Equal("7\n", await shared.ShellAsync("chown", "touch /tmp/x; chown 7 /tmp/x; stat -c %u /tmp/x"));
    }

    [Fact]
    public async Task A_memory_hog_dies_of_its_limit_and_is_replaced()
    {
        await shared.DeployAsync("hog", Guests.Web, "port = 8080\nmemory = 16", "max-instances = 1");
        await shared.ShellAsync("hog", "true");
        var first = (await shared.RunningAsync("hog")).Id;
        // All of it at once, so that the kernel picks the largest process, which is the script's; then the first one, which a kill does not reach from inside.
        var (status, text) = await _daemon.CallAsync("hog/cgi-bin/sh", "head -c 67108864 /dev/zero | tail -c 67108864 >/dev/null; echo $?");
        Assert.True(status is 200 or 502, $"{status}: {text}");
        Assert.NotEqual("0\n", text);
        Assert.Equal("again\n", await shared.ShellAsync("hog", "echo again"));
        Assert.Equal(16L * 1024 * 1024, await LimitAsync("hog", "memory/memory.limit_in_bytes", "memory.max"));
        Assert.Equal(0, (await shared.Engine.Containers.InspectAsync(first, default)).State.ExitCode);
    }

    [Fact]
    public async Task A_fork_bomb_is_bounded_and_others_go_on()
    {
        await shared.DeployAsync("bomb", Guests.Web, "port = 8080\npids = 40", "timeout = 5\nmax-instances = 1");
        await shared.DeployAsync("bystander", Guests.Web);
        Assert.Equal("40\n", await shared.ShellAsync("bomb", "cat /sys/fs/cgroup/pids/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids.max"));
        try
        {
            await _daemon.CallAsync("bomb/cgi-bin/sh", "f() { f | f & }; f; sleep 100");
        }
        catch (HttpRequestException)
        {
            // The answer had begun when the time was up.
        }
        Assert.Equal("fine\n", await shared.ShellAsync("bystander", "echo fine"));
        // It went with its call.
        await Retry.UntilAsync("the function serves again", async () => await _daemon.CallAsync("bomb/cgi-bin/sh", "echo fine") == (200, "fine\n"));
    }

    [Fact]
    public async Task Instances_reach_neither_each_other_nor_those_of_other_functions()
    {
        await shared.DeployAsync("alone", Guests.Web, top: "min-instances = 2");
        await shared.DeployAsync("other", Guests.Web, top: "min-instances = 1");
        await shared.WaitForRunningAsync("alone", 2);
        await shared.WaitForRunningAsync("other", 1);
        var targets = (await shared.ContainersAsync("alone")).Concat(await shared.ContainersAsync("other")).Where(static container => container.IsRunning);
        var addresses = await Task.WhenAll(targets.Select(async container => (await shared.Engine.Containers.InspectAsync(container.Id, default)).NetworkSettings!.Networks.Values.Single().IPAddress!));
        Assert.Equal(3, addresses.Distinct().Count());
        var output = await shared.ShellAsync("alone", $"hostname -i; for a in {string.Join(' ', addresses)}; do printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 $a 8080 2>/dev/null | grep -q hello && echo reached $a; done");
        var own = output.Split('\n')[0].Trim();
        Assert.Contains(own, addresses);
        // Its own door is the only open one.
        Assert.Equal(["reached " + own], output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1));
    }

    [Fact]
    public async Task An_internal_network_has_no_way_out()
    {
        await shared.DeployAsync("inside", Guests.Web, "port = 8080\nnetwork = \"internal\"");
        await shared.DeployAsync("outside", Guests.Web);
        Assert.True(await IsInternalAsync("inside"));
        Assert.False(await IsInternalAsync("outside"));
        Assert.Equal("here\n", await shared.ShellAsync("inside", "echo here"));
        // A UniFaaS guest can still say that it is ready.
        await shared.DeployAsync("insider", Guests.UniFaas, "network = \"internal\"");
        Assert.Equal("here\n", await shared.ShellAsync("insider", "echo here"));
    }

    [Fact]
    public async Task Its_share_of_the_processors_is_limited_even_beyond_what_the_host_has()
    {
        await shared.DeployAsync("half", Guests.Web, "port = 8080\ncpus = 0.5");
        Assert.Equal(50_000, await LimitAsync("half", "cpu/cpu.cfs_quota_us", "cpu.max"));
        await shared.DeployAsync("many", Guests.Web, "port = 8080\ncpus = 512");
        Assert.Equal(51_200_000, await LimitAsync("many", "cpu/cpu.cfs_quota_us", "cpu.max"));
    }

    [Fact]
    public async Task Nothing_of_the_host_is_in_it_and_nothing_is_published()
    {
        await shared.DeployAsync("view", Guests.Web);
        var mounts = await shared.ShellAsync("view", "cat /proc/mounts");
        Assert.DoesNotContain(" /run", mounts, StringComparison.Ordinal);
        Assert.Equal("0\n", await shared.ShellAsync("view", "ulimit -c"));
        var container = await shared.RunningAsync("view");
        Assert.Equal(("json-file", "1m"), (container.HostConfig!.LogConfig!.Type, container.HostConfig.LogConfig.Config!["max-size"]));
        Assert.Single(container.NetworkSettings!.Networks);
    }

    private async Task<bool> IsInternalAsync(string function) =>
        Assert.Single(await shared.Engine.Networks.ListAsync(EngineFilters.Label(ContainerLabels.Function, function), default)).Internal;

    /// <summary>A number of the instance's control group, of version 1 or 2; of several in a line the first.</summary>
    private async Task<long> LimitAsync(string function, string first, string second)
    {
        var text = await shared.ShellAsync(function, $"cat /sys/fs/cgroup/{first} 2>/dev/null || cat /sys/fs/cgroup/{second}");
        return long.Parse(text.Trim().Split(' ')[0], CultureInfo.InvariantCulture);
    }
}
