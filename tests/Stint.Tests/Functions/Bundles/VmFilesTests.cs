using System.Diagnostics;
using Stint.Functions.Bundles;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;

namespace Stint.Tests.Functions.Bundles;

/// <summary>What becomes of kernel and image of a <c>[vm]</c> function between the registry and an instance.</summary>
public sealed class VmFilesTests
{
    private const string Toml = "vm\nvmlinux\nrootfs.img";

    [Fact]
    public async Task Instances_start_from_copies_that_edits_do_not_reach()
    {
        await using var bench = new Workbench();
        WriteFunction(bench, "kernel 1", "image 1");
        await bench.StartAsync();
        var first = bench.Find("f")!.Serving!;
        Assert.Equal(("kernel 1", "image 1"), (Read(first.Folder!, "kernel"), Read(first.Folder!, "image")));
        using var held = bench.Bundles.Hold(first.Folder!);

        // In place, as cp does: the same inode.
        File.WriteAllText(Path.Combine(bench.Root, "f", "rootfs.img"), "image 2");
        await Workbench.Until(() => bench.Find("f")!.Serving!.Id != first.Id);
        Assert.Equal("image 2", Read(bench.Find("f")!.Serving!.Folder!, "image"));
        Assert.Equal("image 1", Read(first.Folder!, "image"));
    }

    [Fact]
    public async Task The_same_files_are_copied_once()
    {
        await using var bench = new Workbench();
        WriteFunction(bench, "k", "i");
        bench.Write("registry/g/function.toml", $"vm\n{bench.Root}/f/vmlinux\n{bench.Root}/f/rootfs.img");
        await bench.StartAsync();
        Assert.Single(bench.BundleNames());
        Assert.Equal(bench.Find("f")!.Serving!.Folder, bench.Find("g")!.Serving!.Folder);
    }

    [Fact]
    public async Task A_file_outside_of_the_functions_folder_that_changes_makes_a_new_version()
    {
        await using var bench = new Workbench(options: new RegistryOptions { RescanEvery = TimeSpan.FromMilliseconds(50) });
        var kernel = bench.Write("elsewhere/vmlinux", "1");
        bench.Write("registry/f/rootfs.img", "i");
        bench.Write("registry/f/function.toml", $"vm\n{kernel}\nrootfs.img");
        await bench.StartAsync();
        var first = bench.Find("f")!.Serving!.Id;
        File.WriteAllText(kernel, "2");
        await Workbench.Until(() => bench.Find("f")!.Serving!.Id != first);
        Assert.Equal("2", Read(bench.Find("f")!.Serving!.Folder!, "kernel"));
    }

    [Fact]
    public async Task A_file_that_is_missing_breaks_the_function_until_it_is_there()
    {
        await using var bench = new Workbench();
        bench.Write("registry/f/function.toml", Toml);
        bench.Write("registry/f/vmlinux", "k");
        Directory.CreateDirectory(Path.Combine(bench.Root, "f", "rootfs.img"));
        await bench.StartAsync();
        Assert.Equal(RegistrationState.Broken, bench.Find("f")!.State);
        Assert.Contains("`image` names " + Path.Combine(bench.Root, "f", "rootfs.img") + ", which is a folder", Assert.Single(bench.Find("f")!.Problems), StringComparison.Ordinal);
        Directory.Delete(Path.Combine(bench.Root, "f", "rootfs.img"));
        await Workbench.Until(() => bench.Find("f")!.Problems.Any(static problem => problem.Contains("does not exist; put the file there", StringComparison.Ordinal)));
        bench.Write("registry/f/rootfs.img", "i");
        await Workbench.Until(() => bench.Find("f")!.State == RegistrationState.Ready);
    }

    [Fact]
    public async Task A_deployment_brings_its_files_along()
    {
        await using var bench = await new Workbench().StartAsync();
        var files = Files(bench, ("vmlinux", "k"), ("rootfs.img", "i"), ("function.toml", "not this one"));
        var version = await bench.Deployer.DeployAsync(Workbench.Name("f"), Toml, files, _ => { }, CancellationToken.None);
        Assert.Equal("i", Read(version.Folder!, "image"));
        Assert.Equal(Toml, File.ReadAllText(Path.Combine(bench.Root, "_", "f", "function.toml")));
        Assert.Single(bench.BundleNames()); // what was tried out is what serves
        await bench.AssertNoDebrisAsync();
    }

    [Theory]
    [InlineData("vm\nvmlinux\n/etc/passwd", "`image` names /etc/passwd")]
    [InlineData("vm\nvmlinux\n../../../state/token", "`image` names ")]
    [InlineData("vm\nlink\nrootfs.img", "`kernel` names link")]
    [InlineData("vm\nvmlinux\nother.img", "does not exist")]
    public async Task A_deployment_cannot_read_what_else_the_host_has(string toml, string message)
    {
        await using var bench = await new Workbench().StartAsync();
        var files = Files(bench, ("vmlinux", "k"), ("rootfs.img", "i"));
        File.CreateSymbolicLink(Path.Combine(files.Path, "link"), "vmlinux");
        var refusal = await Assert.ThrowsAsync<DeploymentException>(() => bench.Deployer.DeployAsync(Workbench.Name("f"), toml, files, _ => { }, CancellationToken.None));
        Assert.Equal(DeploymentFault.BadRequest, refusal.Fault);
        Assert.Contains(message, refusal.Message, StringComparison.Ordinal);
        Assert.Null(bench.Find("f"));
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task A_link_named_function_toml_is_not_written_through()
    {
        await using var bench = await new Workbench().StartAsync();
        var files = Files(bench, ("vmlinux", "k"), ("rootfs.img", "i"));
        File.CreateSymbolicLink(Path.Combine(files.Path, "function.toml"), "vmlinux");
        var version = await bench.Deployer.DeployAsync(Workbench.Name("f"), Toml, files, _ => { }, CancellationToken.None);
        Assert.Equal("k", Read(version.Folder!, "kernel"));
    }

    [Fact]
    public void Holes_stay_holes()
    {
        using var temp = new TempFolder();
        var from = temp["disk"];
        using (var file = new FileStream(from, FileMode.CreateNew))
        {
            file.SetLength(256 << 20);
            file.Position = 100 << 20;
            file.Write("in the middle"u8);
        }
        FileClone.Copy(from, temp["copy"], CancellationToken.None);
        Assert.Equal(256 << 20, new FileInfo(temp["copy"]).Length);
        Assert.True(BlocksOf(temp["copy"]) <= BlocksOf(from) + 2048, $"{BlocksOf(temp["copy"])} blocks instead of {BlocksOf(from)}");
        using var copy = File.OpenRead(temp["copy"]);
        copy.Position = 100 << 20;
        var bytes = new byte[13];
        copy.ReadExactly(bytes);
        Assert.Equal("in the middle"u8, bytes);
    }

    [Fact]
    public void A_copy_that_is_given_up_leaves_nothing()
    {
        using var temp = new TempFolder();
        File.WriteAllBytes(temp["disk"], new byte[4 << 20]);
        // A file system that shares blocks is done before anybody could give up.
        if (FileClone.Copy(temp["disk"], temp["probe"], CancellationToken.None)) return;
        Assert.Throws<OperationCanceledException>(() => FileClone.Copy(temp["disk"], temp["copy"], new CancellationToken(true)));
        Assert.False(File.Exists(temp["copy"]));
    }

    private static void WriteFunction(Workbench bench, string kernel, string image)
    {
        bench.Write("registry/f/vmlinux", kernel);
        bench.Write("registry/f/rootfs.img", image);
        bench.Write("registry/f/function.toml", Toml);
    }

    private static CodeSource.Folder Files(Workbench bench, params (string Name, string Text)[] files)
    {
        foreach (var (name, text) in files) bench.Write($"sent/{name}", text);
        return new CodeSource.Folder(Path.Combine(bench.Folder, "sent"));
    }

    private static string Read(string folder, string file) => File.ReadAllText(Path.Combine(folder, file));

    private static long BlocksOf(string path)
    {
        using var stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%b", path]) { RedirectStandardOutput = true })!;
        var text = stat.StandardOutput.ReadToEnd();
        stat.WaitForExit();
        return long.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
    }
}
