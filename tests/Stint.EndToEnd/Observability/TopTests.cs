using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Observability;

/// <summary>What an operator sees of a real daemon at work, and of a function that does not work.</summary>
public sealed class TopTests(SharedDaemon shared) : IClassFixture<SharedDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task Top_shows_the_functions_and_the_hosts_room()
    {
        await Daemon.DeployPythonAsync("busy", "def fn(input, headers): return 'x'");
        for (var i = 0; i < 10; i++) await Daemon.CallAsync("busy");
        var report = JsonDocument.Parse((await Daemon.CliAsync("top", "--once", "--json", "--interval", "0.2")).Good()).RootElement;
        var busy = report.GetProperty("functions").EnumerateArray().Single(static function => function.GetProperty("name").GetString() == "busy");
        Assert.Equal(("ready", 1L), (busy.GetProperty("state").GetString(), busy.GetProperty("coldStarts").GetInt64()));
        Assert.Equal(1, busy.GetProperty("instances").GetProperty("idle").GetInt32());
        Assert.InRange(report.GetProperty("instances").GetInt32(), 1, report.GetProperty("instanceBudget").GetInt32());
        Assert.InRange(report.GetProperty("memoryPromisedBytes").GetInt64(), 256L << 20, report.GetProperty("memoryBudgetBytes").GetInt64());
        Assert.Matches(@"(?m)^busy +1 idle +0 ", (await Daemon.CliAsync("top", "--once", "--interval", "0.2")).Good());
    }

    [Fact]
    public async Task Describe_says_why_a_function_is_left_alone_and_until_when()
    {
        await Daemon.DeployPythonAsync("dying", "import os\ndef fn(input, headers): os._exit(3)");
        await Retry.UntilAsync("the function backs off", async () =>
        {
            await Daemon.CallAsync("dying");
            return (await Daemon.DescribeAsync("dying")).GetProperty("nextRetryAt").ValueKind == JsonValueKind.String;
        });
        var described = (await Daemon.CliAsync("describe", "dying")).Good();
        Assert.Matches(@"(?m)^why +\S", described);
        Assert.Matches(@"(?m)^failures +0 failed starts, [1-9]\d* died", described);
        Assert.Contains("dying: ", (await Daemon.CliAsync("top", "--once", "--interval", "0.1")).Good(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Describe_says_that_the_host_is_too_small()
    {
        await Daemon.DeployPythonAsync("huge", "def fn(input, headers): return 'x'");
        FunctionFiles.Write(Path.Combine(Daemon.Registry, "_", "huge"), ("function.toml", "[process]\nruntime = \"python3\"\nmemory = 1000000\n"));
        await Retry.UntilAsync("the problem is known", async () => (await Daemon.CliAsync("describe", "huge")).Out.Contains("needs 1000000 MiB, and all instances of this host together may have", StringComparison.Ordinal));
    }
}
