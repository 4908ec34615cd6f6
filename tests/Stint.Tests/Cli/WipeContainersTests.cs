using System.Text.Json;
using Stint.Cli;
using Stint.Tests.Backends.Containers.Engine;

namespace Stint.Tests.Cli;

/// <summary><c>stint wipe --containers</c> at an engine that the test plays; with a real one in the end-to-end tests.</summary>
public sealed class WipeContainersTests : IDisposable
{
    private readonly PlayedCli _cli = new();

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("y\n", 0, 0)]
    [InlineData("n\n", 1, 2)]
    public async Task It_asks_a_person(string answer, int exitCode, int left)
    {
        var containers = new List<string> { "a", "b" };
        await using var engine = Playing(containers);
        _cli.Terminal = true;
        _cli.Input = answer;
        Assert.Equal(exitCode, await RunAsync(engine));
        Assert.Equal(left, containers.Count);
        Assert.Contains($"Remove 2 containers (1 running) and 1 network of Stint's from {engine.Address}? A daemon that uses them loses its instances. [y/N]", _cli.Error, StringComparison.Ordinal);
        if (exitCode == 0) Assert.EndsWith("removed 2 containers (1 running) and 1 network\n", _cli.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_person_it_wants_yes_and_does_not_even_look()
    {
        await using var engine = Playing([]);
        Assert.Equal(ExitCode.Usage, await RunAsync(engine));
        Assert.Contains("Add --yes to mean it", _cli.Error, StringComparison.Ordinal);
        Assert.Empty(engine.Asked);
    }

    [Fact]
    public async Task What_cannot_be_removed_is_said_and_is_the_exit_code()
    {
        await using var engine = Playing(["a", "stuck"]);
        Assert.Equal(ExitCode.Failed, await RunAsync(engine, "--yes", "--json"));
        using var json = JsonDocument.Parse(_cli.Out);
        Assert.Equal(1, json.RootElement.GetProperty("left").GetInt32());
        var failed = Assert.Single(json.RootElement.GetProperty("failed").EnumerateArray());
        Assert.Equal(("container", "stuck", "d1"), (failed.GetProperty("kind").GetString(), failed.GetProperty("name").GetString(), failed.GetProperty("daemon").GetString()));
        Assert.Contains("device is busy", failed.GetProperty("problem").GetString(), StringComparison.Ordinal);
        Assert.Contains("1 container of Stint's is still there", _cli.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_engine_has_its_exit_code()
    {
        _cli.Variables["DOCKER_HOST"] = "unix:///nowhere/docker.sock";
        Assert.Equal(ExitCode.Unreachable, await _cli.RunAsync("wipe", "--containers", "--yes"));
        Assert.Contains("there is no such socket", _cli.Error, StringComparison.Ordinal);
        _cli.Variables["DOCKER_HOST"] = "ssh://host";
        Assert.Equal(ExitCode.BadConfiguration, await _cli.RunAsync("wipe", "--containers", "--yes"));
    }

    [Fact]
    public async Task Json_is_for_containers() => Assert.Equal(ExitCode.Usage, await _cli.RunAsync("wipe", "--yes", "--json"));

    private Task<int> RunAsync(PlayedEngine engine, params string[] flags)
    {
        _cli.Variables["DOCKER_HOST"] = engine.Address.ToString();
        return _cli.RunAsync(["wipe", "--containers", .. flags]);
    }

    private static PlayedEngine Playing(List<string> containers)
    {
        var hasNetwork = containers.Count > 0;
        return new(call =>
        {
            lock (containers)
            {
                if (call.IsPing) return Task.CompletedTask;
                var path = call.Target["/v1.41/".Length..].Split('?')[0];
                if (call.Method == "DELETE")
                {
                    var id = path.Split('/')[1];
                    if (id == "stuck") return call.AnswerAsync(500, "{\"message\":\"device is busy\"}");
                    if (id == "net") hasNetwork = false;
                    containers.Remove(id);
                    return call.AnswerAsync(204, "");
                }
                if (path == "info") return call.AnswerAsync(200, "{}");
                Assert.Contains("filters=%7B%22label%22%3A%5B%22stint.daemon%22%5D%7D", call.Target, StringComparison.Ordinal);
                return call.AnswerAsync(200, path switch
                {
                    "containers/json" => $"[{string.Join(',', containers.Select(static id => $"{{\"Id\":\"{id}\",\"Names\":[\"/{id}\"],\"State\":\"{(id == "a" ? "running" : "created")}\",\"Labels\":{{\"stint.daemon\":\"d1\",\"stint.role\":\"container\"}}}}"))}]",
                    "networks" => hasNetwork ? "[{\"Id\":\"net\",\"Name\":\"net\",\"Labels\":{\"stint.daemon\":\"d1\"}}]" : "[]",
                    "volumes" => "{\"Volumes\":null}",
                    _ => "[]",
                });
            }
        });
    }
}
