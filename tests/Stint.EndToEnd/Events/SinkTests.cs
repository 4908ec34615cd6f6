using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.EndToEnd.Fixtures;
using Stint.Events.Mqtt;
using Stint.Functions;

namespace Stint.EndToEnd.Events;

/// <summary>Results of a real daemon's functions in real databases, brokers, files and web servers.</summary>
public sealed class SinkTests
{
    [Fact]
    public async Task Every_result_is_one_document_though_the_database_is_away_for_a_while()
    {
        const int count = 120;
        await using var database = await PouchDbServer.StartAsync("results");
        await using var daemon = await StintDaemon.StartAsync();
        await DeployAsync(daemon, "measure", CouchDb(database), "import json\ndef fn(input, headers): return json.dumps({'n': int(input)})\n");
        for (var i = 0; i < count; i++)
        {
            if (i == count / 3) await database.StopAsync();
            if (i == count * 2 / 3) await database.StartAgainAsync();
            var target = new HttpRequestMessage(HttpMethod.Post, "measure") { Content = new StringContent($"{i}") };
            target.Headers.Add("X-Call-Id", $"call-{i}");
            // Callers that wait and callers that do not.
            if (i % 2 == 1) target.Headers.Add("X-tinyFaaS-Async", "1");
            using var answer = await daemon.Http.SendAsync(target);
            Assert.Equal(i % 2 == 1 ? 202 : 200, (int)answer.StatusCode);
        }
        await Retry.UntilAsync("all are there", async () => (await database.DocumentsAsync("results")).Count >= count, TimeSpan.FromSeconds(120));
        var documents = await database.DocumentsAsync("results");
        Assert.Equal(count, documents.Count);
        Assert.All(Enumerable.Range(0, count), i => Assert.Equal(i, documents[$"call-{i}"].GetProperty("n").GetInt32()));
        Assert.All(documents.Values, static document => Assert.StartsWith("1-", document.GetProperty("_rev").GetString(), StringComparison.Ordinal));
        var metrics = await daemon.Management.GetStringAsync("metrics");
        Assert.Contains($"stint_deliveries_total{{kind=\"couchdb\",result=\"delivered\"}} {count}", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_id_that_two_functions_have_loses_neither_result_and_a_failure_is_no_result()
    {
        await using var database = await PouchDbServer.StartAsync("results");
        await using var daemon = await StintDaemon.StartAsync();
        await DeployAsync(daemon, "one", CouchDb(database), "def fn(input, headers): return 'one ' + input\n");
        await DeployAsync(daemon, "two", CouchDb(database), "def fn(input, headers):\n    if input == 'fail': raise Exception('no')\n    return 'two ' + input\n");
        foreach (var (function, body) in new[] { ("one", "x"), ("two", "x"), ("two", "fail") })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, function) { Content = new StringContent(body) };
            request.Headers.Add("X-Call-Id", body == "x" ? "chain" : "failed");
            await daemon.Http.SendAsync(request);
        }
        await Retry.UntilAsync("both are there", async () => (await database.DocumentsAsync("results")).Count >= 2);
        var documents = await database.DocumentsAsync("results");
        Assert.Equal(["chain", "chain.two"], documents.Keys.Order());
        Assert.Equal(["one x", "two x"], documents.Values.Select(static document => document.GetProperty("result").GetString()).Order());
    }

    [Fact]
    public async Task A_result_that_a_killed_daemon_left_is_delivered_by_the_next_one()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            await using var database = await PouchDbServer.StartAsync("results");
            await database.StopAsync();
            await using (var first = await StintDaemon.StartAsync(new DaemonSetup { Root = root }))
            {
                await DeployAsync(first, "measure", CouchDb(database), "def fn(input, headers): return input\n");
                Assert.Equal(200, (await first.CallAsync("measure", "kept")).Status);
                await Retry.UntilAsync("it is seen to wait", async () => (await first.DescribeAsync("measure")).GetProperty("deliveriesWaiting").GetInt64() == 1);
                Assert.Contains("1 on their way", (await first.CliAsync("describe", "measure")).Good(), StringComparison.Ordinal);
                await first.KillAsync();
            }
            await database.StartAgainAsync();
            await using var second = await StintDaemon.StartAsync(new DaemonSetup { Root = root });
            await Retry.UntilAsync("it is there", async () => (await database.DocumentsAsync("results")).Count == 1);
            Assert.Equal("kept", (await database.DocumentsAsync("results")).Values.Single().GetProperty("result").GetString());
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task A_webhook_gets_the_result_signed_until_it_takes_it()
    {
        var seen = new ConcurrentQueue<(string Path, Dictionary<string, string> Headers, byte[] Body)>();
        var port = FreePorts.Take();
        using var listener = new HttpListener { Prefixes = { $"http://localhost:{port}/" } };
        listener.Start();
        var serving = Task.Run(async () =>
        {
            try
            {
                while (true)
                {
                    var context = await listener.GetContextAsync();
                    using var body = new MemoryStream();
                    await context.Request.InputStream.CopyToAsync(body);
                    seen.Enqueue((context.Request.Url!.PathAndQuery, context.Request.Headers.AllKeys.ToDictionary(static key => key!, key => context.Request.Headers[key]!, StringComparer.OrdinalIgnoreCase), body.ToArray()));
                    context.Response.StatusCode = seen.Count == 1 ? 500 : 204;
                    context.Response.Close();
                }
            }
            catch (Exception ended) when (ended is HttpListenerException or ObjectDisposedException)
            {
                // the test is over
            }
        });
        await using (var daemon = await StintDaemon.StartAsync())
        {
            using var secret = await daemon.Management.PostAsync("system/secrets", new StringContent("{\"name\":\"hook-key\",\"value\":\"s3cret\"}", Encoding.UTF8, "application/json"));
            Assert.True(secret.IsSuccessStatusCode);
            await DeployAsync(daemon, "hooked", $"type = \"webhook\"\nurl = \"http://localhost:{port}/in?x=1\"\nsign-secret = \"hook-key\"", "def fn(input, headers): return 'result of ' + input\n");
            Assert.Equal(200, (await daemon.CallAsync("hooked", "a")).Status);
            await Retry.UntilAsync("it has been tried twice", () => seen.Count >= 2);
        }
        listener.Stop();
        await serving;
        var (first, second) = (seen.First(), seen.Last());
        Assert.Equal(("/in?x=1", "result of a", "hooked", "200"), (second.Path, Encoding.UTF8.GetString(second.Body), second.Headers["X-Function-Name"], second.Headers["X-Function-Status"]));
        Assert.Equal(first.Headers["X-Stint-Delivery"], second.Headers["X-Stint-Delivery"]);
        Assert.Equal($"sha256={Convert.ToHexStringLower(HMACSHA256.HashData("s3cret"u8, second.Body))}", second.Headers["X-Stint-Signature"]);
    }

    [Fact]
    public async Task Results_are_published_over_a_connection_with_a_password_out_of_a_secret()
    {
        await using var broker = await MosquittoBroker.StartAsync(static folder =>
        {
            File.WriteAllText(Path.Combine(folder, "passwords"), "");
            System.Diagnostics.Process.Start("mosquitto_passwd", ["-b", Path.Combine(folder, "passwords"), "stint", "s3cret"]).WaitForExit();
            return $"allow_anonymous false\npassword_file {folder}/passwords";
        });
        await using var daemon = await StintDaemon.StartAsync();
        await DeployAsync(daemon, "teller", $"type = \"mqtt\"\nhost = \"localhost\"\nport = {broker.Port}\ntopic = \"results\"\nretain = true\nusername = \"stint\"\npassword-secret = \"broker\"", "def fn(input, headers): return 'told ' + input\n");
        Assert.Equal(200, (await daemon.CallAsync("teller", "x")).Status);
        // The secret comes late: the result waits for it.
        await Retry.UntilAsync("it waits", async () => (await daemon.DescribeAsync("teller")).GetProperty("deliveriesWaiting").GetInt64() == 1);
        using var secret = await daemon.Management.PostAsync("system/secrets", new StringContent("{\"name\":\"broker\",\"value\":\"s3cret\\n\"}", Encoding.UTF8, "application/json"));
        Assert.True(secret.IsSuccessStatusCode);
        var messages = new ConcurrentQueue<MqttMessage>();
        var settings = new MqttBroker { Host = "localhost", Port = broker.Port, Username = "stint" };
        await using var reader = new MqttConnection("the test's reader", () => new MosquittoSettings(settings, "reader", "s3cret", 64, 1 << 20), (batch, _) =>
        {
            foreach (var message in batch) messages.Enqueue(message);
            return Task.FromResult<string?>(null);
        }, TimeProvider.System, NullLogger.Instance);
        reader.Want(new Dictionary<string, MqttSubscription> { ["results"] = new("results", 1, 1) });
        await Retry.UntilAsync("the result is there", () => !messages.IsEmpty, TimeSpan.FromSeconds(120));
        Assert.Equal("told x", Encoding.UTF8.GetString(messages.First().Payload));
        var shown = $"{await daemon.Management.GetStringAsync("stint/v1/functions/teller")}{daemon.Log}{await daemon.LogsAsync("teller")}";
        Assert.DoesNotContain("s3cret", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schedule_calls_and_its_results_are_lines_of_a_file()
    {
        await using var daemon = await StintDaemon.StartAsync();
        await daemon.DeployAsync("ticker", """
            [[event]]
            type = "schedule"
            cron = "* * * * * *"
            [[sink]]
            type = "file"
            path = "ticks/all.jsonl"
            [process]
            runtime = "python3"
            """, ("fn.py", "def fn(input, headers): return headers['X-Schedule-Time'] + ' ' + input\n"));
        var file = Path.Combine(daemon.State, "sinks", "_", "ticks", "all.jsonl");
        await Retry.UntilAsync("three lines are there", () => File.Exists(file) && Lines().Count >= 3);
        Assert.All(Lines(), static line =>
        {
            var words = line.GetProperty("result").GetString()!.Split(' ');
            Assert.Equal(words[0], JsonDocument.Parse(words[1]).RootElement.GetProperty("scheduled").GetString());
        });
        Assert.Equal(Lines().Count, Lines().Select(static line => line.GetProperty("result").GetString()).Distinct().Count());
        Assert.Contains("schedule * * * * * * (UTC): ready, next", (await daemon.CliAsync("describe", "ticker")).Good(), StringComparison.Ordinal);

        List<JsonElement> Lines()
        {
            using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            return [.. reader.ReadToEnd().Split('\n')[..^1].Select(static line => JsonDocument.Parse(line).RootElement)];
        }
    }

    private static string CouchDb(PouchDbServer database) => $"type = \"couchdb\"\nurl = \"http://127.0.0.1:{database.Port}/results\"\nusername = \"admin\"\npassword = \"any\"";

    private static Task DeployAsync(StintDaemon daemon, string name, string sink, string code) =>
        daemon.DeployAsync(name, $"[[sink]]\n{sink}\n[process]\nruntime = \"python3\"\n", ("fn.py", code));
}
