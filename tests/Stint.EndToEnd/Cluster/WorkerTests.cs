using System.Text.Json;
using Stint.EndToEnd.Dialects;
using Stint.EndToEnd.Fixtures;
using Stint.EndToEnd.Wasm;

namespace Stint.EndToEnd.Cluster;

/// <summary>Calls that gateways send to workers: real processes on the loopback. Gateways run nothing themselves unless the test says so.</summary>
[Collection(TestPostgres.Collection)]
public sealed class WorkerTests(TestPostgres postgres)
{
    private const int SigCont = 18, SigStop = 19;

    private const string Echo = "def fn(input): return input";

    [Fact]
    public async Task Calls_run_on_the_worker_with_all_that_belongs_to_them()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        var worker = await cluster.StartWorkerAsync("w1", gateway, "--label", "zone=a");
        await gateway.DeployAsync("whole", "[process]\nruntime = \"python3\"\n", ("fn.py", """
            def fn(input, headers):
                return repr(sorted((k, v) for k, v in headers.items() if k.startswith('X-'))) + ' ' + (input if isinstance(input, str) else input.decode())
            """));
        using var request = new HttpRequestMessage(HttpMethod.Put, "whole") { Content = new StringContent("grüße") };
        request.Headers.TryAddWithoutValidation("x-one", "1");
        request.Headers.Add("X-Call-Id", "mine-1");
        using var answer = await gateway.Http.SendAsync(request);
        Assert.Equal(200, (int)answer.StatusCode);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Contains("('X-One', '1')", text, StringComparison.Ordinal);
        Assert.EndsWith("grüße", text, StringComparison.Ordinal);
        Assert.Contains("('X-Call-Id', 'mine-1')", text, StringComparison.Ordinal);
        // It ran there, and nothing ran here.
        Assert.Equal(1, await InstancesAsync(worker, "whole"));
        Assert.Equal(0, await InstancesAsync(gateway, "whole"));
        JsonElement? entry = null;
        await Retry.UntilAsync("it is listed", async () => (entry = (await cluster.NodesAsync()).Cast<JsonElement?>().SingleOrDefault(static node => node!.Value.GetProperty("name").GetString() == "w1")) is not null);
        var node = entry!.Value;
        Assert.Equal(("worker", true, "a"), (node.GetProperty("role").GetString(), node.GetProperty("isAlive").GetBoolean(), node.GetProperty("labels").GetProperty("zone").GetString()));
        var metrics = await gateway.Management.GetStringAsync("metrics");
        Assert.Contains("stint_node_up{node=\"w1\"} 1", metrics, StringComparison.Ordinal);
        Assert.Contains("worker w1 alive", (await gateway.CliAsync("top", "--once")).Good(), StringComparison.Ordinal);
        // A worker is nobody's to deploy to.
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => worker.DeployPythonAsync("other", Echo));
        Assert.Contains("deploy and change things at a gateway", refused.Message, StringComparison.Ordinal);
        // Errors of the function, and of the platform, are what they would be here.
        await gateway.DeployPythonAsync("bad", "def fn(input): raise ValueError('no such thing')");
        var failed = await gateway.CallAsync("bad");
        Assert.Equal(500, failed.Status);
        Assert.Contains("no such thing", failed.Body, StringComparison.Ordinal);
        Assert.Equal(404, (await gateway.CallAsync("nothing")).Status);
        // They ran there: the worker counts them as its own, the gateway as answered; summed up over machines, neither is counted twice.
        using (var faas = await gateway.Management.PostAsync("function/bad", null)) Assert.Equal(500, (int)faas.StatusCode);
        metrics = await gateway.Management.GetStringAsync("metrics");
        foreach (var wanted in (string[])
        [
            """stint_cluster_requests_total{function="bad",code="500"} 2""", """stint_cluster_request_duration_seconds_count{function="bad"} 2""", """stint_cluster_tries_total{function="bad",fate="ended"} 2""",
            """stint_node_tries_total{node="w1",fate="ended"} 3""", """gateway_function_invocation_total{function_name="bad.openfaas-fn",code="500"} 1""",
        ])
            Assert.Contains(wanted, metrics, StringComparison.Ordinal);
        Assert.DoesNotContain("stint_requests_total{", metrics, StringComparison.Ordinal);
        var check = await Programs.RunAsync(["promtool", "check", "metrics"], "/", metrics);
        Assert.True(check.Code == 0 && check.Error.Length == 0 && check.Out.Length == 0, check.Out + check.Error);
        Assert.Contains("""stint_requests_total{function="bad",code="500"} 2""", await worker.Management.GetStringAsync("metrics"), StringComparison.Ordinal);
        var listed = JsonDocument.Parse(await gateway.Management.GetStringAsync("system/functions")).RootElement.EnumerateArray().Single(static function => function.GetProperty("name").GetString() == "bad");
        Assert.Equal(2, listed.GetProperty("invocationCount").GetInt64());
        Assert.Equal((2, 2), (await CountAsync("requests"), await CountAsync("errors")));

        async Task<long> CountAsync(string name) => (await gateway.DescribeAsync("bad")).GetProperty(name).GetInt64();
    }

    [Fact]
    public async Task Bodies_are_streamed_both_ways()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("echo", Echo);
        var large = new byte[5_000_000];
        Random.Shared.NextBytes(large);
        for (var i = 0; i < large.Length; i++) large[i] = (byte)('a' + large[i] % 26);
        using (var answer = await gateway.Http.PostAsync("echo", new ByteArrayContent(large)))
        {
            Assert.Equal(200, (int)answer.StatusCode);
            Assert.True((await answer.Content.ReadAsByteArrayAsync()).SequenceEqual(large));
        }
        // Without a length, in pieces.
        using (var content = new StreamContent(new PieceStream(large)))
        {
            using var answer = await gateway.Http.PostAsync("echo", content);
            Assert.True((await answer.Content.ReadAsByteArrayAsync()).SequenceEqual(large));
        }
        // An answer that goes on arrives while it is made.
        await gateway.DeployPythonAsync("slow", """
            import time
            def fn(input):
                yield 'first\n'
                while True:
                    time.sleep(0.05)
                    yield 'more\n'
            """, top: "timeout = 60");
        using var request = new HttpRequestMessage(HttpMethod.Get, "slow");
        using (var answer = await gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync());
            Assert.Equal("first", await reader.ReadLineAsync());
            Assert.Equal("more", await reader.ReadLineAsync());
        }
        // The caller has left: so has the call.
        await Retry.UntilAsync("the worker's call has ended", async () => !(await gateway.Management.GetStringAsync("metrics")).Contains("stint_node_in_flight{node=\"w1\"} 1", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_refused_as_it_is_here()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false", "--max-body", "1");
        await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("echo", Echo);
        using var answer = await gateway.Http.PostAsync("echo", new StreamContent(new PieceStream(new byte[3_000_000])));
        Assert.Equal(413, (int)answer.StatusCode);
        Assert.Equal((200, "still"), await gateway.CallAsync("echo", "still"));
    }

    [Fact]
    public async Task WebAssembly_and_secrets_go_to_workers_and_a_new_value_reaches_them()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        var worker = await cluster.StartWorkerAsync("w1", gateway);
        using var client = new FaasClient(gateway.ManagementPort);
        Assert.Equal(201, (await client.SendAsync("POST", "system/secrets", """{"name":"api-key","value":"sesame"}""")).Status);
        await gateway.DeployPythonAsync("reader", "def fn(input): return open('/var/openfaas/secrets/api-key').read()", top: "secrets = [\"api-key\"]");
        Assert.Equal((200, "sesame"), await gateway.CallAsync("reader"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(worker.State, "cache", "secrets", "_", "api-key")));
        Assert.Equal(202, (await client.SendAsync("PUT", "system/secrets", """{"name":"api-key","value":"open"}""")).Status);
        await Retry.UntilAsync("the worker has the new value", async () => await gateway.CallAsync("reader") is (200, "open"));
        Assert.Equal(0, (await Programs.RunAsync(["sh", Path.Combine(Programs.Repository, "tests/Stint.EndToEnd/Wasm/install-tools.sh")], "/")).Code);
        var path = Path.Combine(gateway.Temporary, "echo.wasm");
        await File.WriteAllBytesAsync(path, await WasmDaemon.WatAsync(WasmDaemon.Echo));
        (await gateway.CliAsync("deploy", path)).Good();
        File.Delete(path);
        Assert.Equal("[1]", (await gateway.CallAsync("echo", "[1]")).Body);
        // What is removed leaves the workers, with its secrets.
        (await gateway.CliAsync("rm", "reader")).Good();
        await Retry.UntilAsync("the worker has let it go", () => !Directory.Exists(Path.Combine(worker.State, "cache", "functions", "_", "reader")) && !File.Exists(Path.Combine(worker.State, "cache", "secrets", "_", "api-key")));
    }

    [Fact]
    public async Task A_deployment_serves_on_workers_at_once_with_or_without_its_being_brought_there_before()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false", "--store-on-create=false");
        var worker = await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("echo", "def fn(input): return 'first'");
        Assert.False(Directory.Exists(Path.Combine(worker.State, "cache", "functions", "_", "echo")));
        Assert.Equal((200, "first"), await gateway.CallAsync("echo"));
        for (var round = 0; round < 3; round++)
        {
            await gateway.DeployPythonAsync("echo", $"def fn(input): return 'round {round}'");
            Assert.Equal((200, $"round {round}"), await gateway.CallAsync("echo"));
        }
        var other = await cluster.StartGatewayAsync("g2", "--worker=false");
        await Retry.UntilAsync("the other gateway calls the worker", async () => await other.CallAsync("echo") is (200, "round 2"));
        await other.DeployPythonAsync("pushed", "def fn(input): return 'there'");
        Assert.True(Directory.Exists(Path.Combine(worker.State, "cache", "functions", "_", "pushed")));
        Assert.Equal((200, "there"), await other.CallAsync("pushed"));
    }

    [Fact]
    public async Task What_the_cache_has_no_room_for_goes_the_least_used_first_and_comes_again()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false", "--store-on-create=false");
        var worker = await cluster.StartWorkerAsync("w1", gateway, "--code-cache", "1");
        foreach (var name in (string[])["one", "two", "three"])
        {
            await gateway.DeployAsync(name, "[process]\nruntime = \"python3\"\n", ("fn.py", $"def fn(input): return '{name}'"), ("weight.txt", new string('x', 400_000)));
            Assert.Equal((200, name), await gateway.CallAsync(name));
        }
        var functions = Path.Combine(worker.State, "cache", "functions", "_");
        Assert.Equal(["three", "two"], Directory.EnumerateDirectories(functions).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal((200, "one"), await gateway.CallAsync("one"));
        Assert.Equal(["one", "three"], Directory.EnumerateDirectories(functions).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        await worker.WaitForLogAsync("two left the cache to make room");
    }

    [Fact]
    public async Task A_full_worker_says_so_and_the_next_one_takes_the_call()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        await cluster.StartWorkerAsync("w1", gateway);
        await cluster.StartWorkerAsync("w2", gateway);
        await gateway.DeployPythonAsync("wait", """
            import os, time
            def fn(input):
                while not os.path.exists('/tmp/never') and time.sleep(0.02) is None:
                    if time.time() > float(input): return 'done'
            """, top: "min-instances = 1\nmax-instances = 1\nmax-queue = 1\nqueue-timeout = 60\ntimeout = 60");
        await WhenWarmAsync(cluster, "w1", "w2");
        // Each worker has one instance, and room for one that waits: of five calls four are taken, wherever they were sent first.
        var until = (TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(10)).ToUnixTimeSeconds();
        var calls = Enumerable.Range(0, 5).Select(_ => gateway.CallAsync("wait", $"{until}")).ToList();
        var answers = await Task.WhenAll(calls);
        Assert.Equal(4, answers.Count(static answer => answer == (200, "done")));
        Assert.Equal(429, answers.Single(static answer => answer.Status != 200).Status);
    }

    [Fact]
    public async Task A_deadline_and_a_caller_that_leaves_end_the_call_on_the_worker()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        var worker = await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("hang", "import time\ndef fn(input): time.sleep(600)", top: "timeout = 500");
        using var request = new HttpRequestMessage(HttpMethod.Post, "hang");
        request.Headers.Add("X-Timeout", "1");
        using (var answer = await gateway.Http.SendAsync(request))
        {
            Assert.Equal(504, (int)answer.StatusCode);
            Assert.Contains("caller's own limit", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        using var leaving = new CancellationTokenSource();
        var call = gateway.Http.PostAsync("hang", new StringContent(""), leaving.Token);
        await Retry.UntilAsync("the call runs", async () => (await cluster.NodesAsync()).Single(static node => node.GetProperty("name").GetString() == "w1").GetProperty("report").GetProperty("running").GetInt32() == 1);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await Retry.UntilAsync("nothing runs any more", async () => (await cluster.NodesAsync()).Single(static node => node.GetProperty("name").GetString() == "w1").GetProperty("report").GetProperty("running").GetInt32() == 0);
        _ = worker;
    }

    [Fact]
    public async Task Calls_of_a_worker_that_is_killed_are_run_again_if_that_does_no_harm_and_are_502_else()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        var doomed = await cluster.StartWorkerAsync("w1", gateway, cluster.Killable("w1") with { Flags = ["--instance-budget", "2"] });
        await cluster.StartWorkerAsync("w2", gateway);
        await gateway.DeployPythonAsync("quick", "def fn(input): return 'quick'", top: "queue-timeout = 600\nkeepalive = 0");
        await gateway.DeployPythonAsync("wait", "import time\ndef fn(input): time.sleep(float(input or 10)); return 'done'", top: "timeout = 600\nmax-instances = 2\nqueue-timeout = 600");
        // All calls go to the one that will die; the third one waits there.
        await cluster.DrainAsync("w2");
        await HasMetricAsync(gateway, "stint_node_draining{node=\"w2\"} 1");
        var harmless = gateway.Http.GetAsync("wait");
        var harmful = gateway.CallAsync("wait", "500");
        await HasMetricAsync(gateway, "stint_node_in_flight{node=\"w1\"} 2");
        await Retry.UntilAsync("both run", async () => (await cluster.NodesAsync()).Single(static node => node.GetProperty("name").GetString() == "w1").GetProperty("report").GetProperty("running").GetInt32() == 2);
        var waiting = gateway.CallAsync("wait", "0");
        await HasMetricAsync(gateway, "stint_node_in_flight{node=\"w1\"} 3");
        (await cluster.RunAsync("drain", "w2", "--undo")).Good();
        await HasMetricAsync(gateway, "stint_node_draining{node=\"w2\"} 0");
        // It has no room for another function's instance either: whoever may run elsewhere does not wait for it.
        for (var i = 0; i < 4; i++) Assert.Equal((200, "quick"), await gateway.CallAsync("quick"));
        await doomed.KillAsync();
        cluster.Forget(doomed);
        using (var answer = await harmless) Assert.Equal("done", await answer.Content.ReadAsStringAsync());
        // It had not begun.
        Assert.Equal((200, "done"), await waiting);
        var lost = await harmful;
        Assert.Equal(502, lost.Status);
        Assert.Contains("the worker w1 was lost", lost.Body, StringComparison.Ordinal);
        Assert.Contains("POST may do harm twice", lost.Body, StringComparison.Ordinal);
        // From now on everything goes to the other one, at once.
        for (var i = 0; i < 3; i++) Assert.Equal((200, "done"), await gateway.CallAsync("wait", "0"));
        await Retry.UntilAsync("the dead one is known to be", async () => !(await cluster.NodesAsync()).Single(static node => node.GetProperty("name").GetString() == "w1").GetProperty("isAlive").GetBoolean());
        await doomed.DisposeAsync();
        // It comes back, with another token or without.
        await cluster.StartWorkerAsync("w1", gateway, cluster.Killable("w1"));
        await HasMetricAsync(gateway, "stint_node_up{node=\"w1\"} 1");
    }

    [Fact]
    public async Task A_drained_worker_gets_no_calls_and_one_that_is_stopped_loses_none()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        var one = await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("echo", Echo);
        await cluster.DrainAsync("w1");
        await Retry.UntilAsync("the only worker takes no calls", async () => (await gateway.CallAsync("echo", "x")).Status == 503);
        Assert.Contains("draining", (await cluster.RunAsync("ls")).Good(), StringComparison.Ordinal);
        (await cluster.RunAsync("drain", "w1", "--undo")).Good();
        await Retry.UntilAsync("it takes calls again", async () => await gateway.CallAsync("echo", "x") is (200, "x"));

        // A rolling restart under load: not a single call is lost.
        var two = await cluster.StartWorkerAsync("w2", gateway);
        using var end = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var count = 0;
            while (!end.IsCancellationRequested)
            {
                var answer = await gateway.CallAsync("echo", "load");
                if (answer != (200, "load")) throw new Xunit.Sdk.XunitException($"after {count} calls: {answer}");
                count++;
            }
            return count;
        })).ToList();
        cluster.Forget(one);
        await one.DisposeAsync();
        var three = await cluster.StartWorkerAsync("w3", gateway);
        cluster.Forget(two);
        await two.DisposeAsync();
        Assert.Equal((200, "x"), await gateway.CallAsync("echo", "x"));
        await end.CancelAsync();
        foreach (var caller in callers) Assert.True(await caller > 0);
        // They have left, with their names.
        await Retry.UntilAsync("g1 and w3 are listed, and nobody else", async () => (await cluster.NodesAsync()).Select(static node => node.GetProperty("name").GetString()) is var names && names.SequenceEqual(["g1", "w3"]));
        _ = three;
    }

    [Fact]
    public async Task Without_PostgreSQL_warm_and_cold_calls_on_workers_go_on()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false", "--store-on-create=false");
        await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("warm", "def fn(input): return 'warm'");
        await gateway.DeployPythonAsync("cold", "def fn(input): return 'cold'");
        Assert.Equal((200, "warm"), await gateway.CallAsync("warm"));
        await postgres.StopAsync();
        try
        {
            Assert.Equal((200, "warm"), await gateway.CallAsync("warm"));
            // Its code has never been on the worker: it comes from the gateway's copy.
            Assert.Equal((200, "cold"), await gateway.CallAsync("cold"));
            // Long enough for its lease to have ended, if there were somebody to say so.
            await Task.Delay(TimeSpan.FromSeconds(7), TimeProvider.System);
            Assert.Equal((200, "warm"), await gateway.CallAsync("warm"));
        }
        finally
        {
            await postgres.StartAsync();
        }
        await Retry.UntilAsync("the worker is alive in the store again", async () => (await cluster.NodesAsync()).Single(static node => node.GetProperty("name").GetString() == "w1").GetProperty("isAlive").GetBoolean());
        Assert.Equal((200, "cold"), await gateway.CallAsync("cold"));
    }

    [Fact]
    public async Task A_gateway_that_is_a_worker_too_runs_what_it_can_and_sends_the_rest()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1");
        await cluster.StartWorkerAsync("w1", gateway);
        await gateway.DeployPythonAsync("wait", "import time\ndef fn(input): time.sleep(3); return 'done'", top: "min-instances = 1\nmax-instances = 1\nmax-queue = 1\nqueue-timeout = 60\ntimeout = 60");
        await WhenWarmAsync(cluster, "g1", "w1");
        var answers = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => gateway.CallAsync("wait")));
        Assert.All(answers, static answer => Assert.Equal((200, "done"), answer));
        Assert.Equal(1, await InstancesAsync(gateway, "wait"));
    }

    [Fact]
    public async Task A_worker_that_falls_silent_is_left_and_called_again_when_it_answers()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var gateway = await cluster.StartGatewayAsync("g1", "--worker=false");
        var silent = await cluster.StartWorkerAsync("w1", gateway);
        await cluster.StartWorkerAsync("w2", gateway);
        await gateway.DeployPythonAsync("echo", Echo);
        await gateway.DeployPythonAsync("once", Echo, top: "min-instances = 1");
        await cluster.DrainAsync("w2");
        await HasMetricAsync(gateway, "stint_node_draining{node=\"w2\"} 1");
        Assert.Equal((200, "x"), await gateway.CallAsync("echo", "x"));
        // A call that is sent to a free instance takes its body along: nobody can tell whether it has begun.
        await Retry.UntilAsync("the worker has said that an instance is free", async () =>
            (await cluster.NodesAsync()).Exists(static node => node.GetProperty("name").GetString() == "w1" && node.GetProperty("report").GetProperty("warm").TryGetProperty("once", out _)));
        silent.Signal(SigStop);
        try
        {
            var harmless = gateway.Http.GetAsync("echo");
            var harmful = gateway.CallAsync("once", "x");
            await HasMetricAsync(gateway, "stint_node_in_flight{node=\"w1\"} 2");
            (await cluster.RunAsync("drain", "w2", "--undo")).Good();
            // The connection is given up: what does no harm is done elsewhere. (By then w2 may or may not be called again; if not, there is nobody.)
            using (var answer = await harmless) Assert.Contains((int)answer.StatusCode, (int[])[200, 503]);
            Assert.Equal(502, (await harmful).Status);
            await Retry.UntilAsync("the other one is called", async () => await gateway.CallAsync("echo", "y") is (200, "y"));
            await HasMetricAsync(gateway, "stint_node_up{node=\"w1\"} 0");
        }
        finally
        {
            silent.Signal(SigCont);
        }
        await HasMetricAsync(gateway, "stint_node_up{node=\"w1\"} 1");
    }

    [Fact]
    public async Task A_worker_whose_gateway_dies_goes_on_with_the_next()
    {
        await using var cluster = await TestCluster.CreateAsync(postgres);
        var killable = cluster.Killable("g1") with { Flags = ["--worker=false"] };
        var one = await cluster.StartGatewayAsync("g1", killable);
        var two = await cluster.StartGatewayAsync("g2", "--worker=false");
        await one.DeployPythonAsync("echo", Echo);
        await cluster.StartWorkerAsync("w1", [one, two]);
        await Retry.UntilAsync("both gateways call it", async () => await one.CallAsync("echo", "x") is (200, "x") && await two.CallAsync("echo", "x") is (200, "x"));
        cluster.Forget(one);
        await one.KillAsync();
        await Retry.UntilAsync("it has reported since to the other one", async () =>
        {
            var nodes = await cluster.NodesAsync();
            return !nodes.Single(static node => node.GetProperty("name").GetString() == "g1").GetProperty("isAlive").GetBoolean() && nodes.Single(static node => node.GetProperty("name").GetString() == "w1").GetProperty("isAlive").GetBoolean();
        });
        Assert.Equal((200, "y"), await two.CallAsync("echo", "y"));
        // Code comes from that one, too.
        await two.DeployPythonAsync("new", "def fn(input): return 'new'");
        Assert.Equal((200, "new"), await two.CallAsync("new"));
        await one.DisposeAsync();
        var again = await cluster.StartGatewayAsync("g1", killable);
        await Retry.UntilAsync("it calls the worker, too", async () => await again.CallAsync("new") is (200, "new"));
    }

    private static async Task<int> InstancesAsync(StintDaemon daemon, string function) => (await daemon.DescribeAsync(function)).GetProperty("instances").EnumerateObject().Sum(static state => state.Value.GetInt32());

    private static Task HasMetricAsync(StintDaemon gateway, string sample) => Retry.UntilAsync(sample, async () => (await gateway.Management.GetStringAsync("metrics")).Contains(sample + "\n", StringComparison.Ordinal));

    /// <summary>Waits until each of these machines has said that it has an instance.</summary>
    private static Task WhenWarmAsync(TestCluster cluster, params string[] nodes) => Retry.UntilAsync($"{string.Join(" and ", nodes)} are warm", async () =>
        (await cluster.NodesAsync()).Count(node => nodes.Contains(node.GetProperty("name").GetString()) && node.GetProperty("report").GetProperty("warm").EnumerateObject().Any()) == nodes.Length);

    /// <summary>A stream of unknown length that comes in pieces.</summary>
    private sealed class PieceStream(byte[] bytes) : Stream
    {
        private int _at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var piece = Math.Min(Math.Min(count, 30_000), bytes.Length - _at);
            bytes.AsSpan(_at, piece).CopyTo(buffer.AsSpan(offset));
            _at += piece;
            return piece;
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
