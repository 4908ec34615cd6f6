using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Management;

/// <summary><c>/metrics</c> after traffic of all kinds.</summary>
public sealed class MetricsTests(SharedDaemon shared) : IClassFixture<SharedDaemon>
{
    [Fact]
    public async Task Promtool_finds_nothing_wrong_and_the_figures_are_those_of_the_traffic()
    {
        var daemon = shared.Daemon;
        await daemon.DeployPythonAsync("mixed", "import os, time\ndef fn(input, headers):\n    if input == 'fail': raise ValueError('no')\n    if input == 'die': os._exit(1)\n    if input == 'hang': time.sleep(60)\n    return 'fine'\n", top: "timeout = 2");
        await daemon.DeployAsync("Odd-Name_9", "[process]\nruntime = \"binary\"\n", ("fn.sh", "#!/bin/sh\ncat\n"));
        for (var n = 0; n < 3; n++) Assert.Equal(200, (await daemon.CallAsync("mixed")).Status);
        Assert.Equal(500, (await daemon.CallAsync("mixed", "fail")).Status);
        Assert.Equal(502, (await daemon.CallAsync("mixed", "die")).Status);
        Assert.Equal(504, (await daemon.CallAsync("mixed", "hang")).Status);
        Assert.Equal(200, (await daemon.CallAsync("Odd-Name_9", "x")).Status);
        Assert.Equal(404, (await daemon.CallAsync("nobody")).Status);

        var metrics = await daemon.Management.GetStringAsync("metrics");
        foreach (var wanted in new[]
        {
            """stint_requests_total{function="mixed",code="200"} 3""", """stint_requests_total{function="mixed",code="500"} 1""", """stint_requests_total{function="mixed",code="502"} 1""",
            """stint_requests_total{function="mixed",code="504"} 1""", """stint_request_duration_seconds_count{function="mixed"} 6""", """stint_instance_deaths_total{function="mixed"} 1""",
            """stint_functions{state="ready"} 2""", "stint_isolated 1", "process_resident_memory_bytes ", """stint_instances{function="mixed",state="idle"}""", """stint_cold_starts_total{function="mixed"}""",
        })
            Assert.Contains(wanted, metrics, StringComparison.Ordinal);
        var check = await Programs.RunAsync(["promtool", "check", "metrics"], "/", metrics);
        Assert.True(check.Code == 0 && check.Error.Length == 0 && check.Out.Length == 0, check.Out + check.Error);
    }
}
