using System.Diagnostics;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cli;

/// <summary>Every command of docs/cli.md against a real daemon.</summary>
public sealed class CommandsTests(SharedDaemon shared) : IClassFixture<SharedDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Theory]
    [InlineData("python3"), InlineData("nodejs"), InlineData("binary")]
    public async Task A_starter_is_made_deployed_and_called(string runtime)
    {
        var name = "new-" + runtime;
        (await CliAsync("new", runtime, name)).Good();
        foreach (var file in new[] { "README.md", "function.toml" }) Assert.True(File.Exists(Path.Combine(Daemon.Root, name, file)), file);
        using var deployed = JsonDocument.Parse((await CliAsync("deploy", name, "--json")).Good());
        Assert.Equal("ready", deployed.RootElement.GetProperty("state").GetString());
        Assert.Contains("Ada", (await CliAsync("invoke", name, "-d", "Ada")).Good(), StringComparison.Ordinal);
        // A second time over what is there is refused, and nothing is overwritten.
        Assert.Equal(1, (await CliAsync("new", runtime, name)).Code);
    }

    [Fact]
    public async Task Plain_code_is_deployed_with_flags()
    {
        FunctionFiles.Write(Path.Combine(Daemon.Root, "plain"), ("fn.py", "import os\ndef fn(input, headers): return os.environ['WHO']\n"));
        (await CliAsync("deploy", "plain", "--name", "flagged", "--module", "mine", "--memory", "99", "--timeout", "7", "--concurrency", "2", "--min-instances", "1", "--max-instances", "3", "--env", "WHO=a=b", "--label", "team=x")).Good();
        using var described = JsonDocument.Parse((await CliAsync("describe", "flagged.mine", "--json")).Good());
        var root = described.RootElement;
        Assert.Equal((99, 7, 2, 1, 3), (Number("memoryMiB"), Number("timeoutSeconds"), Number("concurrentRequests"), Number("minInstances"), Number("maxInstances")));
        Assert.Equal("WHO", root.GetProperty("env")[0].GetString());
        Assert.Equal("x", root.GetProperty("labels").GetProperty("team").GetString());
        Assert.Equal("a=b", (await CliAsync("invoke", "flagged.mine")).Good());

        int Number(string name) => root.GetProperty(name).GetInt32();
    }

    [Fact]
    public async Task An_invocation_passes_everything_on()
    {
        await Daemon.DeployPythonAsync("passes", "import stint\ndef fn(input, headers, request):\n    return stint.Response([request.method, request.path, request.query, headers.get('Lab'), input], status=int(headers.get('Status', 200)), headers={'X-Mine': 'yes'})\n");
        Assert.Equal("""["PUT","/sub/path","x=1&y=2","7","body"]""", (await CliAsync("invoke", "passes", "-X", "PUT", "--path", "/sub/path", "--query", "x=1&y=2", "-H", "lab: 7", "-d", "body")).Good().Replace(" ", "", StringComparison.Ordinal));
        Assert.Contains("from stdin", (await Daemon.CliAsync(["invoke", "passes", "-d", "-"], "from stdin")).Good(), StringComparison.Ordinal);
        FunctionFiles.Write(Daemon.Root, ("body.txt", "from a file"));
        Assert.Contains("from a file", (await CliAsync("invoke", "passes", "-d", "@body.txt")).Good(), StringComparison.Ordinal);
        var shown = (await CliAsync("invoke", "passes", "-i")).Good();
        Assert.Contains("200", shown, StringComparison.Ordinal);
        Assert.Contains("X-Mine: yes", shown, StringComparison.Ordinal);
        Assert.Equal(1, (await CliAsync("invoke", "passes", "-H", "Status: 418")).Code);
        var nobody = await CliAsync("invoke", "nobody");
        Assert.Equal(1, nobody.Code);
        Assert.Contains("nobody", nobody.Error, StringComparison.Ordinal);
        Assert.NotEmpty((await CliAsync("invoke", "passes", "--async")).Good().Trim());
    }

    [Fact]
    public async Task Listings_show_and_their_json_parses()
    {
        await Daemon.DeployPythonAsync("listed", "def fn(input, headers):\n    print('a line of the log')\n    return 'listed'\n");
        await Daemon.CallAsync("listed");
        Assert.Contains("listed", (await CliAsync("ls")).Good(), StringComparison.Ordinal);
        using var list = JsonDocument.Parse((await CliAsync("ls", "--json")).Good());
        var entry = list.RootElement.GetProperty("functions").EnumerateArray().Single(static function => function.GetProperty("name").GetString() == "listed");
        Assert.Equal(1, entry.GetProperty("requests").GetInt32());
        Assert.Contains("python3", (await CliAsync("describe", "listed")).Good(), StringComparison.Ordinal);
        await Retry.UntilAsync("the log has it", async () => (await CliAsync("logs", "listed")).Good().Contains("a line of the log", StringComparison.Ordinal));
        var line = (await CliAsync("logs", "listed", "--json", "--tail", "1")).Good().Trim();
        Assert.Equal("stdout", JsonDocument.Parse(line).RootElement.GetProperty("stream").GetString());
        Assert.Equal(1, (await CliAsync("describe", "nobody")).Code);
        Assert.Equal(1, (await CliAsync("logs", "nobody")).Code);
    }

    [Fact]
    public async Task Logs_are_followed_until_the_user_stops()
    {
        await Daemon.DeployPythonAsync("followed", "def fn(input, headers): print('said', input)\n");
        using var process = Process.Start(Programs.Prepare([.. Programs.Stint, "logs", "-f", "followed"], Daemon.Root, new Dictionary<string, string> { ["STINT_MANAGEMENT"] = $"http://localhost:{Daemon.ManagementPort}", ["TMPDIR"] = Daemon.Temporary }))!;
        try
        {
            for (var n = 1; n <= 3; n++)
            {
                await Daemon.CallAsync("followed", $"{n}");
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(45));
                Assert.Contains($"said {n}", await process.StandardOutput.ReadLineAsync(limit.Token), StringComparison.Ordinal);
            }
            Stint.Backends.Processes.Spawning.Posix.Check(Stint.Backends.Processes.Spawning.Posix.kill(process.Id, 2), "kill");
            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode); // the usual end of following
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    [Fact]
    public async Task Functions_are_removed_and_wiped()
    {
        await using var daemon = await StintDaemon.StartAsync();
        foreach (var name in new[] { "a", "b", "c", "d" }) await daemon.DeployPythonAsync(name, "def fn(input, headers): return 1\n");
        (await daemon.CliAsync("rm", "a", "b")).Good();
        Assert.Equal("c\nd\n", (await daemon.ManageAsync("list")).Body);
        Assert.Equal(1, (await daemon.CliAsync("rm", "a")).Code);
        Assert.NotEqual(0, (await daemon.CliAsync("wipe")).Code); // not on a terminal: it must be said
        (await daemon.CliAsync("wipe", "--yes")).Good();
        Assert.Equal("", (await daemon.ManageAsync("list")).Body);
    }

    [Fact]
    public async Task A_broken_configuration_and_a_failed_build_have_their_exit_codes()
    {
        FunctionFiles.Write(Path.Combine(Daemon.Root, "wrong"), ("function.toml", "time-out = 1\n[process]\nruntime = \"python3\"\n"), ("code/fn.py", "def fn(i): return 1\n"));
        var wrong = await CliAsync("deploy", "wrong");
        Assert.Equal(78, wrong.Code);
        Assert.Contains("function.toml:1:1", wrong.Error, StringComparison.Ordinal);
        Assert.Contains("timeout", wrong.Error, StringComparison.Ordinal);
        FunctionFiles.Write(Path.Combine(Daemon.Root, "unbuildable"), ("function.toml", "[process]\nruntime = \"python3\"\n"), ("code/fn.py", "def fn(i): return 1\n"), ("code/requirements.txt", "./missing-1.0-py3-none-any.whl\n"));
        var unbuildable = await CliAsync("deploy", "unbuildable");
        Assert.Equal(1, unbuildable.Code);
        Assert.Contains("missing-1.0", unbuildable.Error + unbuildable.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_without_a_daemon_says_how_to_start_one()
    {
        foreach (var command in new string[][] { ["ls"], ["logs"], ["rm", "x"], ["describe", "x"], ["invoke", "x"], ["wipe", "--yes"] })
        {
            var done = await CliAsync([.. command, "--management", $"http://localhost:{FreePorts.Take()}"]);
            Assert.Equal(69, done.Code);
            Assert.Contains("stint up", done.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_doctor_finds_this_host_fit()
    {
        var doctor = await CliAsync("doctor", "--registry", Daemon.Registry, "--state", Daemon.State, "--json");
        using var found = JsonDocument.Parse(doctor.Good());
        Assert.True(found.RootElement.GetProperty("canRunFunctions").GetBoolean());
        Assert.NotEmpty(found.RootElement.GetProperty("checks").EnumerateArray());
        (await CliAsync("doctor", "--registry", Daemon.Registry, "--state", Daemon.State)).Good();
    }

    [Fact]
    public async Task Versions_completions_and_help_are_printed()
    {
        using var version = JsonDocument.Parse((await CliAsync("version", "--json")).Good());
        Assert.NotEmpty(version.RootElement.GetProperty("version").GetString()!);
        foreach (var shell in new[] { "bash", "zsh", "fish" }) Assert.Contains("stint", (await CliAsync("completion", shell)).Good(), StringComparison.Ordinal);
        Assert.Contains("deploy", (await CliAsync("--help")).Good(), StringComparison.Ordinal);
        Assert.Equal(2, (await CliAsync("nonsense")).Code);
        Assert.Equal(2, (await CliAsync("deploy")).Code);
    }

    private Task<Finished> CliAsync(params string[] arguments) => Daemon.CliAsync(arguments);
}
