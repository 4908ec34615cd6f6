using Stint.Functions;
using Stint.Functions.Archives;
using Stint.Functions.Deployments;
using Stint.Functions.Registry;
using Stint.Tests.Functions.Archives;

namespace Stint.Tests.Functions.Deployments;

public sealed class DeployerTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_deployment_serves_when_it_returns_and_a_second_replaces_it(bool canExchange)
    {
        await using var bench = await new Workbench(deployer: new() { CanExchange = canExchange }).StartAsync();
        var first = await bench.DeployAsync("f", "one");
        Assert.Equal("one", bench.ServedCode("f"));
        Assert.Equal(["_/", "_/f/", "_/f/code/", "_/f/code/fn.py", "_/f/function.toml"], TempFolder.List(bench.Root).Where(p => p[0] != '.'));
        var second = await bench.DeployAsync("f", "two");
        Assert.Equal("two", bench.ServedCode("f"));
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(["serving f", "serving f"], bench.Events);
        Assert.Equal(Path.GetFileName(second.Folder), Assert.Single(bench.BundleNames()));
        await bench.AssertNoDebrisAsync();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_edit_by_hand_after_deployments_takes_effect(bool canExchange)
    {
        await using var bench = await new Workbench(deployer: new() { CanExchange = canExchange }).StartAsync();
        for (var i = 0; i < 12; i++)
        {
            if (i % 4 == 0)
            {
                await bench.DeployAsync("f", $"deployed {i}");
                await bench.DeployAsync("f", $"deployed {i} again");
            }
            // The first of several edits may be found by a look that the deployments themselves caused; the others need a watch that followed the exchange.
            bench.Write("registry/_/f/code/fn.py", $"edited {i}");
            await Workbench.Until(() => bench.ServedCode("f") == $"edited {i}");
        }
    }

    [Fact]
    public async Task A_zip_is_deployed_also_from_a_stream_that_cannot_seek()
    {
        await using var bench = await new Workbench().StartAsync();
        var zip = new RawZip().Add("repo/fn.py", "zipped").ToStream();
        await bench.Deployer.DeployAsync(Workbench.Name("f"), "python3", new CodeSource.Zip(zip, "repo"), _ => { }, CancellationToken.None);
        Assert.Equal("zipped", bench.ServedCode("f"));
        zip = new RawZip().Add("fn.py", "piped").ToStream();
        await using var forward = System.IO.Pipelines.PipeReader.Create(zip).AsStream();
        await bench.Deployer.DeployAsync(Workbench.Name("f"), "python3", new CodeSource.Zip(forward), _ => { }, CancellationToken.None);
        Assert.Equal("piped", bench.ServedCode("f"));
    }

    [Fact]
    public async Task A_function_stays_in_the_layout_in_which_it_was_found()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("flat", "one");
        await bench.StartAsync();
        await bench.DeployAsync("flat", "two");
        Assert.Equal("two", await File.ReadAllTextAsync(Path.Combine(bench.Root, "flat/code/fn.py")));
        Assert.False(Directory.Exists(Path.Combine(bench.Root, "_")));
    }

    [Fact]
    public async Task What_cannot_be_deployed_changes_nothing()
    {
        await using var bench = await new Workbench().StartAsync();
        await bench.DeployAsync("f", "good");
        async Task<DeploymentException> Fail(string toml, CodeSource code) =>
            await Assert.ThrowsAnyAsync<DeploymentException>(() => bench.Deployer.DeployAsync(Workbench.Name("f"), toml, code, _ => { }, CancellationToken.None));
        Assert.Equal("function.toml:1:1: unknown key bad", (await Fail("bad", bench.Code("x"))).Message);
        Assert.StartsWith("fn.sh is missing", (await Fail("binary", bench.Code("x"))).Message, StringComparison.Ordinal);
        Assert.IsType<ArchiveRejectedException>(await Fail("python3", new CodeSource.Zip(new MemoryStream(new byte[100]))));
        Assert.Equal(DeploymentFault.BadRequest, (await Fail("python3", new CodeSource.Folder("/nowhere"))).Fault);
        Assert.Equal("good", bench.ServedCode("f"));
        Assert.Equal("good", await File.ReadAllTextAsync(Path.Combine(bench.Root, "_/f/code/fn.py")));
        Assert.Single(bench.Events);
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task A_function_without_code_is_its_specification_alone()
    {
        await using var bench = await new Workbench().StartAsync();
        Task<FunctionVersion> Deploy(string toml, CodeSource? code) => bench.Deployer.DeployAsync(Workbench.Name("f"), toml, code, _ => { }, CancellationToken.None);
        var first = await Deploy("container", null);
        Assert.Null(first.Folder);
        Assert.Equal(["_/", "_/f/", "_/f/function.toml"], TempFolder.List(bench.Root).Where(p => p[0] != '.'));
        Assert.NotEqual(first.Id, (await Deploy("container\nother", null)).Id);
        Assert.Empty(bench.BundleNames());
        Assert.Contains("has its code in its image", (await Assert.ThrowsAsync<DeploymentException>(() => Deploy("container", bench.Code("x")))).Message, StringComparison.Ordinal);
        Assert.Contains("code is missing", (await Assert.ThrowsAsync<DeploymentException>(() => Deploy("python3", null))).Message, StringComparison.Ordinal);

        // From one kind to the other and back: nothing of the code stays.
        await bench.DeployAsync("f", "code now");
        Assert.Equal("code now", bench.ServedCode("f"));
        await Deploy("container", null);
        Assert.Null(bench.Find("f")!.Serving!.Folder);
        await bench.AssertNoDebrisAsync();
        Assert.Empty(bench.BundleNames());
    }

    [Fact]
    public async Task A_broken_function_is_mended_by_a_deployment()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("f", "x", "bad");
        await bench.StartAsync();
        await bench.DeployAsync("f", "good");
        Assert.Equal(RegistrationState.Ready, bench.Find("f")!.State);
    }

    [Fact]
    public async Task What_the_layout_forbids_is_a_conflict()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("twice", "1");
        bench.WriteFunction("_/twice", "2");
        bench.WriteFunction("flat", "1");
        bench.Write("registry/_/junk/readme.txt");
        await bench.StartAsync();
        foreach (var name in (string[])["twice", "x.flat", "junk"])
            Assert.Equal(DeploymentFault.Conflict, (await Assert.ThrowsAsync<DeploymentException>(() => bench.DeployAsync(name, "x"))).Fault);
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task Removing_and_wiping_leave_nothing()
    {
        await using var bench = new Workbench();
        bench.WriteFunction("flat", "1");
        bench.WriteFunction("broken", "1", "bad");
        await bench.StartAsync();
        await bench.DeployAsync("f.m", "x");
        await bench.DeployAsync("g.m", "x");
        Assert.True(await bench.Deployer.RemoveAsync(Workbench.Name("f.m"), CancellationToken.None));
        Assert.False(await bench.Deployer.RemoveAsync(Workbench.Name("f.m"), CancellationToken.None));
        Assert.Null(bench.Find("f.m"));
        await bench.Deployer.WipeAsync(CancellationToken.None);
        Assert.Empty(bench.Registry.Snapshot.Functions);
        Assert.Equal([".staging/"], TempFolder.List(bench.Root));
        Assert.Empty(bench.BundleNames());
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task Deployments_of_one_function_come_one_after_the_other_and_of_many_side_by_side()
    {
        await using var bench = await new Workbench().StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => bench.DeployAsync($"f{i % 4}.m", $"code {i}")));
        for (var i = 0; i < 4; i++)
        {
            var served = bench.ServedCode($"f{i}.m");
            Assert.Equal(served, await File.ReadAllTextAsync(Path.Combine(bench.Root, $"m/f{i}/code/fn.py")));
        }
        Assert.Equal(40, bench.Events.Count);
        await Workbench.Until(() => bench.BundleNames().Length == 4);
        await bench.AssertNoDebrisAsync();
    }

    [Fact]
    public async Task A_reader_sees_either_version_at_every_moment_of_a_deployment()
    {
        await using var bench = await new Workbench().StartAsync();
        await bench.DeployAsync("f", "0");
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            var seen = 0;
            while (!stop.IsCancellationRequested)
            {
                Assert.NotNull(bench.Find("f")!.Serving);
                Assert.True(File.Exists(Path.Combine(bench.Root, "_/f/function.toml")));
                seen++;
            }
            return seen;
        });
        for (var i = 1; i <= 20; i++) await bench.DeployAsync("f", $"{i}");
        await stop.CancelAsync();
        Assert.True(await reader > 0);
    }

    [Fact]
    public async Task Giving_up_before_the_swap_changes_nothing()
    {
        using var cancel = new CancellationTokenSource();
        await using var bench = await new Workbench(deployer: new() { Reached = step => { if (step == DeploymentStep.Flushed) cancel.Cancel(); } }).StartAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => bench.Deployer.DeployAsync(Workbench.Name("f"), "python3", bench.Code("x"), _ => { }, cancel.Token));
        Assert.Null(bench.Find("f"));
        await bench.AssertNoDebrisAsync();
    }
}
