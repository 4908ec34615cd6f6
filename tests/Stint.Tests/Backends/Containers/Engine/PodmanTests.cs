using Stint.Backends.Containers.Engine;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>Where Podman's compatible API differs, as seen of Podman 4.3 (docs/containers.md).</summary>
public sealed class PodmanTests
{
    private static readonly ContainerSettings Asked = new() { Image = "a", HostConfig = new HostConfig { Runtime = "runsc" } };

    [Fact]
    public async Task A_runtime_that_it_would_pass_over_in_silence_is_an_error()
    {
        await using var podman = Podman("crun");
        using var client = podman.Client();
        var failure = await Assert.ThrowsAsync<EngineException>(() => client.Containers.CreateAsync(null, Asked, default));
        Assert.Equal(EngineFault.NoRuntime, failure.Fault);
        Assert.Contains("crun, and not with runsc", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(podman.Asked, static one => one.StartsWith("POST", StringComparison.Ordinal));
        await client.Containers.CreateAsync(null, Asked with { HostConfig = new HostConfig() }, default);
    }

    [Fact]
    public async Task Its_default_runtime_may_be_named()
    {
        await using var podman = Podman("runsc");
        using var client = podman.Client();
        Assert.Equal("b", (await client.Containers.CreateAsync(null, Asked, default)).Id);
    }

    [Fact]
    public async Task What_does_not_run_uses_nothing()
    {
        await using var podman = new PlayedEngine(static call => call.IsPing ? Task.CompletedTask : call.AnswerAsync(200, ""));
        using var client = podman.Client();
        var used = await client.Containers.ReadStatisticsAsync("a", default);
        Assert.Equal((0, TimeSpan.Zero), (used.MemoryBytes, used.CpuTime));
    }

    private static PlayedEngine Podman(string runtime) => new(call =>
        call.IsPing ? call.AnswerAsync(200, "OK", "Api-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\n")
        : call.Target.EndsWith("/info", StringComparison.Ordinal) ? call.AnswerAsync(200, $"{{\"DefaultRuntime\":\"{runtime}\"}}")
        : call.AnswerAsync(201, "{\"Id\":\"b\"}"));
}
