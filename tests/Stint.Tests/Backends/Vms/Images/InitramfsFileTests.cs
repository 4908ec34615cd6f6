using System.Diagnostics;
using Stint.Backends.Vms.Images;
using Stint.Tests.Functions;

namespace Stint.Tests.Backends.Vms.Images;

public sealed class InitramfsFileTests : IDisposable
{
    private static readonly string Init = RepositoryFolder.File("runtimes", "guest", "init");

    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task Cpio_reads_it_and_it_is_the_same_each_time()
    {
        KernelModule[] modules = [new("virtio", [1, 2, 3]), new("virtio_net", [4])];
        InitramfsFile.Write(_temp["a"], Init, modules);
        InitramfsFile.Write(_temp["b"], Init, modules);
        Assert.Equal(File.ReadAllBytes(_temp["a"]), File.ReadAllBytes(_temp["b"]));
        var listing = await BusyboxAsync("cpio", "-tv", "-F", _temp["a"]);
        Assert.Matches(@"(?m)^-rwxr-xr-x\s.*\sinit$", listing);
        Assert.Matches(@"(?m)\sbin/chroot -> busybox$", listing);
        Assert.Matches(@"(?m)^-rw-r--r--.*\s3 .*\smodules/00-virtio.ko$", listing);
        Assert.Matches(@"(?m)\smodules/01-virtio_net.ko$", listing);
    }

    [Fact]
    public async Task It_has_every_program_that_init_runs()
    {
        InitramfsFile.Write(_temp["a"], Init, []);
        var present = (await BusyboxAsync("cpio", "-t", "-F", _temp["a"])).Split('\n').Where(static path => path.StartsWith("bin/", StringComparison.Ordinal)).Select(static path => path[4..]).ToHashSet();
        var applets = (await BusyboxAsync("--list")).Split('\n', StringSplitOptions.RemoveEmptyEntries).ToHashSet();
        // All words of the script that are programs of busybox, where they stand as commands.
        var used = File.ReadLines(Init).Select(static line => line.Split('#')[0])
            .SelectMany(static line => line.Split([";", "&&", "||", "$(", "| ", " do ", " if ", "if ", "{ "], StringSplitOptions.None))
            .Select(static command => command.TrimStart().Split(' ', ')')[0]).Where(applets.Contains).Except(["[", "echo", "set", "export", "exec"]).Distinct().ToArray();
        Assert.Contains("mount", used);
        Assert.Empty(used.Except(present));
    }

    private static async Task<string> BusyboxAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("busybox", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await error);
        return output;
    }
}
