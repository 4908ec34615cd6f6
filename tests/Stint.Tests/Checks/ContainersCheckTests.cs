using Stint.Checks;
using Stint.Tests.Backends.Containers.Engine;

namespace Stint.Tests.Checks;

public sealed class ContainersCheckTests
{
    private const string Version = "Api-Version: 1.41\r\n";
    private const string Good =
        """{"ServerVersion":"20.10.24","Runtimes":{"runc":{"path":"runc"},"gone":{"path":"/nowhere/gone"},"here":{"path":"/bin/sh"}},"DefaultRuntime":"runc","MemoryLimit":true,"SwapLimit":true,"PidsLimit":true,"CpuCfsQuota":true,"SecurityOptions":["name=seccomp,profile=default"]}""";

    [Fact]
    public async Task An_engine_with_everything_is_fine()
    {
        await using var engine = Playing(Good);
        var result = await CheckAsync(engine, new ContainerNeed("web", "there:1", "here"), new ContainerNeed("api", "there:1", null));
        Assert.Equal((CheckStatus.Fine, null), (result.Status, result.Cure));
        Assert.StartsWith("Docker Engine 20.10.24 at unix:///", result.Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_functions_name_and_the_engine_lacks_is_said_with_the_way_to_get_it()
    {
        await using var engine = Playing(Good);
        var result = await CheckAsync(engine, new ContainerNeed("b", "missing:1", "runsc"), new ContainerNeed("a", "missing:1", "gone"), new ContainerNeed("c", "there:1", "runsc"));
        Assert.Equal(CheckStatus.Degraded, result.Status);
        Assert.EndsWith(": no runtime gone (a); no runtime runsc (b, c); no image missing:1 (a, b).", result.Found, StringComparison.Ordinal);
        Assert.Contains("docker pull missing:1", result.Cure, StringComparison.Ordinal);
        Assert.Contains("install gone, name its program under \"runtimes\"", result.Cure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Limits_that_do_not_hold_are_said()
    {
        await using var engine = Playing("""{"ServerVersion":"1","SwapLimit":false,"MemoryLimit":true}""");
        var result = await CheckAsync(engine);
        Assert.Equal(CheckStatus.Degraded, result.Status);
        Assert.EndsWith(": memory limits do not count swap; limits of processes do not hold; limits of cpu do not hold; no filter of system calls.", result.Found, StringComparison.Ordinal);
        Assert.Contains("swapaccount=1", result.Cure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Podman_has_the_runtime_that_is_its_default()
    {
        await using var engine = Playing(Good, Version + "Libpod-Api-Version: 4.3.1\r\n");
        var result = await CheckAsync(engine, new ContainerNeed("a", "there:1", "runc"), new ContainerNeed("b", "there:1", "here"));
        Assert.Contains("Podman 20.10.24", result.Found, StringComparison.Ordinal);
        Assert.EndsWith(": no runtime here (b).", result.Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_engine_that_is_too_old_is_missing()
    {
        await using var engine = Playing(Good, "Api-Version: 1.40\r\n");
        var result = await CheckAsync(engine, new ContainerNeed("a", "there:1", null));
        Assert.Equal(CheckStatus.Missing, result.Status);
        Assert.Contains("too old", result.Found, StringComparison.Ordinal);
        Assert.NotNull(result.Cure);
    }

    [Theory]
    [InlineData(true, false, nameof(CheckStatus.Missing))]
    [InlineData(false, true, nameof(CheckStatus.Missing))]
    [InlineData(false, false, nameof(CheckStatus.Fine))]
    public async Task No_engine_matters_when_something_wants_one(bool isDockerBackend, bool hasFunction, string status)
    {
        var scope = Scope("unix:///nowhere/docker.sock") with { IsDockerBackend = isDockerBackend, Containers = hasFunction ? [new ContainerNeed("a", "b", null)] : [] };
        var result = await new ContainersCheck().RunAsync(scope, default);
        Assert.Equal(status, result.Status.ToString());
        Assert.Equal(result.Status is CheckStatus.Fine, result.Cure is null);
        Assert.Contains("/nowhere/docker.sock", result.Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_is_none_is_said_to_be_none()
    {
        var result = await new ContainersCheck().RunAsync(Scope("ssh://host") with { IsDockerBackend = true }, default);
        Assert.Equal(CheckStatus.Missing, result.Status);
        Assert.Contains("SSH", result.Found, StringComparison.Ordinal);
    }

    private static Task<CheckResult> CheckAsync(PlayedEngine engine, params ContainerNeed[] needs) => new ContainersCheck().RunAsync(Scope(engine.Address.ToString()) with { Containers = needs }, default);

    private static CheckScope Scope(string address) => new() { Registry = "", State = "", DockerHost = address };

    private static PlayedEngine Playing(string info, string headers = Version) => new(call =>
        call.IsPing ? call.AnswerAsync(200, "OK", headers)
        : call.Target.EndsWith("/info", StringComparison.Ordinal) ? call.AnswerAsync(200, info)
        : call.Target.Contains("/there:1/", StringComparison.Ordinal) ? call.AnswerAsync(200, "{\"Id\":\"sha256:1\"}")
        : call.AnswerAsync(404, "{\"message\":\"No such image\"}"));
}
