using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.EndToEnd.Fixtures;
using Stint.Events.Mqtt;
using Stint.Functions;

namespace Stint.EndToEnd.Events;

/// <summary>Messages of a real broker call functions of a real daemon.</summary>
public sealed class MqttEventTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private const string Echo = "def fn(input, headers): return input\n";

    [Fact]
    public async Task Of_ten_thousand_messages_none_is_lost_though_broker_and_daemon_die()
    {
        const int count = 10_000;
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        try
        {
            await using var broker = await MosquittoBroker.StartAsync();
            var first = await StintDaemon.StartAsync(new DaemonSetup { Root = root });
            StintDaemon? second = null;
            try
            {
                await first.DeployAsync("counter", $"""
                    concurrent-requests = 8
                    [[event]]
                    type = "mqtt"
                    host = "localhost"
                    port = {broker.Port}
                    topic = "numbers/+"
                    [[sink]]
                    type = "file"
                    path = "seen.jsonl"
                    sync = false
                    [process]
                    runtime = "nodejs"
                    """, ("index.js", "module.exports = (req, res) => res.send(req.body)"), ("package.json", "{\"main\":\"index.js\"}"));
                await Retry.UntilAsync("it has subscribed", async () => EventState(await first.DescribeAsync("counter")) == "ready");
                await using var publisher = Publisher(broker);
                var published = 0;
                var publishing = Enumerable.Range(0, 32).Select(_ => PublishAllAsync()).ToList();

                await Retry.UntilAsync("some are under way", () => Volatile.Read(ref published) > count / 5);
                await first.KillAsync();
                await Retry.UntilAsync("more are under way", () => Volatile.Read(ref published) > count / 5 * 2, Limit);
                second = await StintDaemon.StartAsync(new DaemonSetup { Root = root });
                await Retry.UntilAsync("still more are under way", () => Volatile.Read(ref published) > count / 5 * 3, Limit);
                await broker.StopAsync();
                await broker.StartAgainAsync();
                await Task.WhenAll(publishing);
                var file = Path.Combine(second.State, "sinks", "_", "seen.jsonl");
                await Retry.UntilAsync("every message has been a call", () => Seen(file).Count == count, TimeSpan.FromSeconds(180));
                Assert.Equal(Enumerable.Range(0, count), Seen(file).Order());

                async Task PublishAllAsync()
                {
                    for (int number; (number = Interlocked.Increment(ref published) - 1) < count;)
                    {
                        // A publisher that cares tries until the broker has it.
                        while ((await publisher.PublishAsync(new MqttPublication($"numbers/{number % 7}", Encoding.UTF8.GetBytes($"{{\"n\":{number}}}"), 1, false), Limit, default)).Problem is not null) { }
                    }
                }
            }
            finally
            {
                await first.DisposeAsync();
                if (second is not null) await second.DisposeAsync();
            }
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task A_message_is_a_call_with_its_topic_and_the_answer_is_published()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var daemon = await StintDaemon.StartAsync();
        await daemon.DeployAsync("thermo", $"""
            [[event]]
            type = "mqtt"
            host = "localhost"
            port = {broker.Port}
            topic = "sensors/+/temperature"
            reply = "alarms"
            respond = true
            [process]
            runtime = "python3"
            """, ("fn.py", "import json\ndef fn(input, headers): return json.dumps({'input': input, 'topic': headers['X-Mqtt-Topic'], 'qos': headers['X-Mqtt-Qos'], 'type': headers['Content-Type']})\n"));
        var answers = new System.Collections.Concurrent.ConcurrentQueue<MqttMessage>();
        await using var client = Publisher(broker, answers);
        client.Want(new Dictionary<string, MqttSubscription> { ["alarms"] = new("alarms", 1, 1), ["mine/answers"] = new("mine/answers", 1, 2) });
        await Retry.UntilAsync("an answer comes", async () =>
        {
            Assert.Null((await client.PublishAsync(new MqttPublication("sensors/k\u00fcche/temperature", "{\"t\":21}"u8.ToArray(), 1, false), Limit, default)).Problem);
            return !answers.IsEmpty;
        });
        var answer = JsonDocument.Parse(answers.First().Payload).RootElement;
        Assert.Equal(("alarms", "{\"t\":21}", "sensors/k%C3%BCche/temperature", "1", "application/json"),
            (answers.First().Topic, answer.GetProperty("input").GetString(), answer.GetProperty("topic").GetString(), answer.GetProperty("qos").GetString(), answer.GetProperty("type").GetString()));

        // Somebody else's client asks as MQTT 5 has it (section 4.10).
        var asked = await Programs.RunAsync(["mosquitto_rr", "-V", "5", "-h", "localhost", "-p", $"{broker.Port}", "-t", "sensors/hall/temperature", "-e", "hall/answer", "-m", "no json", "-q", "1", "-W", "40"], daemon.Root);
        var text = JsonDocument.Parse(asked.Good()).RootElement;
        Assert.Equal(("no json", "text/plain; charset=utf-8"), (text.GetProperty("input").GetString(), text.GetProperty("type").GetString()));

        // Headers of these names from elsewhere publish nothing.
        answers.Clear();
        using var forged = new HttpRequestMessage(HttpMethod.Post, "thermo") { Content = new StringContent("x") };
        foreach (var (name, value) in new[] { ("X-Mqtt-Topic", "sensors/a/temperature"), ("X-Mqtt-Qos", "1"), ("X-Mqtt-Response-Topic", "mine/answers") }) forged.Headers.Add(name, value);
        Assert.Equal(200, (int)(await daemon.Http.SendAsync(forged)).StatusCode);
        Assert.Null((await client.PublishAsync(new MqttPublication("sensors/last/temperature", "1"u8.ToArray(), 1, false), Limit, default)).Problem);
        await Retry.UntilAsync("the last answer comes", () => answers.Any(static message => Encoding.UTF8.GetString(message.Payload).Contains("sensors/last", StringComparison.Ordinal)));
        Assert.DoesNotContain(answers, static message => message.Topic == "mine/answers" || Encoding.UTF8.GetString(message.Payload).Contains("sensors/a", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Subscriptions_follow_what_is_deployed_over_one_connection()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var daemon = await StintDaemon.StartAsync();
        await Deploy("one", "a/#");
        await Deploy("two", "a/b");
        await using var publisher = Publisher(broker);
        await Publish("a/b", "first", "one", "two");
        Assert.Single(ConnectionsOf(broker, "stint-"));

        await Deploy("two", "c");
        await Publish("c", "second", "two");
        Assert.Equal(200, (await daemon.ManageAsync("stint/v1/functions/two", method: HttpMethod.Delete)).Status / 100 * 100);
        await Publish("a/b", "third", "one");
        Assert.Single(ConnectionsOf(broker, "stint-"));

        // The folder may be changed by hand as well.
        await File.WriteAllTextAsync(Path.Combine(daemon.Registry, "_", "one", "function.toml"), "[process]\nruntime = \"python3\"\n");
        await Retry.UntilAsync("it has no events", async () => (await daemon.DescribeAsync("one")).GetProperty("events").GetArrayLength() == 0);
        await Retry.UntilAsync("the connection is closed", () => broker.Log.Contains("Client stint-", StringComparison.Ordinal) && broker.Log.TrimEnd().Split('\n').Any(static line => line.Contains("stint-", StringComparison.Ordinal) && line.Contains("disconnected.", StringComparison.Ordinal)));

        Task Deploy(string name, string topic) => daemon.DeployAsync(name, $"""
            [[event]]
            type = "mqtt"
            host = "localhost"
            port = {broker.Port}
            topic = "{topic}"
            [process]
            runtime = "python3"
            """, ("fn.py", "def fn(input, headers):\n    print('got ' + input, flush=True)\n    return ''\n"));

        async Task Publish(string topic, string text, params string[] functions)
        {
            foreach (var function in functions) await Retry.UntilAsync($"{function} has subscribed", async () => EventState(await daemon.DescribeAsync(function)) == "ready");
            await Retry.UntilAsync($"{text} arrives", async () =>
            {
                Assert.Null((await publisher.PublishAsync(new MqttPublication(topic, Encoding.UTF8.GetBytes(text), 1, false), Limit, default)).Problem);
                foreach (var function in functions)
                    if (!(await daemon.LogsAsync(function)).Contains($"got {text}", StringComparison.Ordinal)) return false;
                return true;
            });
        }
    }

    [Fact]
    public async Task What_cannot_be_reached_is_seen_and_repairs_itself()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await broker.StopAsync();
        await using var daemon = await StintDaemon.StartAsync();
        await daemon.DeployAsync("patient", $"""
            [[event]]
            type = "mqtt"
            host = "localhost"
            port = {broker.Port}
            topic = "a"
            [process]
            runtime = "python3"
            """, ("fn.py", Echo));
        await Retry.UntilAsync("it says so", async () => EventState(await daemon.DescribeAsync("patient")).Contains("refused", StringComparison.OrdinalIgnoreCase));
        Assert.Contains("efused", (await daemon.CliAsync("describe", "patient")).Good(), StringComparison.Ordinal);
        await broker.StartAgainAsync();
        await Retry.UntilAsync("it is ready", async () => EventState(await daemon.DescribeAsync("patient")) == "ready");
    }

    private static string EventState(JsonElement function) => function.GetProperty("events")[0].GetProperty("state").GetString()!;

    private static List<string> ConnectionsOf(MosquittoBroker broker, string prefix) =>
        [.. broker.Log.Split('\n').Where(line => line.Contains("New client connected", StringComparison.Ordinal) && line.Contains($" as {prefix}", StringComparison.Ordinal))];

    private static MqttConnection Publisher(MosquittoBroker broker, System.Collections.Concurrent.ConcurrentQueue<MqttMessage>? answers = null)
    {
        var settings = new MqttBroker { Host = "localhost", Port = broker.Port };
        return new MqttConnection("the test's publisher", () => new MosquittoSettings(settings, "publisher", null, 64, 1 << 20), (batch, _) =>
        {
            foreach (var message in batch) answers?.Enqueue(message);
            return Task.FromResult<string?>(null);
        }, TimeProvider.System, NullLogger.Instance);
    }

    private static HashSet<int> Seen(string file)
    {
        if (!File.Exists(file)) return [];
        using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        var seen = new HashSet<int>();
        while (reader.ReadLine() is { } line)
        {
            // The last line may be half there.
            if (!line.EndsWith('}')) continue;
            seen.Add(JsonDocument.Parse(line).RootElement.GetProperty("result").GetProperty("n").GetInt32());
        }
        return seen;
    }
}
