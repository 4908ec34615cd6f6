using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Functions;

/// <summary>What is on disk is what is deployed.</summary>
public sealed class RegistryFolderTests(SharedDaemon shared) : IClassFixture<SharedDaemon>
{
    private const string Toml = "[process]\nruntime = \"python3\"\n";

    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task A_folder_that_is_dropped_in_serves_an_edit_takes_effect_and_removal_ends_it()
    {
        var folder = Path.Combine(Daemon.Registry, "_", "dropped");
        FunctionFiles.Write(folder, ("code/fn.py", "def fn(i, h): return 'one'"), ("function.toml", Toml));
        await Retry.UntilAsync("the dropped function answers", async () => await Daemon.CallAsync("dropped") == (200, "one"));
        FunctionFiles.Write(folder, ("code/fn.py", "def fn(i, h): return 'two'"));
        await Retry.UntilAsync("the edit is served", async () => await Daemon.CallAsync("dropped") == (200, "two"));
        Directory.Delete(folder, recursive: true);
        await Retry.UntilAsync("the function is gone", async () => (await Daemon.CallAsync("dropped")).Status == 404);
        Assert.DoesNotContain("dropped", (await Daemon.ManageAsync("list")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_flat_layout_of_UniFaaS_is_a_function_of_the_default_module()
    {
        FunctionFiles.Write(Path.Combine(Daemon.Registry, "flat"), ("code/fn.py", "def fn(i, h): return 'flat'"), ("function.toml", Toml));
        await Retry.UntilAsync("it answers", async () => await Daemon.CallAsync("flat") == (200, "flat"));
        Assert.Equal("_", (await Daemon.DescribeAsync("flat")).GetProperty("module").GetString());
        Directory.Delete(Path.Combine(Daemon.Registry, "flat"), recursive: true);
        await Retry.UntilAsync("it is gone", async () => (await Daemon.CallAsync("flat")).Status == 404);
    }

    [Fact]
    public async Task A_function_of_another_module_is_called_by_its_full_name()
    {
        FunctionFiles.Write(Path.Combine(Daemon.Registry, "shop", "order"), ("code/fn.py", "def fn(i, h): return 'ordered'"), ("function.toml", Toml));
        await Retry.UntilAsync("it answers", async () => await Daemon.CallAsync("order.shop") == (200, "ordered"));
        Assert.Equal(404, (await Daemon.CallAsync("order")).Status);
    }

    [Fact]
    public async Task A_broken_file_disables_its_own_function_only_and_everybody_names_the_line()
    {
        FunctionFiles.Write(Path.Combine(Daemon.Registry, "_", "well"), ("code/fn.py", "def fn(i, h): return 'well'"), ("function.toml", Toml));
        FunctionFiles.Write(Path.Combine(Daemon.Registry, "_", "broken"), ("code/fn.py", "def fn(i, h): return 'x'"), ("function.toml", "timeout = 1\n[process]\nruntime = \"python\"\n"));
        // Until it has been read, 503 has another reason.
        await Retry.UntilAsync("it is known as broken, and where", async () =>
            await Daemon.CallAsync("broken") is (503, var body) && body.Contains("function.toml:3:11", StringComparison.Ordinal) && body.Contains("python3", StringComparison.Ordinal));
        await Retry.UntilAsync("the other one answers", async () => await Daemon.CallAsync("well") == (200, "well"));
        var described = await Daemon.DescribeAsync("broken");
        Assert.Equal("broken", described.GetProperty("state").GetString());
        Assert.Contains("function.toml:3:11", described.GetProperty("problems")[0].GetString(), StringComparison.Ordinal);
        Assert.Contains("function.toml:3:11", (await Daemon.CliAsync("ls")).Good(), StringComparison.Ordinal);
        await Daemon.WaitForLogAsync("function.toml:3:11");

        FunctionFiles.Write(Path.Combine(Daemon.Registry, "_", "broken"), ("function.toml", Toml));
        await Retry.UntilAsync("the repaired function answers", async () => await Daemon.CallAsync("broken") == (200, "x"));
    }

    [Fact]
    public async Task An_edit_that_breaks_a_function_leaves_the_old_version_serving()
    {
        var folder = Path.Combine(Daemon.Registry, "_", "steady");
        FunctionFiles.Write(folder, ("code/fn.py", "def fn(i, h): return 'steady'"), ("function.toml", Toml));
        await Retry.UntilAsync("it answers", async () => await Daemon.CallAsync("steady") == (200, "steady"));
        FunctionFiles.Write(folder, ("function.toml", "nonsense = 1\n" + Toml));
        await Retry.UntilAsync("the problem is known", async () => (await Daemon.DescribeAsync("steady")).GetProperty("state").GetString() == "broken");
        Assert.Equal((200, "steady"), await Daemon.CallAsync("steady"));
    }

    [Fact]
    public async Task A_version_that_does_not_start_leaves_the_old_one_serving()
    {
        await Daemon.DeployPythonAsync("careful", "def fn(i, h): return 'old'");
        var refusal = await Assert.ThrowsAsync<InvalidOperationException>(() => Daemon.DeployPythonAsync("careful", "raise RuntimeError('not today')"));
        Assert.Contains("not today", refusal.Message, StringComparison.Ordinal);
        Assert.Equal((200, "old"), await Daemon.CallAsync("careful"));
    }

    [Fact]
    public async Task No_call_is_lost_while_a_new_version_takes_over()
    {
        await Daemon.DeployPythonAsync("moving", "def fn(i, h): return 'v1'");
        using var stop = new CancellationTokenSource();
        var answers = new System.Collections.Concurrent.ConcurrentBag<(int, string)>();
        var load = Enumerable.Range(0, 4).Select(async _ =>
        {
            while (!stop.IsCancellationRequested) answers.Add(await Daemon.CallAsync("moving"));
        }).ToList();
        for (var version = 2; version <= 4; version++) await Daemon.DeployPythonAsync("moving", $"def fn(i, h): return 'v{version}'");
        Assert.Equal((200, "v4"), await Daemon.CallAsync("moving"));
        await stop.CancelAsync();
        await Task.WhenAll(load);
        Assert.All(answers, static answer => Assert.True(answer.Item1 == 200 && answer.Item2[0] == 'v', $"{answer}"));
    }
}
