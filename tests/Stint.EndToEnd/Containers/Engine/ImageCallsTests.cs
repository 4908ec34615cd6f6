using System.Formats.Tar;
using System.Text;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>Calls about images, at a real engine.</summary>
[Collection(TestEngine.Collection)]
public sealed class ImageCallsTests(TestEngine engine)
{
    private ImageCalls Images => engine.Client.Images;

    [Fact]
    public async Task An_image_is_imported_looked_at_named_again_and_removed()
    {
        await using var own = new TestObjects(engine);
        await engine.Images.MakeAsync("stint-test/imported:1", [Label(own), "ENTRYPOINT [\"/bin/echo\", \"hello\"]", "ENV A=b", "USER nobody"]);
        var image = await Images.InspectAsync("stint-test/imported:1", default);
        Assert.StartsWith("sha256:", image.Id, StringComparison.Ordinal);
        Assert.Equal(["/bin/echo", "hello"], image.Config!.Entrypoint);
        Assert.Equal("nobody", image.Config.User);
        Assert.Contains("A=b", image.Config.Env);
        Assert.InRange(image.Size, 500_000, 50_000_000);
        Assert.Equal(image.Id, Assert.Single(await Images.ListAsync(own.Filters(), default)).Id);

        await Images.TagAsync(image.Id, "stint-test/imported", "2", default);
        Assert.Equal(["stint-test/imported:1", "stint-test/imported:2"], (await Images.InspectAsync(image.Id, default)).RepoTags.Order(StringComparer.Ordinal));
        Assert.Contains(await Images.RemoveAsync("stint-test/imported:1", force: false, default), static gone => gone.Untagged == "stint-test/imported:1");
        Assert.Contains(await Images.RemoveAsync("stint-test/imported:2", force: false, default), gone => gone.Deleted == image.Id);
        Assert.Empty(await Images.RemoveAsync("stint-test/imported:2", force: false, default));
    }

    [Fact]
    public async Task An_image_is_built_from_a_Dockerfile_and_its_output_is_told()
    {
        await using var own = new TestObjects(engine);
        await engine.Images.MakeAsync("stint-test/base:1");
        var output = new StringBuilder();
        var id = await Images.BuildAsync(
            Context("FROM stint-test/base:1\nARG WHAT\nCOPY file /file\nRUN echo built $WHAT && cat /file\nENTRYPOINT [\"/bin/cat\", \"/file\"]\n"),
            new BuildSettings { Tags = ["stint-test/built:1", "stint-test/built:2"], Labels = own.Labels, BuildArgs = new Dictionary<string, string> { ["WHAT"] = "this&that" }, NetworkMode = "none" },
            text => output.Append(text), default);
        Assert.Contains("built this&that\ncontent\n", output.ToString(), StringComparison.Ordinal);
        var image = await Images.InspectAsync("stint-test/built:2", default);
        Assert.Equal(id, image.Id);
        Assert.Equal(own.Labels, image.Config!.Labels);
        var container = (await engine.Client.Containers.CreateAsync(null, new ContainerSettings { Image = id, Labels = own.Labels, HostConfig = new HostConfig { NetworkMode = "none" } }, default)).Id;
        await engine.Client.Containers.StartAsync(container, default);
        Assert.Equal("content\n", (await own.OutputAsync(container)).Stdout);
        await engine.Client.Containers.RemoveAsync(container, default);
    }

    [Fact]
    public async Task A_build_that_fails_says_why()
    {
        await using var own = new TestObjects(engine);
        await engine.Images.MakeAsync("stint-test/base:1");
        var settings = new BuildSettings { Tags = ["stint-test/broken:1"], Labels = own.Labels, NetworkMode = "none" };
        var failure = await Assert.ThrowsAsync<EngineException>(() => Images.BuildAsync(Context("FROM stint-test/base:1\nRUN echo oh no; exit 3\n"), settings, static _ => { }, default));
        Assert.Equal(EngineFault.Rejected, failure.Fault);
        Assert.Contains("returned a non-zero code: 3", failure.Message, StringComparison.Ordinal);
        failure = await Assert.ThrowsAsync<EngineException>(() => Images.BuildAsync(Context("NONSENSE\n"), settings, static _ => { }, default));
        Assert.Equal(EngineFault.Rejected, failure.Fault);
        failure = await Assert.ThrowsAsync<EngineException>(() => Images.BuildAsync(new MemoryStream([1, 2, 3]), settings, static _ => { }, default));
        Assert.Contains(failure.Fault, (EngineFault[])[EngineFault.Rejected, EngineFault.Failed]);
    }

    [Fact]
    public async Task A_saved_image_is_loaded()
    {
        await using var own = new TestObjects(engine);
        await engine.Images.MakeAsync("stint-test/saved:1", [Label(own)]);
        var archive = Path.Combine(engine.Folder, "saved.tar");
        (await Programs.RunAsync(["docker", "--host", engine.Address, "save", "--output", archive, "stint-test/saved:1"], engine.Folder)).Good();
        await Images.RemoveAsync("stint-test/saved:1", force: true, default);
        Assert.Empty(await Images.ListAsync(own.Filters(), default));
        Assert.Equal(["Loaded image: stint-test/saved:1"], await Images.LoadAsync(File.OpenRead(archive), default));
        Assert.Single(await Images.ListAsync(own.Filters(), default));
        File.Delete(archive);
        var failure = await Assert.ThrowsAsync<EngineException>(() => Images.LoadAsync(new MemoryStream(new byte[2000]), default));
        Assert.Contains(failure.Fault, (EngineFault[])[EngineFault.Rejected, EngineFault.Failed]);
    }

    [Fact]
    public async Task An_image_that_is_in_use_is_not_removed()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("sleep 1000");
        var failure = await Assert.ThrowsAsync<EngineException>(() => Images.RemoveAsync("stint-test/busybox:latest", force: false, default));
        Assert.Equal(EngineFault.Conflict, failure.Fault);
        await engine.Client.Containers.RemoveAsync(id, default);
    }

    private static string Label(TestObjects own) => $"LABEL {string.Join(' ', own.Labels.Select(static label => $"{label.Key}={label.Value}"))}";

    private static MemoryStream Context(string dockerfile)
    {
        var buffer = new MemoryStream();
        using (var tar = new TarWriter(buffer, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var (name, text) in (ReadOnlySpan<(string, string)>)[("Dockerfile", dockerfile), ("file", "content\n")])
                tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });
        }
        buffer.Position = 0;
        return buffer;
    }
}
