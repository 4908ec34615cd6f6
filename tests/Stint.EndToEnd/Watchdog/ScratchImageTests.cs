using System.Globalization;
using Stint.Backends.Containers;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Watchdog;

/// <summary>fwatchdog as the first process of an image with nothing else in it than a function.</summary>
[Collection(TestEngine.Collection)]
public sealed class ScratchImageTests(TestEngine engine, WatchdogImages images) : IClassFixture<WatchdogImages>
{
    // A copy of the host's static busybox is the function: a shell that leaves processes behind.
    private const string Dockerfile = """
        FROM scratch
        COPY fwatchdog /fwatchdog
        COPY busybox /bin/busybox
        COPY run.sh /run.sh
        ENV fprocess="/bin/busybox sh /run.sh" suppress_lock="true" healthcheck_interval="0" combine_output="false"
        CMD ["/fwatchdog"]
        """;

    // Each call leaves a child whose parent is gone before it ends; the list has every process: number, parent, state, name.
    private const string Script = """
        case "$Http_Path" in
        /leave) (/bin/busybox sh -c '/bin/busybox sleep 0.1' >/dev/null 2>&1 </dev/null &); echo left ;;
        /list) for stat in /proc/[0-9]*/stat; do read -r line <$stat && echo "$line" | /bin/busybox awk '{print $1, $4, $3, $2}'; done 2>/dev/null ;;
        /slow) echo begun >&2; /bin/busybox sleep 3; echo done ;;
        esac
        """;

    [Fact]
    public async Task It_answers_through_the_gateway_is_process_one_and_reaps_what_functions_leave()
    {
        await DeployAsync("orphans");
        for (var call = 0; call < 5; call++) Assert.Equal("left\n", await images.Client.Http.GetStringAsync("function/orphans/leave"));
        // An orphan is the first process's child, living or, until it is reaped, dead; so is the call that makes the list.
        await Retry.UntilAsync("no orphan is left, living or dead", async () =>
        {
            var processes = (await images.Client.Http.GetStringAsync("function/orphans/list")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => line.Split(' ')).ToList();
            Assert.Contains(processes, static process => process is ["1", "0", _, "(fwatchdog)"]);
            return processes.Count(static process => process is [_, "1", ..]) == 1;
        });
    }

    [Fact]
    public async Task A_stop_lets_running_calls_end_and_is_the_end_of_the_container()
    {
        await DeployAsync("stops");
        Assert.Equal("left\n", await images.Client.Http.GetStringAsync("function/stops/leave"));
        var container = Assert.Single(await engine.Client.Containers.ListAsync(EngineFilters.Label(ContainerLabels.Function, "stops"), default), static container => container.IsRunning);
        // Asked directly, past the pool: the pool would start another instance.
        var address = (await engine.Client.Containers.InspectAsync(container.Id, default)).NetworkSettings!.Networks.Values.First().IPAddress;
        using var client = new HttpClient();
        var slow = client.GetStringAsync(string.Create(CultureInfo.InvariantCulture, $"http://{address}:8080/slow"));
        await Retry.UntilAsync("the call runs", async () => (await images.Daemon.LogsAsync("stops")).Contains("begun", StringComparison.Ordinal));
        Assert.True(await engine.Client.Containers.KillAsync(container.Id, "SIGTERM", default));
        Assert.Equal("done\n", await slow);
        await images.Daemon.WaitForLogAsync("exited with code 0");
    }

    private async Task DeployAsync(string function)
    {
        var busybox = ((string[])["/bin/busybox", "/usr/bin/busybox"]).First(File.Exists);
        var image = await images.BuildAsync(function, busybox, Dockerfile, Script);
        await images.DeployAsync(function, image);
    }
}
