// A real Prometheus with the files of examples/observability against a real daemon: only the addresses and the intervals are the test's.
using System.Text.Json;
using System.Text.RegularExpressions;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Observability;

/// <summary>What the examples name is there.</summary>
public sealed partial class PrometheusTests : SharedDaemon
{
    private static string Examples => Path.Combine(Programs.Repository, "examples/observability");

    /// <inheritdoc/>
    protected override async Task PrepareAsync()
    {
        await Daemon.DeployPythonAsync("hello", "def fn(input, headers):\n    if input == 'fail': raise ValueError('on purpose')\n    return 'hello'");
        await Daemon.DeployPythonAsync("quiet", "def fn(input, headers): return 'quiet'");
        for (var i = 0; i < 20; i++) await Daemon.CallAsync("hello", i % 5 == 0 ? "fail" : "");
    }

    [Fact]
    public async Task Promtool_accepts_the_files_and_the_metrics()
    {
        Accepted(await Programs.RunAsync(["promtool", "check", "config", "prometheus.yml"], Examples));
        Accepted(await Programs.RunAsync(["promtool", "check", "rules", "--lint-fatal", "stint.rules.yml"], Examples));
        Accepted(await Programs.RunAsync(["promtool", "check", "metrics"], Examples, await Daemon.Management.GetStringAsync("metrics")));

        static void Accepted(Finished check) => Assert.True(check is { Code: 0, Error: "" }, check.Out + check.Error);
    }

    [Fact]
    public async Task Every_series_of_the_rules_and_of_the_dashboard_exists_and_every_expression_is_answered()
    {
        var rules = await File.ReadAllTextAsync(Path.Combine(Examples, "stint.rules.yml"));
        var dashboard = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Examples, "grafana-dashboard.json"))).RootElement;
        var expressions = dashboard.GetProperty("panels").EnumerateArray().SelectMany(static panel => panel.GetProperty("targets").EnumerateArray()).Select(static target => target.GetProperty("expr").GetString()!).ToList();
        var named = Series().Matches(rules + string.Join('\n', expressions)).Select(static match => match.Value).Distinct().ToList();
        Assert.True(named.Count > 25, string.Join(' ', named));

        await using var prometheus = await StartAsync();
        List<string> missing = [];
        try
        {
            await Retry.UntilAsync("Prometheus has every series", async () =>
            {
                // Traffic goes on, so that rates have something to say.
                await Daemon.CallAsync("hello");
                await Daemon.CallAsync("hello", "fail");
                var known = (await prometheus.AskAsync("label/__name__/values")).EnumerateArray().Select(static name => name.GetString()!).ToHashSet();
                missing = [.. named.Where(name => !known.Contains(name))];
                return missing.Count == 0;
            });
        }
        catch (TimeoutException)
        {
            Assert.Fail($"Prometheus does not know {string.Join(", ", missing)}");
        }
        foreach (var expression in expressions)
        {
            var concrete = expression.Replace("$__rate_interval", "1m", StringComparison.Ordinal).Replace("$instance", ".*", StringComparison.Ordinal).Replace("$function", ".*", StringComparison.Ordinal);
            var result = (await prometheus.AskAsync($"query?query={Uri.EscapeDataString(concrete)}")).GetProperty("result");
            Assert.True(result.GetArrayLength() > 0, $"{concrete} has no result");
        }
        var health = (await prometheus.AskAsync("rules")).GetProperty("groups").EnumerateArray().SelectMany(static group => group.GetProperty("rules").EnumerateArray())
            .Where(static rule => rule.GetProperty("health").GetString() is not "ok").Select(static rule => rule.GetProperty("name").GetString());
        Assert.Empty(health);
    }

    private async Task<RunningPrometheus> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("stint-prometheus-").FullName;
        var config = (await File.ReadAllTextAsync(Path.Combine(Examples, "prometheus.yml"))).Replace("localhost:8080", $"localhost:{Daemon.ManagementPort}", StringComparison.Ordinal).Replace("15s", "1s", StringComparison.Ordinal);
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), config);
        File.Copy(Path.Combine(Examples, "stint.rules.yml"), Path.Combine(folder, "stint.rules.yml"));
        var prometheus = new RunningPrometheus(folder, FreePorts.Take());
        await Retry.UntilAsync("Prometheus is ready", prometheus.IsReadyAsync);
        return prometheus;
    }

    // Names of the daemon's families and of recorded series; in `function:…` the word before the first colon is part of the name.
    [GeneratedRegex(@"\b(function:)?(stint_|process_|dotnet_)[a-z0-9_]+(:[a-z0-9_]+)?\b(?!\.)")]
    private static partial Regex Series();
}
