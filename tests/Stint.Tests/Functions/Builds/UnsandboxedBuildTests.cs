using Stint.Functions;
using Stint.Functions.Builds;
using Stint.Functions.Deployments;

namespace Stint.Tests.Functions.Builds;

public sealed class UnsandboxedBuildTests : IDisposable
{
    private readonly TempFolder _temp = new();
    private readonly UnsandboxedBuild _build = new(TimeProvider.System);

    public void Dispose() => _temp.Dispose();

    private BuildCommand Shell(string script, double seconds = 60, long size = 1 << 30) => new()
    {
        Runtime = Runtime.Binary,
        Arguments = ["/bin/sh", "-c", script], WorkFolder = _temp.Path, StartIn = "", Environment = new Dictionary<string, string> { ["PATH"] = "/usr/bin:/bin", ["A"] = "b" },
        TimeLimit = TimeSpan.FromSeconds(seconds), SizeLimit = size,
    };

    [Fact]
    public async Task Lines_of_both_streams_and_the_exit_code_arrive()
    {
        var lines = new List<string>();
        var exit = await _build.RunAsync(Shell("echo one; echo two >&2; printf three; exit 3"), lines.Add, CancellationToken.None);
        Assert.Equal(new BuildExit(BuildEnd.Exited, 3), exit);
        Assert.Equal(["one", "three", "two"], lines.Order());
    }

    [Fact]
    public async Task The_command_sees_its_own_environment_only()
    {
        var lines = new List<string>();
        await _build.RunAsync(Shell("env"), lines.Add, CancellationToken.None);
        Assert.Contains("A=b", lines);
        Assert.DoesNotContain(lines, line => line.StartsWith("HOME=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_command_that_hangs_is_killed_at_its_time_limit() =>
        Assert.Equal(BuildEnd.TimedOut, (await _build.RunAsync(Shell("sleep 600", seconds: 0.2), _ => { }, CancellationToken.None)).End);

    [Fact]
    public async Task A_child_that_holds_the_output_open_does_not_outlast_the_time_limit() =>
        Assert.Equal(BuildEnd.TimedOut, (await _build.RunAsync(Shell("sleep 3 & exit 0", seconds: 0.2), _ => { }, CancellationToken.None)).End);

    [Fact]
    public async Task A_command_that_fills_the_disk_is_killed() =>
        Assert.Equal(BuildEnd.TooLarge, (await _build.RunAsync(Shell("head -c 3000000 /dev/zero > big; sleep 600", size: 1 << 20), _ => { }, CancellationToken.None)).End);

    [Fact]
    public async Task Cancelling_kills_it()
    {
        using var cancel = new CancellationTokenSource();
        var run = _build.RunAsync(Shell("echo up; sleep 600"), _ => cancel.Cancel(), cancel.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
    }

    [Fact]
    public async Task A_missing_program_is_what_the_host_lacks()
    {
        var error = await Assert.ThrowsAsync<DeploymentException>(() => _build.RunAsync(Shell("") with { Arguments = ["/nowhere/pip"] }, _ => { }, CancellationToken.None));
        Assert.Equal(DeploymentFault.HostLacks, error.Fault);
    }

    [Fact]
    public async Task Output_without_line_breaks_is_cut_into_lines()
    {
        var lines = new List<string>();
        await LinePump.RunAsync(new StringReader(new string('x', 10_000) + "\r\n\r50%\r100%\nend"), lines.Add, CancellationToken.None);
        Assert.Equal([4096, 4096, 1808, 3, 4, 3], lines.Select(line => line.Length));
    }
}
