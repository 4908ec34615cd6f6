using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deliveries;

/// <summary>Callbacks, dead letters and what an operator sees of them.</summary>
public sealed class AsyncTests(CallbackDaemon shared) : IClassFixture<CallbackDaemon>
{
    private StintDaemon Daemon => shared.Daemon;

    [Fact]
    public async Task A_result_is_posted_to_the_callback_although_its_server_was_down_at_first()
    {
        await Daemon.DeployPythonAsync("shout", "def fn(input, headers):\n    if input == 'fail': raise ValueError('no voice')\n    return input.upper()\n");
        var port = FreePorts.Take();
        await AcceptAsync("async-function/shout", "hello", "cb-1", $"http://127.0.0.1:{port}/done?x=1");
        await AcceptAsync("async-function/shout", "fail", "cb-2", $"http://127.0.0.1:{port}/done?x=1");
        await Retry.UntilAsync("the first try has failed", async () => (await MetricAsync("stint_deliveries_total{kind=\"callback\",result=\"retried\"}")) > 0);
        Assert.Contains("waiting", (await Daemon.CliAsync("async", "ls", "--function", "shout")).Good(), StringComparison.Ordinal);

        await using var server = await Receiver.StartAsync(port);
        await Retry.UntilAsync("both results have come", () => server.Received.Count == 2);
        // They ran beside each other: either may have ended first.
        var (first, second) = (server.Received.Single(static call => call.Headers["X-Call-Id"] == "cb-1"), server.Received.Single(static call => call.Headers["X-Call-Id"] == "cb-2"));
        Assert.Equal(("POST /done?x=1", "shout", "200", "HELLO"), (first.Target, first.Headers["X-Function-Name"], first.Headers["X-Function-Status"], first.Body));
        Assert.Matches(@"^\d+\.\d{6}$", first.Headers["X-Duration-Seconds"]);
        Assert.StartsWith("text/plain", first.Headers["Content-Type"], StringComparison.Ordinal);
        Assert.Equal("500", second.Headers["X-Function-Status"]);
        Assert.Contains("no voice", second.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_callback_that_leads_where_it_must_not_is_refused_at_once()
    {
        await Daemon.DeployPythonAsync("quiet", "def fn(input, headers): return ''\n");
        using var request = Request("async-function/quiet", "x", "cb-3", "http://169.254.169.254/latest/meta-data");
        using var answer = await Daemon.Management.SendAsync(request);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("--callback-allow", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_that_failed_is_a_dead_letter_to_be_seen_tried_again_and_dropped()
    {
        await Daemon.DeployPythonAsync("moody", "def fn(input, headers): raise ValueError('bad mood')\n", top: "[async]\nretries = 1\nbackoff = 0.05\n");
        await AcceptAsync("async-function/moody/way?q=1", "precious", "dl-1");
        await AcceptAsync("async-function/moody", "worthless", "dl-2");
        await Retry.UntilAsync("both are dead letters", async () => (await DeadAsync("moody")).Count == 2);
        var dead = (await DeadAsync("moody")).First(static entry => entry.GetProperty("id").GetString() == "dl-1");
        Assert.Equal(("call", "dead", 2, 500), (dead.GetProperty("kind").GetString(), dead.GetProperty("state").GetString(), dead.GetProperty("attempts").GetInt32(), dead.GetProperty("status").GetInt32()));
        Assert.Contains("bad mood", dead.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Contains("dl-2", (await Daemon.CliAsync("async", "ls", "--dead")).Good(), StringComparison.Ordinal);
        var shown = (await Daemon.CliAsync("async", "show", "dl-1")).Good();
        Assert.Contains("precious", shown, StringComparison.Ordinal);
        Assert.Contains("POST /way?q=1", shown, StringComparison.Ordinal);
        Assert.Equal(2, await MetricAsync("stint_async_dead{function=\"moody\"}"));
        Assert.Contains("stint async show dl-1", await Daemon.LogsAsync("moody"), StringComparison.Ordinal);

        await Daemon.DeployPythonAsync("moody", "def fn(input, headers): print('done with ' + input)\n");
        Assert.Contains("dropped 1 entry", (await Daemon.CliAsync("async", "drop", "dl-2")).Good(), StringComparison.Ordinal);
        Assert.Contains("1 entry", (await Daemon.CliAsync("async", "retry", "--dead", "--function", "moody")).Good(), StringComparison.Ordinal);
        await Retry.UntilAsync("it ran", async () => (await Daemon.LogsAsync("moody")).Contains("done with precious", StringComparison.Ordinal));
        await Retry.UntilAsync("nothing is dead", async () => (await DeadAsync("moody")).Count == 0);
        Assert.DoesNotContain("done with worthless", await Daemon.LogsAsync("moody"), StringComparison.Ordinal);

        var missing = await Daemon.CliAsync("async", "retry", "dl-2");
        Assert.Equal(1, missing.Code);
        Assert.Contains("stint async ls", missing.Error, StringComparison.Ordinal);
        Assert.NotEqual(0, (await Daemon.CliAsync("async", "drop")).Code);
    }

    [Fact]
    public async Task A_call_with_an_identity_that_is_known_is_accepted_and_not_run_again()
    {
        await Daemon.DeployPythonAsync("once", "def fn(input, headers): print('ran ' + headers['X-Call-Id'])\n");
        for (var i = 0; i < 3; i++) await AcceptAsync("async-function/once", "x", "same");
        await AcceptAsync("async-function/once", "x", "other");
        await Retry.UntilAsync("both ran", async () => await MetricAsync("stint_async_completed_total{function=\"once\"}") == 2);
        Assert.Equal(2, await MetricAsync("stint_async_accepted_total{function=\"once\"}"));
        Assert.Equal(2, await MetricAsync("gateway_function_invocation_started{function_name=\"once.openfaas-fn\"}"));
    }

    [Fact]
    public async Task A_removed_functions_calls_are_kept_as_dead_letters()
    {
        await Daemon.DeployPythonAsync("leaving", "import time\ndef fn(input, headers):\n    time.sleep(1000)\n", top: "timeout = 1000\nmax-instances = 1\n[async]\nconcurrency = 1\n");
        await AcceptAsync("async-function/leaving", "runs", "lv-1");
        await AcceptAsync("async-function/leaving", "waits", "lv-2");
        (await Daemon.CliAsync("rm", "leaving")).Good();
        await Retry.UntilAsync("the one that waits is a dead letter", async () => (await DeadAsync("leaving")).Any(static entry => entry.GetProperty("id").GetString() == "lv-2"));
        Assert.Contains("removed", (await DeadAsync("leaving")).First(static entry => entry.GetProperty("id").GetString() == "lv-2").GetProperty("reason").GetString(), StringComparison.Ordinal);
    }

    private async Task AcceptAsync(string target, string body, string id, string? callback = null)
    {
        using var request = Request(target, body, id, callback);
        using var answer = await Daemon.Management.SendAsync(request);
        Assert.True(answer.StatusCode == HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync());
        Assert.Equal(id, answer.Headers.GetValues("X-Call-Id").Single());
    }

    private static HttpRequestMessage Request(string target, string body, string id, string? callback)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = new StringContent(body), Headers = { { "X-Call-Id", id } } };
        if (callback is not null) request.Headers.Add("X-Callback-Url", callback);
        return request;
    }

    private async Task<List<JsonElement>> DeadAsync(string function) =>
        [.. JsonDocument.Parse((await Daemon.CliAsync("async", "ls", "--dead", "--json", "--function", function)).Good()).RootElement.GetProperty("entries").EnumerateArray()];

    /// <summary>A sample of the metrics; 0 when it is not there.</summary>
    private async Task<double> MetricAsync(string name)
    {
        var line = (await Daemon.Management.GetStringAsync("metrics")).Split('\n').FirstOrDefault(line => line.StartsWith(name + " ", StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line[(name.Length + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    private sealed class Receiver(WebApplication app) : IAsyncDisposable
    {
        public ConcurrentQueue<(string Target, Dictionary<string, string> Headers, string Body)> Received { get; } = new();

        public static async Task<Receiver> StartAsync(int port)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
            var app = builder.Build();
            var receiver = new Receiver(app);
            app.Run(async context =>
            {
                using var reader = new StreamReader(context.Request.Body);
                receiver.Received.Enqueue(($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}",
                    context.Request.Headers.ToDictionary(static header => header.Key, static header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase), await reader.ReadToEndAsync()));
            });
            await app.StartAsync();
            return receiver;
        }

        public async ValueTask DisposeAsync() => await app.DisposeAsync();
    }
}

/// <summary>A daemon whose callbacks may lead to this host.</summary>
public sealed class CallbackDaemon : IAsyncLifetime
{
    public StintDaemon Daemon { get; private set; } = null!;

    public async Task InitializeAsync() => Daemon = await StintDaemon.StartAsync("--callback-allow", "127.0.0.0/8");

    public async Task DisposeAsync() => await Daemon.DisposeAsync();
}
