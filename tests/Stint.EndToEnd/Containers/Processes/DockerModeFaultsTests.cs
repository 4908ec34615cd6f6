using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Processes;

/// <summary>What an operator is told when containers of process functions cannot be had.</summary>
[Collection(TestEngine.Collection)]
public sealed class DockerModeFaultsTests(TestEngine engine)
{
    private const string Code = "def fn(input, headers): return 'here'\n";

    [Fact]
    public async Task Without_an_engine_the_daemon_runs_and_says_what_is_missing()
    {
        await using var daemon = await StintDaemon.StartAsync("--backend", "docker", "--docker-host", "unix:///nowhere/docker.sock");
        await daemon.WaitForLogAsync("no function can run: no container engine answers at unix:///nowhere/docker.sock");
        var problem = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("here", Code));
        Assert.Contains("no container engine answers at unix:///nowhere/docker.sock: there is no such socket", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_is_none_is_refused_at_start()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StintDaemon.StartAsync("--backend", "docker", "--docker-host", "ssh://elsewhere"));
        Assert.Contains("names no container engine: engines are not reached over SSH", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_base_image_that_is_not_there_is_named_with_what_to_do()
    {
        await using var daemon = await DockerMode.StartAsync(engine, "--docker-base", "python3=stint-test/nowhere:1");
        daemon.ExpectError("stint-test/nowhere:1");
        var problem = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("here", Code));
        Assert.Contains("the container engine has no image stint-test/nowhere:1, the base image of python3 (docker-base). Put it there (docker pull, docker load, stint image import)", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_base_image_without_the_interpreter_is_named_with_what_to_do()
    {
        var name = await engine.Images.MakeAsync("stint-test/no-python:1");
        await using var daemon = await DockerMode.StartAsync(engine, "--docker-base", $"python3={name}");
        daemon.ExpectError("python3");
        var problem = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("here", Code));
        Assert.Contains($"{name}, the base image of python3 (docker-base), is unfit: the image does not work as a base of python3: 'python3 --version' cannot be run in it", problem.Message, StringComparison.Ordinal);
        Assert.Contains("stint image build python3", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_base_images_own_entry_point_does_not_run()
    {
        // FROM an image that is a base already, with an entry point and a user that would spoil every start.
        await using (var warm = await DockerMode.StartAsync(engine)) await warm.DeployPythonAsync("here", Code);
        var folder = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            FunctionFiles.Write(folder, ("Dockerfile", "FROM stint/base-python3:latest\nENTRYPOINT [\"/bin/false\"]\nUSER 1:1\nENV PATH=/nowhere:/usr/bin:/bin\n"));
            (await Programs.RunAsync([.. Programs.Stint, "image", "build", folder, "--tag", "stint-test/entry:1", "--docker-host", engine.Address], "/")).Good();
            await using var daemon = await DockerMode.StartAsync(engine, "--docker-base", "python3=stint-test/entry:1");
            await daemon.DeployPythonAsync("here", Code);
            Assert.Equal((200, "here"), await daemon.CallAsync("here"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task An_engine_that_does_not_see_the_daemons_folders_is_told_from_one_that_fails()
    {
        // A view of the file system of the daemon's own, in which its folders are where the engine has none.
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            var hidden = Path.Combine(root, "hidden");
            Directory.CreateDirectory(hidden);
            File.SetUnixFileMode(root, (UnixFileMode)0b111_101_101);
            string[] prefix = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none \"$0\" && chmod 755 \"$0\" && mkdir \"$0/tmp\" && exec \"$@\"", hidden];
            await using var daemon = await StintDaemon.StartAsync(new DaemonSetup { Root = hidden, Prefix = prefix, Flags = DockerMode.Flags(engine) });
            daemon.ExpectError("does not see");
            var problem = await Assert.ThrowsAsync<InvalidOperationException>(() => daemon.DeployPythonAsync("here", Code));
            Assert.Contains($"the container engine at {engine.Address} does not see this daemon's folders", problem.Message, StringComparison.Ordinal);
            Assert.Contains("--run", problem.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
