using Stint.Backends.Containers.Engine;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>What the engine refuses, and in which words that reaches a user.</summary>
[Collection(TestEngine.Collection)]
public sealed class EngineFaultsTests(TestEngine engine)
{
    private ContainerCalls Containers => engine.Client.Containers;

    [Fact]
    public async Task The_engine_describes_itself()
    {
        await engine.Client.PingAsync(default);
        var version = await engine.Client.ReadVersionAsync(default);
        Assert.True(ApiVersion.TryParse(version.ApiVersion, out var api) && api >= ApiVersion.Oldest);
        Assert.False(version.IsPodman);
        var info = await engine.Client.ReadInfoAsync(default);
        Assert.Contains("runc", info.Runtimes.Keys);
        Assert.Equal(("runc", Path.Combine(engine.Folder, "data"), "linux", false), (info.DefaultRuntime, info.DockerRootDir, info.OSType, info.LiveRestoreEnabled));
        Assert.Contains(info.CgroupVersion, (string[])["1", "2"]);
        Assert.True(info is { MemoryLimit: true, PidsLimit: true, CpuQuota: true, Processors: > 0, MemTotal: > 0 });
        Assert.Contains(info.SecurityOptions, static option => option.StartsWith("name=seccomp", StringComparison.Ordinal));
    }

    [Fact]
    public async Task No_such_image()
    {
        var failure = await FailAsync(EngineFault.NoImage, () => Containers.CreateAsync(null, new ContainerSettings { Image = "stint-test/none:1" }, default));
        Assert.Contains("stint-test/none:1", failure.Message, StringComparison.Ordinal);
        await FailAsync(EngineFault.NoImage, () => engine.Client.Images.InspectAsync("stint-test/none:1", default));
    }

    [Fact]
    public async Task No_such_runtime()
    {
        await using var own = new TestObjects(engine);
        var failure = await FailAsync(EngineFault.NoRuntime, () => own.StartAsync("true", static settings => settings with { HostConfig = new HostConfig { Runtime = "no-such-runtime", NetworkMode = "none" } }));
        Assert.Contains("no-such-runtime", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_runtime_that_is_registered_and_not_installed()
    {
        await engine.StopAsync();
        await engine.StartAsync("--add-runtime", "gone=/nowhere/runsc");
        await using (var own = new TestObjects(engine))
        {
            await FailAsync(EngineFault.NoRuntime, () => own.StartAsync("true", static settings => settings with { HostConfig = new HostConfig { Runtime = "gone", NetworkMode = "none" } }));
        }
        await engine.StopAsync();
        await engine.StartAsync();
    }

    [Fact]
    public async Task No_such_container()
    {
        await FailAsync(EngineFault.NoContainer, () => Containers.StartAsync("stint-test-none", default));
        await FailAsync(EngineFault.NoContainer, () => Containers.InspectAsync("stint-test-none", default));
        await FailAsync(EngineFault.NoContainer, () => Containers.OpenLogsAsync("stint-test-none", default, default));
    }

    [Fact]
    public async Task A_name_that_is_taken()
    {
        await using var own = new TestObjects(engine);
        var settings = new ContainerSettings { Image = await engine.Images.MakeAsync("stint-test/busybox:latest"), Labels = own.Labels, Cmd = ["true"] };
        await Containers.CreateAsync("stint-test-name", settings, default);
        await FailAsync(EngineFault.Conflict, () => Containers.CreateAsync("stint-test-name", settings, default));
    }

    [Fact]
    public async Task A_setting_that_the_engine_does_not_take()
    {
        await using var own = new TestObjects(engine);
        await FailAsync(EngineFault.Rejected, () => own.StartAsync("true", static settings => settings with { HostConfig = new HostConfig { Memory = 1 } }));
        await FailAsync(EngineFault.Rejected, () => own.StartAsync("true", static settings => settings with { HostConfig = new HostConfig { Mounts = [new MountSettings { Type = "bind", Source = "/nowhere", Target = "/x" }] } }));
        var failure = await FailAsync(EngineFault.Rejected, () => own.StartAsync("", static settings => settings with { Cmd = ["/no/such/program"], HostConfig = new HostConfig { NetworkMode = "none" } }));
        Assert.Contains("/no/such/program", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_engine()
    {
        using var nowhere = new EngineClient(EngineAddress.Parse("unix:///nowhere/docker.sock"), TimeProvider.System);
        var failure = await FailAsync(EngineFault.NoEngine, () => nowhere.PingAsync(default));
        Assert.Contains("there is no such socket", failure.Message, StringComparison.Ordinal);
    }

    private static async Task<EngineException> FailAsync(EngineFault fault, Func<Task> call)
    {
        var failure = await Assert.ThrowsAsync<EngineException>(call);
        Assert.True(fault == failure.Fault, $"{failure.Fault}: {failure.Message}");
        return failure;
    }
}
