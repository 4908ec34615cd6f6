using System.Globalization;
using Stint.Backends.Processes.Spawning;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.LifeCycle;

/// <summary>An instance that has stopped is found without a call, and replaced.</summary>
public sealed class ProbeTests
{
    private const int SigStop = 19;
    // Long enough for a well instance on the busiest machine.
    private const string Probed = "min-instances = 1\nkeepalive = -1\nhealth-interval = 0.2\nhealth-timeout = 10\n";

    [Theory]
    [InlineData("python3", "fn.py", "def fn(input, headers): return 'well'"), InlineData("nodejs", "fn.js", "module.exports = (req, res) => res.send('well');"),
     InlineData("binary", "fn.sh", "#!/bin/sh\nprintf well\n")]
    public async Task A_stopped_process_is_replaced(string runtime, string file, string code)
    {
        await using var daemon = await StintDaemon.StartAsync("--spares", "0");
        await daemon.DeployAsync("f", $"{Probed}\n[process]\nruntime = \"{runtime}\"\n", (file, code));
        Assert.Equal((200, "well"), await daemon.CallAsync("f"));
        int[] processes = [];
        await Retry.UntilAsync("there is one instance", () => (processes = [.. Runtimes(daemon)]).Length == 1);
        Posix.Check(Posix.kill(processes[0], SigStop), "kill");
        await daemon.WaitForLogAsync("did not answer its health probe within 10 s");
        Assert.Equal((200, "well"), await daemon.CallAsync("f"));
        Assert.NotEqual(0, (await daemon.DescribeAsync("f")).GetProperty("replaced").GetInt32());
    }

    [Fact]
    public async Task A_well_instance_answers_probes_and_calls_between_each_other()
    {
        await using var daemon = await StintDaemon.StartAsync();
        await daemon.DeployPythonAsync("f", "import os, time\nt = time.time()\ndef fn(input, headers): return f'{t}'", "", Probed.Replace("0.2", "0.001", StringComparison.Ordinal));
        var (_, first) = await daemon.CallAsync("f");
        for (var i = 0; i < 2000; i++) Assert.Equal((200, first), await daemon.CallAsync("f"));
        Assert.Equal(0, (await daemon.DescribeAsync("f")).GetProperty("replaced").GetInt32());
    }

    /// <summary>The runtimes' own processes, in the sandboxes of the daemon's instances.</summary>
    private static IEnumerable<int> Runtimes(StintDaemon daemon) => Directory.EnumerateDirectories("/proc").Select(Path.GetFileName)
        .Where(static name => int.TryParse(name, CultureInfo.InvariantCulture, out _)).Select(static name => int.Parse(name!, CultureInfo.InvariantCulture))
        .Where(pid => Reads($"/proc/{pid}/cmdline").Contains("/run/stint/socket", StringComparison.Ordinal) && !Reads($"/proc/{pid}/cmdline").Contains("bwrap", StringComparison.Ordinal)
            && ProcessMounts.Include($"/proc/{pid}", daemon.Root));

    private static string Reads(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
