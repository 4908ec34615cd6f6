using System.Collections.Concurrent;
using System.Globalization;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.LifeCycle;

/// <summary>New versions of a function that is being called all the time.</summary>
public sealed class UpdateTests
{
    private const int Deployments = 200;
    private const int Callers = 2;

    [Fact]
    public async Task Two_hundred_deployments_under_constant_calls_lose_no_call_and_mix_no_versions()
    {
        await using var daemon = await StintDaemon.StartAsync();
        await DeployAsync(daemon, 0);

        using var enough = new CancellationTokenSource();
        var answers = new ConcurrentBag<string>();
        var callers = Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            var newest = 0;
            while (!enough.IsCancellationRequested)
            {
                var (status, body) = await daemon.CallAsync("f");
                Assert.True(status == 200, $"{status}: {body}");
                answers.Add(body);
                // A caller that has had an answer of a version never gets one of an earlier version.
                var version = int.Parse(body.Split(' ')[1], CultureInfo.InvariantCulture);
                Assert.InRange(version, newest, Deployments);
                newest = version;
            }
        })).ToArray();
        for (var number = 1; number <= Deployments; number++)
        {
            await DeployAsync(daemon, number);
            var (status, body) = await daemon.CallAsync("f");
            Assert.True(status == 200 && body.EndsWith($" {number}", StringComparison.Ordinal), $"after deployment {number}: {status}: {body}");
        }
        await enough.CancelAsync();
        await Task.WhenAll(callers);

        Assert.True(answers.Count > Deployments, $"{answers.Count} calls during {Deployments} deployments");
        // Each process answered for one version only.
        Assert.All(answers.Distinct().GroupBy(static answer => answer.Split(' ')[0]), static process => Assert.Single(process));
    }

    [Fact]
    public async Task A_deployment_that_is_overtaken_while_it_boots_has_not_failed()
    {
        await using var daemon = await StintDaemon.StartAsync();
        Task DeployAsync(string code) => daemon.DeployPythonAsync("f", code, top: "min-instances = 1");
        await DeployAsync("def fn(input, headers): return 'first'");
        var slow = DeployAsync("import time\ntime.sleep(2)\ndef fn(input, headers): return 'second'");
        await Retry.UntilAsync("the second one is stored, and its instances start", () => File.ReadAllText(Path.Combine(daemon.Registry, "_", "f", "code", "fn.py")).Contains("second", StringComparison.Ordinal));
        await DeployAsync("def fn(input, headers): return 'third'");
        await slow;
        Assert.Equal((200, "third"), await daemon.CallAsync("f"));
    }

    // The process is told from others by what it drew when it read its code.
    private static Task DeployAsync(StintDaemon daemon, int number) =>
        daemon.DeployPythonAsync("f", $"import os\nme = os.urandom(8).hex()\ndef fn(input, headers): return f'{{me}} {number}'", top: $"max-instances = 2\n# {number}");
}
