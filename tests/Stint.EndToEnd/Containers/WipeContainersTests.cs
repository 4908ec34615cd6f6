using System.Text.Json;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary><c>stint wipe --containers</c> and <c>stint doctor</c> at a real engine, with no daemon.</summary>
[Collection(TestEngine.Collection)]
public sealed class WipeContainersTests(TestEngine engine)
{
    [Fact]
    public async Task What_daemons_made_goes_and_nothing_else()
    {
        await using var foreign = new TestObjects(engine);
        var ours = ContainerLabels.Of("d1", ContainerLabels.ContainerRole);
        var image = await engine.Images.MakeAsync("stint/python3:0123", ["LABEL stint.daemon=d1 stint.role=runtime"]);
        await engine.Client.Images.TagAsync(image, "stint/python3", "again", default);
        // Somebody else's: a container of our image, an image on top of ours, and what has nothing to do with us.
        var network = await engine.Client.Networks.CreateAsync(new NetworkSettings { Name = "stint-test-foreign", Labels = foreign.Labels, Internal = true }, default);
        var bystander = await foreign.StartAsync("sleep 1000", settings => settings with { HostConfig = new HostConfig { NetworkMode = network, Init = true } });
        await engine.Images.MakeAsync("stint-test/mine:1", ["LABEL stint.daemon=d1 stint.role=runtime"]);

        var running = await foreign.StartAsync("trap '' TERM; sleep 1000", settings => settings with { Labels = ours });
        await foreign.CreateAsync("true", settings => settings with { Labels = new Dictionary<string, string>(ours) { [ContainerLabels.Daemon] = "d2" } });
        var own = await engine.Client.Networks.CreateAsync(new NetworkSettings { Name = "stint-test-own", Labels = ours, Internal = true }, default);
        (await Programs.RunAsync(["docker", "--host", engine.Address, "volume", "create", "--label", "stint.daemon=d1", "stint-test-volume"], engine.Folder)).Good();

        var done = await WipeAsync("--yes", "--json");
        Assert.True(done.Code == 0, done.Error);
        using var json = JsonDocument.Parse(done.Out);
        Assert.Equal((engine.Address, 0, 0), (json.RootElement.GetProperty("engine").GetString(), json.RootElement.GetProperty("left").GetInt32(), json.RootElement.GetProperty("failed").GetArrayLength()));
        Assert.Equal(["container d1", "container d2", "image d1", "network d1", "volume d1"],
            json.RootElement.GetProperty("removed").EnumerateArray().Select(static one => $"{one.GetProperty("kind").GetString()} {one.GetProperty("daemon").GetString()}").Order(StringComparer.Ordinal));
        Assert.Equal(EngineFault.NoContainer, (await Assert.ThrowsAsync<EngineException>(() => engine.Client.Containers.InspectAsync(running, default))).Fault);
        Assert.Equal(EngineFault.NoNetwork, (await Assert.ThrowsAsync<EngineException>(() => engine.Client.Networks.InspectAsync(own, default))).Fault);
        Assert.Equal(["image stint-test/mine:1"], (await engine.FindLabelledAsync(ContainerLabels.Daemon)).Select(static found => $"image {found.Split(' ')[^1]}"));

        Assert.True((await engine.Client.Containers.InspectAsync(bystander, default)).State.Running);
        Assert.Single((await engine.Client.Networks.InspectAsync(network, default)).Containers);
        Assert.Equal($"nothing of Stint's at {engine.Address}\n", (await WipeAsync("--yes")).Good());
        await engine.Client.Images.RemoveAsync("stint-test/mine:1", force: true, default);
        await engine.Client.Containers.RemoveAsync(bystander, default);
    }

    [Fact]
    public async Task A_container_that_somebody_made_of_our_image_stays_and_so_does_the_image()
    {
        await using var foreign = new TestObjects(engine);
        var image = await engine.Images.MakeAsync("stint/python3:4567", ["LABEL stint.daemon=d1 stint.role=runtime"]);
        var container = await foreign.CreateAsync("true", settings => settings with { Image = image });
        var done = await WipeAsync("--yes");
        Assert.Equal(1, done.Code);
        Assert.Contains("image stint/python3:4567:", done.Error, StringComparison.Ordinal);
        Assert.Equal("created", (await engine.Client.Containers.InspectAsync(container, default)).State.Status);
        await engine.Client.Containers.RemoveAsync(container, default);
        Assert.Equal("removed image stint/python3:4567\nremoved 1 image\n", (await WipeAsync("--yes")).Good());
    }

    [Fact]
    public async Task Who_may_not_use_the_socket_is_told_so()
    {
        string[] somebody = ["setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups", "--"];
        File.SetUnixFileMode(engine.Folder, (UnixFileMode)0b111_101_101);
        var done = await Programs.RunAsync([.. somebody, .. Programs.Stint, "wipe", "--containers", "--yes", "--docker-host", engine.Address], "/", environment: new Dictionary<string, string> { ["HOME"] = "/nowhere" });
        Assert.Equal(77, done.Code);
        Assert.Contains("permission denied. Add the user to the socket's group (sudo usermod -aG docker $USER", done.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_doctor_looks_at_the_engine()
    {
        await engine.Images.MakeAsync("stint-test/there:1");
        var registry = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        FunctionFiles.Write(registry,
            ("web/function.toml", "[container]\nimage = \"stint-test/there:1\"\nruntime = \"runc\"\n"), ("_/api/function.toml", "[container]\nimage = \"stint-test/none:1\"\nruntime = \"kata\"\n"));
        var done = await Programs.RunAsync([.. Programs.Stint, "doctor", "--json", "--registry", registry, "--state", registry, "--docker-host", engine.Address], registry);
        using var json = JsonDocument.Parse(done.Out);
        var check = json.RootElement.GetProperty("checks").EnumerateArray().Single(static one => one.GetProperty("name").GetString() == "container engine");
        Assert.Equal(("degraded", "containers"), (check.GetProperty("status").GetString(), check.GetProperty("concerns").GetString()));
        var found = check.GetProperty("found").GetString();
        Assert.StartsWith("Docker Engine ", found, StringComparison.Ordinal);
        // A kernel without swap accounting is another thing that it may lack.
        Assert.EndsWith("no runtime kata (api); no image stint-test/none:1 (api).", found, StringComparison.Ordinal);
        Directory.Delete(registry, recursive: true);
    }

    private Task<Finished> WipeAsync(params string[] flags) =>
        Programs.RunAsync([.. Programs.Stint, "wipe", "--containers", .. flags], engine.Folder, environment: new Dictionary<string, string> { ["DOCKER_HOST"] = engine.Address });
}
