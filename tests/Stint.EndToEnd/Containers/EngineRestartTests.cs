using System.Collections.Concurrent;
using Stint.Backends.Containers;
using Stint.EndToEnd.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers;

/// <summary>Bursts, and an engine that goes and comes back.</summary>
[Collection(TestEngine.Collection)]
public sealed class EngineRestartTests(TestEngine engine)
{
    [Fact]
    public async Task The_engine_is_killed_and_restarted_in_the_middle_of_load()
    {
        await using var owner = await ContainerDaemon.StartAsync(engine);
        await owner.DeployAsync("web", Guests.Web, top: "concurrent-requests = 8\nmin-instances = 1\nmax-instances = 3");
        await owner.ShellAsync("web", "true");
        var before = (await owner.RunningAsync("web")).Id;
        using var stop = new CancellationTokenSource();
        var answers = new ConcurrentQueue<(int Status, string Body)>();
        var callers = Enumerable.Range(0, 4).Select(async _ =>
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    // An answer with a length: of a script's, which ends with its connection, nobody can tell whether it was whole when its container was killed.
                    using var answer = await owner.Daemon.Http.GetAsync("web/index.html");
                    answers.Enqueue(((int)answer.StatusCode, await answer.Content.ReadAsStringAsync()));
                }
                catch (HttpRequestException)
                {
                    // Its answer had begun when its container was killed: that is an end too.
                }
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }
        }).ToList();
        await Retry.UntilAsync("calls are answered", () => answers.Count > 10);

        await engine.KillAsync();
        await owner.Daemon.WaitForLogAsync("the container engine is away");
        // The containers go on, and so do calls of them.
        var count = answers.Count;
        await Retry.UntilAsync("calls are answered without the engine", () => answers.Skip(count).Count(static answer => answer == (200, "hello\n")) > 5);
        Assert.Contains("stint_container_engine_up 0\n", await owner.Daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);

        // Without live-restore an engine that starts ends the containers that it finds.
        await engine.StartAsync();
        await owner.Daemon.WaitForLogAsync("is back after");
        await Retry.UntilAsync("a new container answers", async () => (await owner.ContainersAsync("web")).Any(container => container.IsRunning && container.Id != before)
            && await owner.Daemon.CallAsync("web/cgi-bin/sh", "echo fine") == (200, "fine\n"));
        await stop.CancelAsync();
        await Task.WhenAll(callers);
        Assert.All(answers, static answer => Assert.True(answer is (200, "hello\n") or (502 or 503, _), answer.ToString()));
        Assert.Contains("stint_container_engine_up 1\n", await owner.Daemon.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
        await Retry.UntilAsync("no container that ended is left", async () => (await owner.ContainersAsync("web")).All(static container => container.IsRunning || container.State == "created"));
    }

    [Fact]
    public async Task A_daemon_that_stops_while_the_engine_is_away_is_cleaned_up_after_by_the_next_one()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            await using (var first = await ContainerDaemon.StartAsync(engine, new DaemonSetup { Root = root }))
            {
                await first.DeployAsync("web", Guests.Web, top: "min-instances = 1");
                await first.WaitForRunningAsync("web", 1);
                await engine.KillAsync();
                first.Daemon.Signal(15);
                Assert.Equal(0, await first.Daemon.ExitAsync());
                await engine.StartAsync();
                Assert.NotEmpty(await engine.FindLabelledAsync(ContainerLabels.Daemon));
                await using var next = await StintDaemon.StartAsync(new DaemonSetup { Root = root, Flags = ["--docker-host", engine.Address], Before = static daemon => Directory.Delete(daemon.Registry, recursive: true) });
                await ContainerDaemon.WaitForNothingLeftAsync(engine);
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task A_hundred_containers_start_in_a_burst_and_go()
    {
        const int many = 100;
        await using var owner = await ContainerDaemon.StartAsync(engine, new DaemonSetup { Flags = ["--instance-budget", "200"] });
        await owner.DeployAsync("burst", Guests.Web, "port = 8080\nmemory = 16", $"single-use = true\nmax-instances = {many}\nboot-timeout = 300\nqueue-timeout = 300");
        var calls = Enumerable.Range(0, many).Select(_ => owner.ShellAsync("burst", "hostname")).ToList();
        Assert.Equal(many, (await Task.WhenAll(calls)).Distinct().Count());
        (await owner.Daemon.CliAsync("rm", "burst")).Good();
        await ContainerDaemon.WaitForNothingLeftAsync(engine);
        Assert.DoesNotContain("did not start", owner.Daemon.Log, StringComparison.Ordinal);
    }
}
