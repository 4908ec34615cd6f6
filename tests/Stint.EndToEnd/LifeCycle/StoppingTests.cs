using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.LifeCycle;

/// <summary>How a daemon ends: told to, under load, and by force; and what the next one finds.</summary>
public sealed class StoppingTests
{
    private const int SigInt = 2;
    private const int SigTerm = 15;

    [Theory]
    [InlineData(SigTerm), InlineData(SigInt)]
    public async Task Told_to_stop_under_load_it_finishes_what_runs_refuses_the_rest_and_leaves_nothing(int signal)
    {
        await using var daemon = await StintDaemon.StartAsync("--drain-seconds", "20");
        await daemon.DeployPythonAsync("work", "import time\ndef fn(input, headers):\n    time.sleep(float(input))\n    return 'done'\n", top: "max-instances = 4");
        await daemon.DeployAsync("quick", "concurrent-requests = 8\n[process]\nruntime = \"nodejs\"\n", ("index.js", "module.exports = (req, res) => res.send('quick')"));
        var running = Enumerable.Range(0, 4).Select(_ => daemon.CallAsync("work", "6")).ToList();
        await Retry.UntilAsync("all four run", async () => (await daemon.DescribeAsync("work")).GetProperty("instances").GetProperty("busy").GetInt32() == 4);
        var surprises = new ConcurrentBag<string>();
        using var enough = new CancellationTokenSource();
        var load = Enumerable.Range(0, 8).Select(_ => HammerAsync(daemon, surprises, enough.Token)).ToList();

        daemon.Signal(signal);
        Assert.Equal(0, await daemon.ExitAsync());
        await enough.CancelAsync();
        await Task.WhenAll(load);
        foreach (var call in running) Assert.Equal((200, "done"), await call);
        Assert.Empty(surprises);
        await daemon.RequireNothingLeftAsync();
    }

    [Fact]
    public async Task A_call_that_does_not_end_in_time_is_ended_with_the_daemon()
    {
        await using var daemon = await StintDaemon.StartAsync("--drain-seconds", "1");
        await daemon.DeployPythonAsync("forever", "import time\ndef fn(input, headers):\n    while True: time.sleep(1)\n");
        var call = daemon.CallAsync("forever");
        await Retry.UntilAsync("it runs", async () => (await daemon.DescribeAsync("forever")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        daemon.Signal(SigTerm);
        Assert.Equal(0, await daemon.ExitAsync());
        try
        {
            var (status, _) = await call;
            Assert.InRange(status, 500, 599);
        }
        catch (HttpRequestException)
        {
            // Its connection was closed: as good an answer from a server that goes.
        }
        await daemon.RequireNothingLeftAsync();
    }

    // Clients open connections in advance. With so much time for calls a daemon that waited for one would not end within the test's limit.
    [Fact]
    public async Task A_connection_that_has_said_nothing_does_not_keep_it()
    {
        await using var daemon = await StintDaemon.StartAsync("--drain-seconds", "3600");
        await daemon.DeployPythonAsync("echo", "def fn(input): return input\n");
        using var silent = new TcpClient();
        await silent.ConnectAsync(IPAddress.Loopback, daemon.HttpPort);
        // Accepted after it, so the silent one has been, too.
        Assert.Equal((200, "x"), await daemon.CallAsync("echo", "x"));
        daemon.Signal(15);
        Assert.Equal(0, await daemon.ExitAsync());
    }

    [Fact]
    public async Task It_takes_calls_for_a_while_after_it_has_said_that_it_goes()
    {
        await using var daemon = await StintDaemon.StartAsync("--leave-seconds", "20");
        await daemon.DeployPythonAsync("echo", "def fn(input): return input\n");
        daemon.Signal(15);
        await Retry.UntilAsync("it is not ready any more", async () => (await daemon.ManageAsync("readyz")).Status == 503);
        Assert.Equal((200, "x"), await daemon.CallAsync("echo", "x"));
        Assert.Equal(0, await daemon.ExitAsync());
    }

    [Fact]
    public async Task An_asynchronous_call_that_runs_ends_before_the_daemon_goes()
    {
        await using var daemon = await StintDaemon.StartAsync("--drain-seconds", "20");
        await daemon.DeployPythonAsync("later", "import time\ndef fn(input, headers):\n    time.sleep(3)\n    print('accepted and run')\n");
        using var request = new HttpRequestMessage(HttpMethod.Post, "later") { Headers = { { "X-tinyFaaS-Async", "1" } } };
        Assert.Equal(202, (int)(await daemon.Http.SendAsync(request)).StatusCode);
        await Retry.UntilAsync("it runs", async () => (await daemon.DescribeAsync("later")).GetProperty("instances").GetProperty("busy").GetInt32() == 1);
        daemon.Signal(SigTerm);
        Assert.Equal(0, await daemon.ExitAsync());
        Assert.Contains(Directory.EnumerateFiles(Path.Combine(daemon.State, "logs"), "*", SearchOption.AllDirectories), static path => File.ReadAllText(path).Contains("accepted and run", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_killed_daemon_left_the_next_one_removes_and_serves_again()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        string[] left;
        try
        {
            await using (var first = await StintDaemon.StartAsync(new DaemonSetup { Root = root }))
            {
                await first.DeployPythonAsync("kept", "def fn(input, headers): return 'kept ' + (input or '')\n", top: "min-instances = 2\nkeepalive = -1");
                var surprises = new ConcurrentBag<string>();
                using var enough = new CancellationTokenSource();
                var load = Enumerable.Range(0, 4).Select(_ => HammerAsync(first, surprises, enough.Token, "kept")).ToList();
                await Retry.UntilAsync("instances run", async () => (await first.DescribeAsync("kept")).GetProperty("instanceList").GetArrayLength() >= 2);
                // What a deployment would have been at when the power went.
                FunctionFiles.Write(Path.Combine(first.State, "staging", "halfway"), ("fn.py", "half"));
                Assert.NotEmpty(Directory.EnumerateDirectories(first.Run));
                await first.KillAsync();
                await enough.CancelAsync();
                await Task.WhenAll(load);
                // Sandboxes die with their parent, also when it had no time for anything.
                await Retry.UntilAsync("its processes are gone", () => !first.FindLeftovers().Any(static left => left.StartsWith("process", StringComparison.Ordinal)));
                left = [.. Directory.EnumerateDirectories(first.Run), .. Leftovers.ControlGroups(first.State).SelectMany(Directory.EnumerateDirectories)];
                Assert.True(left.Length >= 2);
            }
            await using var second = await StintDaemon.StartAsync(new DaemonSetup { Root = root });
            Assert.Equal((200, "kept x"), await second.CallAsync("kept", "x"));
            Assert.False(Directory.Exists(Path.Combine(second.State, "staging", "halfway")));
            Assert.DoesNotContain(left, Directory.Exists);
            second.Signal(SigTerm);
            Assert.Equal(0, await second.ExitAsync());
            await second.RequireNothingLeftAsync();
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task A_daemon_killed_in_the_middle_of_deployments_restarts_with_a_whole_version()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            await using (var first = await StintDaemon.StartAsync(new DaemonSetup { Root = root }))
            {
                await first.DeployPythonAsync("swapped", "def fn(input, headers): return 'v0'\n");
                var deploying = Task.Run(async () =>
                {
                    try
                    {
                        for (var version = 1; ; version++) await first.DeployPythonAsync("swapped", $"def fn(input, headers): return 'v{version}'\n");
                    }
                    catch (Exception failure) when (failure is Stint.Management.ManagementException or InvalidOperationException or HttpRequestException)
                    {
                        // It was killed.
                    }
                });
                await first.WaitForLogAsync("swapped serves version");
                await Retry.UntilAsync("a second version serves", async () => await first.CallAsync("swapped") != (200, "v0"));
                await first.KillAsync();
                await deploying;
            }
            await using var second = await StintDaemon.StartAsync(new DaemonSetup { Root = root });
            var (status, body) = await second.CallAsync("swapped");
            Assert.Equal(200, status);
            Assert.Matches("^v[1-9][0-9]*$", body);
            Assert.Equal(["swapped"], Directory.EnumerateFileSystemEntries(Path.Combine(second.Registry, "_")).Select(Path.GetFileName));
            Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(second.State, "staging")));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task Orphans_outside_of_sandboxes_do_not_stay_when_isolation_is_off()
    {
        await using var daemon = await StintDaemon.StartAsync("--isolation", "none");
        await daemon.DeployPythonAsync("plain", "import os\ndef fn(input, headers): return str(os.getuid())\n");
        Assert.Equal(200, (await daemon.CallAsync("plain")).Status);
        daemon.Signal(SigTerm);
        Assert.Equal(0, await daemon.ExitAsync());
        await daemon.RequireNothingLeftAsync();
    }

    /// <summary>Calls until the daemon is gone; what is neither an answer nor a clean refusal is a surprise.</summary>
    private static async Task HammerAsync(StintDaemon daemon, ConcurrentBag<string> surprises, CancellationToken enough, string name = "quick")
    {
        while (!enough.IsCancellationRequested)
        {
            try
            {
                var (status, body) = await daemon.CallAsync(name);
                if (status is not (200 or 503)) surprises.Add($"{status} {body}");
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
            }
        }
    }
}
