using System.Globalization;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Sandbox;

/// <summary>What waits for a cold start: an interpreter, an empty sandbox, nothing. What comes of it is the same.</summary>
public sealed class WaitingTests
{
    /// <summary>All that a function can find out about how its sandbox was made: open files, control groups, limits, environment, processes.</summary>
    private const string Describe = """
        import os, resource
        links = sorted((int(n), os.readlink(f'/proc/self/fd/{n}').split(':')[0]) for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}'))
        result = '\n'.join([
            str(links), open('/proc/self/cgroup').read(), str([resource.getrlimit(r) for r in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)]),
            open('/proc/self/oom_score_adj').read(), str(sorted(os.environ.items())), open('/proc/1/environ').read(), os.readlink('/proc/1/cwd'),
            ' '.join(sorted(open(f'/proc/{p}/comm').read().strip() for p in os.listdir('/proc') if p.isdigit())),
            *[line for line in open('/proc/self/status').read().split('\n') if line.split(':')[0] in ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')],
            '\n'.join(sorted(line.split(' - ')[0].split(' ', 4)[4] for line in open('/proc/self/mountinfo'))),
        ])
        """;

    [Fact]
    public async Task A_function_cannot_tell_what_waited_for_it()
    {
        var seen = new List<string>();
        foreach (var (spares, empty) in new[] { (1, 0), (0, 1), (0, 0) })
        {
            await using var daemon = await StintDaemon.StartAsync("--spares", Number(spares), "--empty-sandboxes", Number(empty));
            // Deploying tries the function out and makes what is to wait.
            await daemon.DeployPythonAsync("nosy", SandboxDaemon.RunsItsInput, "memory = 64", "keepalive = 0");
            await WaitsAsync(daemon, "stint_spares", spares);
            await WaitsAsync(daemon, "stint_empty_sandboxes", empty);
            var (before, beforeEmpty) = (await MetricAsync(daemon, "stint_spare_starts_total"), await MetricAsync(daemon, "stint_empty_sandbox_starts_total"));
            var (status, body) = await daemon.CallAsync("nosy", Describe);
            Assert.True(status == 200, body);
            Assert.Equal((spares, empty), (await MetricAsync(daemon, "stint_spare_starts_total") - before, await MetricAsync(daemon, "stint_empty_sandbox_starts_total") - beforeEmpty));
            seen.Add(body.Replace(daemon.Root, "ROOT", StringComparison.Ordinal));

            // The limit is the function's own.
            var (killed, why) = await daemon.CallAsync("nosy", "keep = []\nwhile True: keep.append(bytearray(8 << 20))");
            Assert.True(killed is 502 or 500, why);
            if (killed == 502) Assert.Contains("64 MiB", why, StringComparison.Ordinal);
        }
        Assert.Equal(seen[2], seen[0]);
        Assert.Equal(seen[2], seen[1]);
    }

    [Theory]
    [InlineData("python3", "fn.py", "def fn(input, headers): return input + '!'"), InlineData("nodejs", "fn.js", "module.exports = (req, res) => res.send(req.body + '!');"),
     InlineData("binary", "fn.sh", "#!/bin/sh\ncat\nprintf !\n")]
    public async Task Every_runtime_starts_in_an_empty_sandbox(string runtime, string file, string code)
    {
        await using var daemon = await StintDaemon.StartAsync("--spares", "0", "--empty-sandboxes", "2");
        await daemon.DeployAsync("f", $"keepalive = 0\n[process]\nruntime = \"{runtime}\"\n", (file, code));
        await WaitsAsync(daemon, "stint_empty_sandboxes", 2);
        Assert.Equal((200, "hello!"), await daemon.CallAsync("f", "hello"));
        Assert.Equal(1, await MetricAsync(daemon, "stint_empty_sandbox_starts_total"));
        await WaitsAsync(daemon, "stint_empty_sandboxes", 2);
    }

    [Fact]
    public async Task A_killed_daemon_leaves_no_empty_sandbox_running()
    {
        await using var daemon = await StintDaemon.StartAsync("--spares", "0", "--empty-sandboxes", "3");
        await daemon.DeployPythonAsync("f", "def fn(input, headers): return 'ok'");
        await WaitsAsync(daemon, "stint_empty_sandboxes", 3);
        await daemon.KillAsync();
        await Retry.UntilAsync("no process of it is left", () => !daemon.FindLeftovers().Any(static left => left.Contains("process", StringComparison.Ordinal)));
        // What else a killed daemon leaves is removed by the next one over the same folders.
        await using var next = await StintDaemon.StartAsync(new DaemonSetup { Root = daemon.Root });
        Assert.Equal((200, "ok"), await next.CallAsync("f"));
    }

    private static Task WaitsAsync(StintDaemon daemon, string name, int count) =>
        Retry.UntilAsync($"{name} is {count}", async () => await MetricAsync(daemon, name) == count);

    private static async Task<int> MetricAsync(StintDaemon daemon, string name) =>
        (await daemon.Management.GetStringAsync("metrics")).Split('\n').Where(line => line.StartsWith(name + ' ', StringComparison.Ordinal) || line.StartsWith(name + '{', StringComparison.Ordinal))
        .Sum(static line => int.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture));

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
