using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Dialects;

/// <summary>Who may do what when basic auth is on, and the metrics at their own port.</summary>
public sealed class OpenFaasAccessTests
{
    private static readonly string[] Guarded = ["system/functions", "system/function/hello", "system/info", "system/namespaces", "system/secrets", "system/logs?name=hello", "system/telemetry", "ui/", "metrics", "list", "stint/v1/functions"];

    [Fact]
    public async Task Everything_but_calls_and_health_wants_the_credentials()
    {
        var port = FreePorts.Take();
        await using var daemon = await StintDaemon.StartAsync(new DaemonSetup
        {
            Flags = ["--openfaas-metrics-port", $"{port}"],
            Environment = new Dictionary<string, string> { ["basic_auth"] = "true", ["secret_mount_path"] = "secrets" },
            Before = static daemon => FunctionFiles.Write(daemon.Root,
                ("secrets/basic-auth-user", "admin"), ("secrets/basic-auth-password", "open sesame\n"),
                ("functions/hello/function.toml", "[process]\nruntime = \"python3\"\n"), ("functions/hello/code/fn.py", "def fn(input): return 'hello'\n")),
        });
        using var stranger = new FaasClient(daemon.ManagementPort);
        using var wrong = new FaasClient(daemon.ManagementPort, "admin:open");
        using var admin = new FaasClient(daemon.ManagementPort, "admin:open sesame");
        using var holder = new FaasClient(daemon.ManagementPort, $"admin:{(await File.ReadAllTextAsync(Path.Combine(daemon.State, "token"))).Trim()}");
        foreach (var path in Guarded)
        {
            Assert.Equal((401, 401, 200, 200), ((await stranger.SendAsync("GET", path)).Status, (await wrong.SendAsync("GET", path)).Status, (await admin.SendAsync("GET", path)).Status, (await holder.SendAsync("GET", path)).Status));
        }
        foreach (var (method, path) in new[] { ("POST", "system/functions"), ("PUT", "system/functions"), ("DELETE", "system/functions"), ("POST", "system/alert"), ("POST", "system/scale-function/hello"), ("POST", "system/secrets"), ("DELETE", "system/namespace/x"), ("POST", "wipe") })
            Assert.Equal(401, (await stranger.SendAsync(method, path, "{}")).Status);
        using var challenge = await stranger.Http.GetAsync("system/functions");
        Assert.Contains("Basic", challenge.Headers.WwwAuthenticate.Select(static header => header.Scheme));

        // Calls want none, wherever they come in, and lead nowhere else.
        Assert.Equal((200, "hello"), await stranger.SendAsync("POST", "function/hello", ""));
        Assert.Equal(202, (await stranger.SendAsync("POST", "async-function/hello", "")).Status);
        Assert.Equal(400, (await stranger.SendAsync("POST", "", "x")).Status);
        Assert.Equal((200, 200), ((await stranger.SendAsync("GET", "healthz")).Status, (await stranger.SendAsync("GET", "readyz")).Status));
        Assert.Equal(401, (await stranger.SendAsync("GET", "function/../system/functions")).Status);
        Assert.Equal(77, (await daemon.CliAsync("ls")).Code);
        Assert.Equal(0, (await daemon.CliAsync("ls", "--token-file", Path.Combine(daemon.State, "token"))).Code);

        using var metrics = new FaasClient(port, "admin:open sesame");
        using var curious = new FaasClient(port);
        Assert.Equal((401, 404), ((await curious.SendAsync("GET", "metrics")).Status, (await curious.SendAsync("GET", "system/functions")).Status));
        // The call above and the asynchronous one, once that has been run.
        var theirs = "";
        await Retry.UntilAsync("both calls are counted", async () =>
            (theirs = (await metrics.SendAsync("GET", "metrics")).Body).Contains("gateway_function_invocation_total{function_name=\"hello.openfaas-fn\",code=\"200\"} 2\n", StringComparison.Ordinal));
        Assert.Contains("\nprocess_resident_memory_bytes ", theirs, StringComparison.Ordinal);
        Assert.DoesNotContain("stint_", theirs, StringComparison.Ordinal);
        var ours = (await admin.SendAsync("GET", "metrics")).Body;
        foreach (var text in new[] { theirs, ours })
        {
            Assert.Contains("gateway_functions_seconds_bucket{function_name=\"hello.openfaas-fn\",code=\"200\",le=\"", text, StringComparison.Ordinal);
            var check = await Programs.RunAsync(["promtool", "check", "metrics"], daemon.Root, text);
            Assert.True(check is { Code: 0, Error: "" }, check.Out + check.Error);
        }
    }

    [Fact]
    public async Task Without_the_files_the_daemon_does_not_start_and_says_what_to_do()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(() => StintDaemon.StartAsync("--basic-auth", "--secret-mount-path", "/nowhere"));
        Assert.Contains("/nowhere/basic-auth-user", failure.Message, StringComparison.Ordinal);
    }
}
