using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Functions.Deployments;

namespace Stint.Tests.Functions.Bundles;

public sealed class BundleStoreTests
{
    private static readonly ProcessSpec Python = new() { Runtime = Runtime.Python3 };

    private static Task<Stint.Functions.Bundles.BundleLease> GetAsync(Workbench bench, string folder, ProcessSpec? process = null) =>
        bench.Bundles.GetOrBuildAsync(process ?? Python, Path.Combine(bench.Folder, folder), _ => { }, CancellationToken.None);

    [Fact]
    public async Task Equal_code_is_one_bundle_and_different_code_another()
    {
        await using var bench = new Workbench();
        bench.Write("a/fn.py", "x");
        bench.Write("b/fn.py", "x");
        bench.Write("c/fn.py", "y");
        using var a = await GetAsync(bench, "a");
        using var b = await GetAsync(bench, "b");
        using var c = await GetAsync(bench, "c");
        Assert.Equal(a.Hash, b.Hash);
        Assert.NotEqual(a.Hash, c.Hash);
        File.SetUnixFileMode(Path.Combine(bench.Folder, "b/fn.py"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var executable = await GetAsync(bench, "b");
        Assert.NotEqual(a.Hash, executable.Hash);
    }

    [Fact]
    public async Task An_edit_of_the_code_does_not_reach_the_bundle()
    {
        await using var bench = new Workbench();
        var file = bench.Write("a/fn.py", "before");
        using var lease = await GetAsync(bench, "a");
        await File.WriteAllTextAsync(file, "after");
        Assert.Equal("before", await File.ReadAllTextAsync(Path.Combine(lease.Folder, "fn.py")));
    }

    [Fact]
    public async Task A_bundle_goes_with_its_last_lease()
    {
        await using var bench = new Workbench();
        bench.Write("a/fn.py", "x");
        var first = await GetAsync(bench, "a");
        var instance = bench.Bundles.Hold(first.Folder);
        first.Dispose();
        first.Dispose();
        Assert.True(Directory.Exists(instance.Folder));
        instance.Dispose();
        Assert.False(Directory.Exists(instance.Folder));
        Assert.Throws<InvalidOperationException>(() => bench.Bundles.Hold(instance.Folder));
    }

    [Fact]
    public async Task Python_files_are_compiled_offline_when_there_is_enough_of_them()
    {
        var sandbox = new FakeSandbox();
        await using var bench = new Workbench(sandbox);
        bench.Write("small/fn.py", "x");
        using var small = await GetAsync(bench, "small");
        Assert.Empty(sandbox.Commands);
        bench.Write("large/fn.py", "x = 1\n" + new string('#', 10_000));
        using var large = await GetAsync(bench, "large");
        Assert.Equal(NetworkAccess.None, Assert.Single(sandbox.Commands).Network);
        using var again = await GetAsync(bench, "large");
        Assert.Single(sandbox.Commands);
    }

    [Fact]
    public async Task A_compiler_at_its_limits_fails_the_build_and_leaves_nothing()
    {
        var sandbox = new FakeSandbox();
        await using var bench = new Workbench(sandbox);
        bench.Write("large/fn.py", new string('#', 10_000));
        foreach (var end in new[] { BuildEnd.TimedOut, BuildEnd.TooLarge })
        {
            sandbox.Compile = _ => new BuildExit(end, 137);
            var failure = await Assert.ThrowsAsync<BuildFailedException>(() => GetAsync(bench, "large"));
            Assert.Contains("Python files", failure.Message, StringComparison.Ordinal);
        }
        Assert.Empty(bench.BundleNames());
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task What_the_compiler_leaves_is_checked_like_an_upload()
    {
        var sandbox = new FakeSandbox();
        await using var bench = new Workbench(sandbox);
        bench.Write("large/fn.py", new string('#', 10_000));
        sandbox.Compile = command =>
        {
            File.CreateSymbolicLink(Path.Combine(command.WorkFolder, "out"), "/etc");
            return new BuildExit(BuildEnd.Exited, 0);
        };
        await Assert.ThrowsAsync<DeploymentException>(() => GetAsync(bench, "large"));
        Assert.Empty(bench.BundleNames());
    }

    [Fact]
    public async Task Bundles_can_be_read_but_not_listed_by_others()
    {
        await using var bench = new Workbench();
        bench.Write("a/fn.sh", "#!/bin/sh");
        using var lease = await GetAsync(bench, "a", new ProcessSpec { Runtime = Runtime.Binary });
        static string Mode(string path) => Convert.ToString((int)File.GetUnixFileMode(path), 8);
        Assert.Equal("711", Mode(Path.GetDirectoryName(lease.Folder)!));
        Assert.Equal("755", Mode(lease.Folder));
        Assert.Equal("755", Mode(Path.Combine(lease.Folder, "fn.sh")));
    }

    [Fact]
    public async Task What_a_killed_daemon_left_goes_at_the_next_start_and_what_is_used_stays()
    {
        await using var first = await new Workbench().StartAsync();
        await first.DeployAsync("kept", "x");
        first.Write("state/staging/half/fn.py", "x");
        first.Write("state/bundles/orphan/fn.py", "x");
        await using var second = await new Workbench(copyOf: first.Folder).StartAsync();
        await Workbench.Until(() => second.BundleNames().Length == 1);
        Assert.Equal("x", second.ServedCode("kept"));
        await Workbench.Until(() => TempFolder.List(Path.Combine(second.State, "staging")).Length == 0);
    }

    [Fact]
    public async Task Concurrent_requests_for_the_same_code_share_one_bundle()
    {
        await using var bench = new Workbench();
        bench.Write("a/fn.py", "x");
        var leases = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => GetAsync(bench, "a")));
        Assert.Single(leases.Select(l => l.Hash).Distinct());
        foreach (var lease in leases) lease.Dispose();
        Assert.Empty(bench.BundleNames());
    }

    [Fact]
    public void A_full_disk_is_what_the_host_lacks()
    {
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var error = Assert.ThrowsAny<IOException>(() => full.Write(new byte[1]));
        var told = DeploymentException.FromFileSystem(error, "deploy f");
        Assert.Equal(DeploymentFault.HostLacks, told.Fault);
        Assert.Equal("cannot deploy f: the disk is full; free some space and try again", told.Message);
    }
}
