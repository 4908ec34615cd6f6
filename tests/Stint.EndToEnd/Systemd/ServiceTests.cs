using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Systemd;

/// <summary><c>deploy/systemd</c>: what systemd itself says of the unit, and the daemon under a real systemd with real control groups version 2.</summary>
public sealed class ServiceTests
{
    // Who they are, where their things lie, and how long they may take to go.
    private static readonly string[] OfEach = ["#", "Description=", "ExecStart=", "Environment=", "EnvironmentFile=", "TimeoutStopSec=", "StateDirectory=", "RuntimeDirectory="];

    [Theory]
    [InlineData("stint.service")]
    [InlineData("stint-worker.service")]
    public async Task The_units_are_as_closed_as_their_readme_says(string unit)
    {
        var verdict = await Programs.RunAsync(["systemd-analyze", "security", "--offline=true", "--threshold=75", "--no-pager", Unit(unit)], "/");
        Assert.True(verdict.Code == 0, verdict.Out + verdict.Error);
    }

    [Fact]
    public void A_worker_is_as_closed_as_the_daemon_that_was_tried_under_systemd() => Assert.Equal(Settings("stint.service"), Settings("stint-worker.service"));

    private static string Unit(string name) => Path.Combine(Programs.Repository, "deploy/systemd", name);

    private static IEnumerable<string> Settings(string unit) => File.ReadLines(Unit(unit)).Where(static line => !OfEach.Any(word => line.StartsWith(word, StringComparison.Ordinal)));

    [Fact]
    public async Task Under_systemd_the_daemon_starts_serves_is_revived_and_stops()
    {
        // Each start of .NET takes its time here: functions are put on disk, and called with curl.
        var said = await ServiceMachine.RunAsync("""
            put() { mkdir -p /var/lib/stint/functions/$1/code; printf '[process]\nruntime = "python3"\nmemory = 128\n' > /var/lib/stint/functions/$1/function.toml; printf "$2" > /var/lib/stint/functions/$1/code/fn.py; }
            put greet 'def fn(input, headers):\n    return f"Hello, {input}!"\n'
            put hog 'def fn(input, headers):\n    return str(len(bytearray(600 << 20)))\n'
            call() { curl -sf --retry 100 --retry-all-errors --retry-delay 1 --max-time 100 http://127.0.0.1:8000/$1 -d "$2"; echo; }
            until_active
            step status systemctl show stint -p StatusText --value
            step metrics sh -c 'curl -s http://127.0.0.1:8080/metrics | grep -E "^stint_(isolated|limits_enforced) "'
            step invoke call greet Ada
            step hog curl -s http://127.0.0.1:8000/hog -d x
            step groups find /sys/fs/cgroup -type d -path '*stint*'
            step limits sh -c 'cat /sys/fs/cgroup/system.slice/stint.service/stint/*/*/memory.max'
            kill -9 $(systemctl show stint -p MainPID --value)
            for i in $(seq 100); do [ "$(systemctl show stint -p NRestarts --value)" = 1 ] && break; sleep 1; done; until_active
            step revived call greet Cleo
            systemctl stop stint
            step stopped systemctl show stint -p ActiveState -p Result -p ExecMainStatus
            step left sh -c 'ls /run/stint; pgrep dotnet; pgrep bwrap; find /sys/fs/cgroup -type d -path "*stint*"'
            step journal journalctl -u stint --no-pager -n 40

            """);
        Assert.Contains("http://localhost:8000", said["status"], StringComparison.Ordinal);
        Assert.Equal("stint_isolated 1\nstint_limits_enforced 1\nexit 0", said["metrics"]);
        Assert.Equal("Hello, Ada!\nexit 0", said["invoke"]);
        Assert.Contains("ran out of memory (limit 128 MiB)", said["hog"], StringComparison.Ordinal);
        // All of it below the service's own group, where systemd counts and kills it; nothing in the root.
        Assert.All(said["groups"].Split('\n')[..^1], static folder => Assert.StartsWith("/sys/fs/cgroup/system.slice/stint.service", folder, StringComparison.Ordinal));
        Assert.Contains("/sys/fs/cgroup/system.slice/stint.service/daemon", said["groups"], StringComparison.Ordinal);
        Assert.Contains("134217728", said["limits"], StringComparison.Ordinal);
        Assert.Equal("Hello, Cleo!\nexit 0", said["revived"]);
        Assert.True(said["stopped"].Contains("ActiveState=inactive", StringComparison.Ordinal), said["stopped"] + said["journal"]);
        Assert.Contains("Result=success", said["stopped"], StringComparison.Ordinal);
        Assert.Equal("ls: cannot access '/run/stint': No such file or directory\nexit 0", said["left"]);
    }
}
