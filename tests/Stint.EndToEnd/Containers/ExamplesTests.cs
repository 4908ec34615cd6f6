using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary>What examples/containers and <c>stint new container</c> give works as their READMEs say, without a registry.</summary>
[Collection(TestEngine.Collection)]
public sealed class ExamplesTests(TestEngine engine)
{
    [Fact]
    public async Task The_examples_are_made_and_answer_and_so_does_the_starter()
    {
        var examples = Path.Combine(Programs.Repository, "examples", "containers");
        await BuildAsync(Path.Combine(examples, "build.sh"));
        await using var owner = await ContainerDaemon.StartAsync(engine, new DaemonSetup
        {
            Before = daemon =>
            {
                foreach (var name in (string[])["web", "unifaas"]) FunctionFiles.Write(daemon.Registry, ($"{name}/function.toml", File.ReadAllText(Path.Combine(examples, name, "function.toml"))));
            },
        });
        Assert.Equal((200, "Hello, World!\n"), await owner.Daemon.CallAsync("web", "World"));
        Assert.Equal("Hello from a UniFaaS guest.\n", await owner.Daemon.Http.GetStringAsync("unifaas/"));
        Assert.Equal("Hello from a UniFaaS guest.\n", await owner.Daemon.Management.GetStringAsync("invoke/unifaas/index.html"));

        (await owner.Daemon.CliAsync("new", "container", "greeter")).Good();
        await BuildAsync(Path.Combine(owner.Daemon.Root, "greeter/image/build.sh"));
        (await owner.Daemon.CliAsync("deploy", "greeter")).Good();
        Assert.Equal("Hello, Ada!\n", (await owner.Daemon.CliAsync("invoke", "greeter", "-d", "Ada")).Good());
        await Retry.UntilAsync("what it wrote is in its log", async () => (await owner.Daemon.LogsAsync("greeter")).Contains("greeting Ada", StringComparison.Ordinal));
    }

    private async Task BuildAsync(string script) =>
        (await Programs.RunAsync([script], "/", "", new Dictionary<string, string> { ["DOCKER_HOST"] = engine.Address })).Good();
}
