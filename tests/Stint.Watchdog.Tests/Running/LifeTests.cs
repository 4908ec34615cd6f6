using System.Net;

namespace Stint.Watchdog.Tests.Running;

public sealed class LifeTests
{
    [Fact]
    public async Task Health_follows_the_lock_file()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        Assert.Equal("OK", await watchdog.Client.GetStringAsync("/_/health"));
        Assert.Equal(HttpStatusCode.OK, (await watchdog.Client.GetAsync("/_/ready")).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await watchdog.Client.PostAsync("/_/health", null)).StatusCode);
        File.Delete(Path.Combine(watchdog.Folder, ".lock"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await watchdog.Client.GetAsync("/_/health")).StatusCode);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await watchdog.Client.GetAsync("/_/ready")).StatusCode);
    }

    [Fact]
    public async Task Without_a_lock_file_health_does_not_ask_for_it()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("suppress_lock", "true"));
        Assert.False(File.Exists(Path.Combine(watchdog.Folder, ".lock")));
        Assert.Equal("OK", await watchdog.Client.GetStringAsync("/_/health"));
    }

    [Fact]
    public async Task SIGTERM_is_unhealthy_then_drains_then_ends()
    {
        var folder = RunningWatchdog.NewFolder();
        await using var watchdog = await RunningWatchdog.StartAsync(folder, ("fprocess", RunningWatchdog.Script(folder, "while [ ! -e go ]; do sleep 0.05; done; echo done")), ("healthcheck_interval", "2s"), ("write_timeout", "60"));
        var call = watchdog.Client.GetAsync("/");
        await RunningWatchdog.UntilAsync("the call runs", () => watchdog.Children() > 0);
        watchdog.Signal("TERM");
        await RunningWatchdog.UntilAsync("the lock file is gone", () => !File.Exists(Path.Combine(folder, ".lock")));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await watchdog.Client.GetAsync("/_/health")).StatusCode);
        await RunningWatchdog.UntilAsync("it drains", () => watchdog.Log.Contains("No new connections allowed, draining: 1 requests", StringComparison.Ordinal));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => watchdog.Client.GetAsync("/_/health"));
        File.WriteAllText(Path.Combine(folder, "go"), "");
        Assert.Equal("done\n", await (await call).Content.ReadAsStringAsync());
        Assert.Equal(0, await watchdog.ExitAsync());
    }

    [Fact]
    public async Task Calls_that_do_not_end_in_time_are_killed_when_stopping()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "sleep 600"), ("write_timeout", "1s"), ("healthcheck_interval", "0"));
        var call = watchdog.Client.GetAsync("/");
        await RunningWatchdog.UntilAsync("the call runs", () => watchdog.Children() > 0);
        watchdog.Signal("TERM");
        Assert.Equal(0, await watchdog.ExitAsync());
        Assert.Equal(0, watchdog.Children());
        Assert.True((await call).StatusCode is HttpStatusCode.GatewayTimeout or HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task Calls_are_counted_under_the_names_that_dashboards_know()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        await watchdog.Client.PostAsync("/", new StringContent("x"));
        await watchdog.Client.GetAsync("/_/health");
        using var odd = new HttpRequestMessage(new HttpMethod("MADEUP"), "/");
        await watchdog.Client.SendAsync(odd);
        var page = "";
        await RunningWatchdog.UntilAsync("both are counted", () => (page = watchdog.Client.GetStringAsync($"http://127.0.0.1:{watchdog.MetricsPort}/metrics").GetAwaiter().GetResult()).Contains("unknown", StringComparison.Ordinal));
        Assert.Contains("\nhttp_requests_total{code=\"200\",method=\"post\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("\nhttp_requests_total{code=\"200\",method=\"unknown\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("\nhttp_request_duration_seconds_count{code=\"200\",method=\"post\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("le=\"+Inf\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("\nhttp_requests_in_flight 0\n", page, StringComparison.Ordinal);
        Assert.Contains("\nprocess_resident_memory_bytes ", page, StringComparison.Ordinal);
        Assert.DoesNotContain("method=\"get\"", page, StringComparison.Ordinal); // health checks are not calls
        Assert.Equal("OK\n", await watchdog.Client.GetStringAsync($"http://127.0.0.1:{watchdog.MetricsPort}/healthz"));
    }

    [Fact]
    public async Task Each_call_is_a_line_in_the_log_and_cannot_forge_one()
    {
        await using var watchdog = await RunningWatchdog.StartAsync(("fprocess", "cat"), ("log_call_id", "true"));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/a") { Content = new StringContent("12345") };
        request.Headers.Add("X-Call-Id", "id-1");
        await watchdog.Client.SendAsync(request);
        await RunningWatchdog.UntilAsync("it is logged", () => watchdog.Log.Contains("POST /a - 200 - ContentLength: 5B (0.", StringComparison.Ordinal) && watchdog.Log.Contains("s) [id-1]\n", StringComparison.Ordinal));
        using var quiet = new HttpRequestMessage(HttpMethod.Get, "/quiet");
        quiet.Headers.UserAgent.ParseAdd("kube-probe/1.30");
        await watchdog.Client.SendAsync(quiet);
        await watchdog.Client.GetAsync("/loud");
        await RunningWatchdog.UntilAsync("the last is logged", () => watchdog.Log.Contains("GET /loud", StringComparison.Ordinal));
        Assert.DoesNotContain("/quiet", watchdog.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bad_configuration_ends_with_78_and_says_why()
    {
        var (code, log) = await RunningWatchdog.RunAsync([("mode", "http"), ("fprocess", "cat")]);
        Assert.Equal(78, code);
        Assert.Contains("mode=http needs upstream_url", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_taken_ends_with_1_and_is_named()
    {
        await using var first = await RunningWatchdog.StartAsync(("fprocess", "cat"));
        var (code, log) = await RunningWatchdog.RunAsync([("fprocess", "cat"), ("port", first.Port.ToString(System.Globalization.CultureInfo.InvariantCulture))]);
        Assert.Equal(1, code);
        Assert.Contains($"port {first.Port} cannot be listened on", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_line_is_the_watchdogs()
    {
        Assert.Equal(0, (await RunningWatchdog.RunAsync([], "-version")).ExitCode);
        Assert.Equal(2, (await RunningWatchdog.RunAsync([], "--nonsense")).ExitCode);
        var (code, log) = await RunningWatchdog.RunAsync([], "-run-healthcheck");
        Assert.Equal(1, code);
        Assert.Contains("unable to find lock file", log, StringComparison.Ordinal);
    }
}
