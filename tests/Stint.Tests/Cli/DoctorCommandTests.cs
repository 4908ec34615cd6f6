using System.Text.Json;
using Stint.Checks;
using Stint.Cli;

namespace Stint.Tests.Cli;

public sealed class DoctorCommandTests : DaemonTest
{
    [Fact]
    public void The_output_is_the_golden_one()
    {
        DoctorCommand.Print(Cli.Session,
        [
            new("sandbox", CheckStatus.Fine, "bubblewrap 0.8.0 makes a sandbox.", null, Concern.Everything),
            new("cgroups", CheckStatus.Degraded, "none are mounted.", "mount -t cgroup2 none /sys/fs/cgroup", Concern.Comfort),
            new("nodejs", CheckStatus.Missing, "not installed.\e[31m", "apt-get install -y nodejs", Concern.NodeJs),
        ], canRun: true);
        GoldenFile.Check("doctor.txt", Cli.Out);
    }

    [Fact]
    public async Task The_verdict_is_the_exit_code_and_the_json()
    {
        var exitCode = await Cli.RunAsync("doctor", "--json", "--state", "kept");
        using var json = JsonDocument.Parse(Cli.Out);
        Assert.Equal(exitCode == 0, json.RootElement.GetProperty("canRunFunctions").GetBoolean());
        var checks = json.RootElement.GetProperty("checks").EnumerateArray().ToDictionary(check => check.GetProperty("name").GetString()!);
        Assert.Contains("sandbox", checks.Keys);
        Assert.Contains(checks["state folder"].GetProperty("status").GetString(), (string[])["fine", "missing"]);
        Assert.Contains(Cli.Folder, checks["state folder"].GetProperty("found").GetString() + checks["state folder"].GetProperty("cure").GetString(), StringComparison.Ordinal);
        Assert.Contains("process 4711", checks["ports"].GetProperty("found").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_state_folder_that_cannot_be_used_is_the_verdict()
    {
        Cli.Write("file", "");
        Assert.Equal(1, await Cli.RunAsync("doctor", "--state", "file"));
        Assert.Contains("Functions cannot run on this host", Cli.Out, StringComparison.Ordinal);
    }
}
