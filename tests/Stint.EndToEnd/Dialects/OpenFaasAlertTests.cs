// The files of examples/observability, with a real Prometheus and a real Alertmanager of Debian: only addresses and intervals are the test's.
using System.Diagnostics;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>Scaling as the early gateway did it: metrics, a rule, an alert, more instances; and back.</summary>
public sealed class OpenFaasAlertTests : IAsyncLifetime
{
    private static string Examples => Path.Combine(Programs.Repository, "examples/observability");

    private readonly string _folder = Directory.CreateTempSubdirectory("stint-alert-").FullName;
    private readonly List<Process> _processes = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var process in _processes)
        {
            if (!process.HasExited) process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_busy_function_gets_instances_by_an_alert_and_loses_them_when_it_is_resolved()
    {
        await using var daemon = await StintDaemon.StartAsync();
        await daemon.DeployPythonAsync("busy", "def fn(input): return 'x'", top: "min-instances = 1\nmax-instances = 5\nconcurrent-requests = 16");
        var (prometheus, alertmanager) = (FreePorts.Take(), FreePorts.Take());
        await WriteAsync("alertmanager.yml", ("localhost:8080", $"localhost:{daemon.ManagementPort}"), ("group_wait: 5s", "group_wait: 1s"), ("group_interval: 10s", "group_interval: 1s"), ("repeat_interval: 30s", "repeat_interval: 1s"));
        await WriteAsync("openfaas.rules.yml", ("for: 5s", "for: 1s"));
        await WriteAsync("prometheus.yml", ("15s", "1s"), ("stint.rules.yml", "openfaas.rules.yml"), ("localhost:8080", $"localhost:{daemon.ManagementPort}"),
            ("rule_files:", $"alerting: {{ alertmanagers: [ {{ static_configs: [ {{ targets: [\"localhost:{alertmanager}\"] }} ] }} ] }}\nrule_files:"));
        var check = await Programs.RunAsync(["promtool", "check", "rules", "--lint-fatal", "openfaas.rules.yml"], Examples);
        Assert.True(check is { Code: 0, Error: "" }, check.Out + check.Error);
        Start("prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=alerts", $"--web.listen-address=localhost:{alertmanager}", "--cluster.listen-address=");
        Start("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", $"--web.listen-address=localhost:{prometheus}", "--log.level=error");

        using var client = new FaasClient(daemon.ManagementPort);
        await EventuallyAsync("the alert has made five of one", async () =>
        {
            for (var i = 0; i < 20; i++) Assert.Equal(200, (await client.SendAsync("POST", "function/busy", "")).Status);
            return (await client.ReplicasAsync("busy")).Available == 5;
        });
        await EventuallyAsync("the end of the alert has made one of five", async () => await client.ReplicasAsync("busy") == (1, 1));
    }

    // Scrape, rule, alert and webhook each have an interval, and the machine may be busy.
    private static async Task EventuallyAsync(string what, Func<Task<bool>> condition)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await Retry.UntilAsync(what, condition);
                return;
            }
            catch (TimeoutException) when (attempt < 4)
            {
                // once more
            }
        }
    }

    private async Task WriteAsync(string name, params (string From, string To)[] changes)
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Examples, name));
        foreach (var (from, to) in changes)
        {
            Assert.Contains(from, text, StringComparison.Ordinal);
            text = text.Replace(from, to, StringComparison.Ordinal);
        }
        await File.WriteAllTextAsync(Path.Combine(_folder, name), text);
    }

    private void Start(params string[] command)
    {
        var process = Process.Start(Programs.Prepare(command, _folder))!;
        _processes.Add(process);
        process.OutputDataReceived += static (_, _) => { };
        process.ErrorDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }
}
