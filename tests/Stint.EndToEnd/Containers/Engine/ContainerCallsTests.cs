using System.Text;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>Calls about containers, at a real engine.</summary>
[Collection(TestEngine.Collection)]
public sealed class ContainerCallsTests(TestEngine engine)
{
    private ContainerCalls Containers => engine.Client.Containers;

    [Fact]
    public async Task A_container_is_made_started_signalled_waited_for_and_removed()
    {
        await using var own = new TestObjects(engine);
        var id = await own.CreateAsync("trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done", static settings => settings with { HostConfig = new HostConfig { NetworkMode = "none" } });
        Assert.Equal("created", (await Containers.InspectAsync(id, default)).State.Status);

        await Containers.StartAsync(id, default);
        await Containers.StartAsync(id, default);
        var running = await Containers.InspectAsync(id, default);
        Assert.True(running.State is { Running: true, Pid: > 0, OOMKilled: false });
        Assert.True(Assert.Single(await Containers.ListAsync(own.Filters(), default)).IsRunning);
        await own.WaitForOutputAsync(id, "ready");

        var end = Containers.WaitAsync(id, default);
        Assert.True(await Containers.KillAsync(id, "SIGINT", default));
        Assert.Equal(7, await end);
        Assert.False(await Containers.KillAsync(id, "SIGINT", default));
        Assert.Equal("exited", Assert.Single(await Containers.ListAsync(own.Filters(), default)).State);

        Assert.True(await Containers.RemoveAsync(id, default));
        Assert.False(await Containers.RemoveAsync(id, default));
        Assert.Empty(await Containers.ListAsync(own.Filters(), default));
    }

    [Fact]
    public async Task A_running_container_is_stopped_and_removed_by_force()
    {
        await using var own = new TestObjects(engine);
        var stopped = await own.StartAsync("sleep 1000");
        Assert.True(await Containers.StopAsync(stopped, TimeSpan.FromSeconds(10), default));
        Assert.False((await Containers.InspectAsync(stopped, default)).State.Running);
        Assert.True(await Containers.StopAsync(stopped, TimeSpan.Zero, default));

        var removed = await own.StartAsync("trap '' TERM INT; while :; do sleep 1; done");
        Assert.True(await Containers.RemoveAsync(removed, default));
        Assert.False(await Containers.StopAsync(removed, TimeSpan.Zero, default));
    }

    [Fact]
    public async Task What_a_container_may_do_is_as_it_was_asked_for()
    {
        await using var own = new TestObjects(engine);
        var asked = new HostConfig
        {
            Memory = 64 << 20, MemorySwap = 64 << 20, NanoCpus = 500_000_000, PidsLimit = 50, CapDrop = ["ALL"], CapAdd = ["NET_BIND_SERVICE"], SecurityOpt = ["no-new-privileges"], ReadonlyRootfs = true,
            Tmpfs = new Dictionary<string, string> { ["/tmp"] = "size=1m,mode=1777" }, Binds = ["/etc/hostname:/host-name:ro"], NetworkMode = "none", Runtime = "runc",
            Mounts = [new MountSettings { Type = "bind", Source = "/etc", Target = "/host-etc", ReadOnly = true }],
            Ulimits = [new UlimitSettings("nofile", 100, 200)], Init = true, LogConfig = new LogSettings("json-file", new Dictionary<string, string> { ["max-size"] = "1m", ["max-file"] = "2" }), ShmSize = 1 << 20, IpcMode = "private",
        };
        var id = await own.StartAsync(
            """
            id -u; ulimit -n; touch /x 2>/dev/null || echo read-only; touch /tmp/x && echo tmp; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; cat /host-name >/dev/null && echo bound
            test -e /host-etc/passwd && echo mounted; echo $A; pwd; hostname; df -k /dev/shm | tail -n 1 | awk '{print $2}'
            """,
            settings => settings with { HostConfig = asked, User = "65534:65534", Env = ["A=ä b"], WorkingDir = "/tmp", Hostname = "inside", StopSignal = "SIGINT", StopTimeout = 3, OpenStdin = false });
        var output = await own.OutputAsync(id);
        Assert.Equal(
            ["65534", "100", "read-only", "tmp", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "bound", "mounted", "ä b", "/tmp", "inside", "1024"],
            output.Stdout.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        var got = (await Containers.InspectAsync(id, default)).HostConfig!;
        Assert.Equal(
            (asked.Memory, asked.MemorySwap, asked.NanoCpus, asked.PidsLimit, asked.Runtime, asked.ShmSize, asked.NetworkMode),
            (got.Memory, got.MemorySwap, got.NanoCpus, got.PidsLimit, got.Runtime, got.ShmSize, got.NetworkMode));
        Assert.Equal(asked.LogConfig.Config, got.LogConfig!.Config);
    }

    [Fact]
    public async Task Who_takes_more_memory_than_he_may_is_killed_and_it_shows()
    {
        await using var own = new TestObjects(engine);
        // The engine's shim reads it from the control group, which may be gone by then (cgroups of the first version): then one more is killed.
        await Retry.UntilAsync("one is said to have run out of memory", async () =>
        {
            var id = await own.StartAsync("tail /dev/zero", static settings => settings with { HostConfig = new HostConfig { Memory = 16 << 20, MemorySwap = 16 << 20, NetworkMode = "none" } });
            Assert.NotEqual(0, await Containers.WaitAsync(id, default));
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System);
            return (await Containers.InspectAsync(id, default)).State.OOMKilled;
        });
    }

    [Fact]
    public async Task Output_is_told_apart_and_nothing_of_it_is_lost_however_fast_it_comes()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("seq 1 200000; seq 1 1000 >&2; head -c 100000 /dev/zero | tr '\\0' x");
        var (stdout, stderr) = await own.OutputAsync(id);
        Assert.Equal(string.Join('\n', Enumerable.Range(1, 200_000)) + "\n" + new string('x', 100_000), stdout);
        Assert.Equal(string.Join('\n', Enumerable.Range(1, 1000)) + "\n", stderr);
    }

    [Fact]
    public async Task Output_of_a_terminal_is_one_stream()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("echo one; echo two >&2", static settings => settings with { Tty = true });
        await Containers.WaitAsync(id, default);
        await using var output = await Containers.OpenLogsAsync(id, new LogsQuery { IsTerminal = true }, default);
        var text = new StringBuilder();
        while (await output.ReadAsync(default) is { } piece) text.Append(Encoding.UTF8.GetString(piece.Bytes.Span));
        Assert.Equal("one\r\ntwo\r\n", text.ToString());
    }

    [Fact]
    public async Task Only_the_last_lines_are_told_when_only_they_are_wanted()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("seq 1 100");
        await Containers.WaitAsync(id, default);
        await using var output = await Containers.OpenLogsAsync(id, new LogsQuery { Tail = 2, Timestamps = true }, default);
        var messages = new List<string>();
        while (await output.ReadAsync(default) is { } piece)
        {
            Assert.True(piece.IsStart);
            var text = Encoding.UTF8.GetString(piece.Bytes.Span).Split(' ');
            Assert.True(EngineTime.TryParse(Encoding.UTF8.GetBytes(text[0]), out var moment));
            Assert.InRange(moment, EngineTime.Of(TimeProvider.System.GetUtcNow().AddHours(-1)), EngineTime.Of(TimeProvider.System.GetUtcNow().AddHours(1)));
            messages.Add(text[1]);
        }
        Assert.Equal(["99\n", "100\n"], messages);
    }

    [Fact]
    public async Task What_a_container_uses_is_measured()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo ready; while :; do :; done");
        await own.WaitForOutputAsync(id, "ready");
        var first = await Containers.ReadStatisticsAsync(id, default);
        Assert.InRange(first.MemoryBytes, 4_000_000, 1L << 30);
        await Retry.UntilAsync("processor time grows", async () => (await Containers.ReadStatisticsAsync(id, default)).CpuTime > first.CpuTime);
        await Containers.KillAsync(id, "SIGKILL", default);
        await Containers.WaitAsync(id, default);
        Assert.Equal(0, (await Containers.ReadStatisticsAsync(id, default)).MemoryBytes);
    }

    [Fact]
    public async Task A_sampler_tells_the_last_measurement_and_never_waits()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("echo ready; while :; do :; done");
        await using var sampler = new UsageSampler(engine.Client, TimeProvider.System);
        Assert.Equal(default, sampler.Read(id));
        await Retry.UntilAsync("it was measured", () => sampler.Read(id).MemoryBytes > 0);
        var first = sampler.Read(id);
        await Retry.UntilAsync("it was measured again", () => sampler.Read(id).CpuTime > first.CpuTime);
        await Containers.RemoveAsync(id, default);
        await Retry.UntilAsync("what is gone is forgotten", () => sampler.Read(id) == default);
    }

    [Fact]
    public async Task A_command_runs_in_a_container()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("sleep 1000");
        var (stdout, stderr) = (new StringBuilder(), new StringBuilder());
        var code = await Containers.ExecAsync(
            id, new ExecSettings { Cmd = ["/bin/sh", "-c", "seq 1 20000; echo $A >&2; id -u; exit 9"], Env = ["A=b"], User = "65534" },
            piece => (piece.Kind is OutputKind.Stderr ? stderr : stdout).Append(Encoding.UTF8.GetString(piece.Bytes.Span)), default);
        Assert.Equal(9, code);
        Assert.Equal(string.Join('\n', Enumerable.Range(1, 20_000)) + "\n65534\n", stdout.ToString());
        Assert.Equal("b\n", stderr.ToString());
    }

    [Fact]
    public async Task A_wait_or_a_reading_that_is_not_wanted_any_more_ends_at_once()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("echo ready; sleep 1000");
        using var enough = new CancellationTokenSource();
        var wait = Containers.WaitAsync(id, enough.Token);
        await using var output = await Containers.OpenLogsAsync(id, new LogsQuery { Follow = true }, default);
        Assert.NotNull(await output.ReadAsync(default));
        var reading = output.ReadAsync(enough.Token).AsTask();
        Assert.False(wait.IsCompleted || reading.IsCompleted);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
    }
}
