using System.Text.Json;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary><c>stint image …</c> against a real engine: no registry, no daemon.</summary>
[Collection(TestEngine.Collection)]
public sealed class ImageCommandTests(TestEngine engine) : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-e2e-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_base_image_is_made_of_this_hosts_files_again_listed_and_removed()
    {
        var made = (await ImageAsync("build", "binary", "--tag", "stint-test/base:1")).Good();
        Assert.StartsWith("made stint-test/base:1: Python 3.", made, StringComparison.Ordinal);
        Assert.Contains("stint up --backend docker --docker-base binary=stint-test/base:1", made, StringComparison.Ordinal);
        var first = (await engine.Client.Images.InspectAsync("stint-test/base:1", default)).Id;
        (await ImageAsync("build", "binary", "--tag", "stint-test/base:1")).Good();
        // What had the name before is gone.
        Assert.NotEqual(first, (await engine.Client.Images.InspectAsync("stint-test/base:1", default)).Id);
        Assert.Equal(EngineFault.NoImage, (await Assert.ThrowsAsync<EngineException>(() => engine.Client.Images.InspectAsync(first, default))).Fault);
        var image = Assert.Single(await ListAsync(), static image => image.GetProperty("name").GetString() == "stint-test/base:1");
        Assert.Equal("base", image.GetProperty("kind").GetString());
        Assert.Contains("stint-test/base:1", (await ImageAsync("ls")).Good(), StringComparison.Ordinal);
        Assert.Equal("removed stint-test/base:1\n", (await ImageAsync("rm", "stint-test/base:1")).Good());
        Assert.DoesNotContain(await ListAsync(), static image => image.GetProperty("name").GetString() == "stint-test/base:1");
    }

    [Fact]
    public async Task An_image_without_the_interpreter_is_no_base()
    {
        await engine.Images.MakeAsync("stint-test/plain:1");
        var done = await ImageAsync("build", "python3", "--from", "stint-test/plain:1", "--tag", "stint-test/bad:1");
        Assert.Equal(1, done.Code);
        Assert.Contains("the image does not work as a base of python3: 'python3 --version' cannot be run in it", done.Error, StringComparison.Ordinal);
        Assert.Equal(EngineFault.NoImage, (await Assert.ThrowsAsync<EngineException>(() => engine.Client.Images.InspectAsync("stint-test/bad:1", default))).Fault);
        Assert.DoesNotContain(await ListAsync(), static image => image.GetProperty("name").GetString() is not { } name || name.StartsWith("stint/unproved", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_folder_is_built_without_what_it_ignores()
    {
        FunctionFiles.Write(_folder, ("Dockerfile", "FROM stint-test/plain:1\nCOPY . /in\n"), (".dockerignore", "# not for strangers\n*.secret\nlogs\n!logs/kept\nDockerfile\n"), ("a.secret", "x"), ("b.txt", "x"), ("deep/c.secret", "x"), ("logs/kept", "x"), ("logs/gone", "x"));
        await engine.Images.MakeAsync("stint-test/plain:1");
        (await ImageAsync("build", _folder, "--tag", "stint-test/folder:1")).Good();
        await using var objects = new TestObjects(engine);
        var container = await objects.StartAsync("cd /in && find . -type f | sort", static settings => settings with { Image = "stint-test/folder:1" });
        Assert.Equal("./.dockerignore\n./b.txt\n./deep/c.secret\n./logs/kept\n", (await objects.OutputAsync(container)).Stdout);
        await engine.Client.Containers.RemoveAsync(container, default);
        (await ImageAsync("rm", "stint-test/folder:1")).Good();
    }

    [Fact]
    public async Task A_root_file_system_is_imported()
    {
        var path = Path.Combine(_folder, "rootfs.tar");
        await File.WriteAllBytesAsync(path, await BusyboxImages.RootfsAsync());
        Assert.StartsWith("imported stint-test/rootfs:2 (", (await ImageAsync("import", path, "stint-test/rootfs:2", "--change", "CMD [\"/bin/echo\", \"it runs\"]")).Good(), StringComparison.Ordinal);
        await using var objects = new TestObjects(engine);
        var container = await objects.StartAsync("", static settings => settings with { Image = "stint-test/rootfs:2", Cmd = null });
        Assert.Equal("it runs\n", (await objects.OutputAsync(container)).Stdout);
        await engine.Client.Containers.RemoveAsync(container, default);
        (await ImageAsync("rm", "stint-test/rootfs:2")).Good();
    }

    [Fact]
    public async Task What_is_not_ours_stays()
    {
        await engine.Images.MakeAsync("stint-test/foreign:1");
        var done = await ImageAsync("rm", "stint-test/foreign:1", "stint-test/nowhere:1");
        Assert.Equal(1, done.Code);
        Assert.Contains("stint-test/foreign:1 was not made by Stint, so it stays", done.Error, StringComparison.Ordinal);
        Assert.Contains("no such image", done.Error, StringComparison.OrdinalIgnoreCase);
        await engine.Client.Images.InspectAsync("stint-test/foreign:1", default);
    }

    [Fact]
    public async Task A_missing_engine_is_said_so()
    {
        var done = await Programs.RunAsync([.. Programs.Stint, "image", "ls", "--docker-host", "unix:///nowhere/docker.sock"], "/");
        Assert.Equal(69, done.Code);
        Assert.Contains("no container engine answers at unix:///nowhere/docker.sock", done.Error, StringComparison.Ordinal);
    }

    private Task<Finished> ImageAsync(params string[] arguments) =>
        Programs.RunAsync([.. Programs.Stint, "image", .. arguments], "/", "", new Dictionary<string, string> { ["DOCKER_HOST"] = engine.Address });

    private async Task<IReadOnlyList<JsonElement>> ListAsync() => [.. JsonDocument.Parse((await ImageAsync("ls", "--json")).Good()).RootElement.GetProperty("images").EnumerateArray()];
}
