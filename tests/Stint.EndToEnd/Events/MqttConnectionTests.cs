using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.EndToEnd.Fixtures;
using Stint.Events.Mqtt;
using Stint.Functions;

namespace Stint.EndToEnd.Events;

/// <summary>Our connection to a real broker, without a daemon around it.</summary>
public sealed class MqttConnectionTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(MqttVersion.V5)]
    [InlineData(MqttVersion.V311)]
    internal async Task A_message_comes_as_it_was_published(MqttVersion version)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        var received = new ConcurrentQueue<MqttMessage>();
        await using var connection = Connect(broker, "one", Keep(received), version: version);
        connection.Want(Subscribe("a/+", 1));
        await Retry.UntilAsync("a message comes", async () =>
        {
            var publication = new MqttPublication("a/ü", "{\"x\":1}"u8.ToArray(), 1, false) { ContentType = "application/json", CorrelationData = [1, 0, 255] };
            Assert.Null((await connection.PublishAsync(publication, Limit, default)).Problem);
            return !received.IsEmpty;
        });
        var message = received.First();
        Assert.Equal(("a/ü", "{\"x\":1}", 1, false), (message.Topic, Encoding.UTF8.GetString(message.Payload), message.Qos, message.IsRetained));
        if (version == MqttVersion.V311) return;
        Assert.Equal("application/json", message.ContentType);
        Assert.Equal([1, 0, 255], message.CorrelationData);
        Assert.Equal([MqttRoute.IdentifierOf("a/+")], message.Subscriptions);
    }

    [Theory]
    [InlineData(MqttVersion.V5)]
    [InlineData(MqttVersion.V311)]
    internal async Task What_is_not_taken_over_is_not_acknowledged_and_comes_again(MqttVersion version)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        var tries = 0;
        var received = new ConcurrentQueue<MqttMessage>();
        await using var connection = Connect(broker, "picky", (batch, _) =>
        {
            if (Interlocked.Increment(ref tries) <= 2) return Task.FromResult<string?>("the disk is full");
            foreach (var message in batch) received.Enqueue(message);
            return Task.FromResult<string?>(null);
        }, version: version);
        connection.Want(Subscribe("a", 1));
        await using var publisher = Connect(broker, "publisher", Keep([]));
        await Retry.UntilAsync("it has subscribed", () => connection.Connects > 0);
        await Retry.UntilAsync("three messages are there", async () =>
        {
            if (tries == 0) Assert.Null((await publisher.PublishAsync(new MqttPublication("a", "again"u8.ToArray(), 1, false), Limit, default)).Problem);
            return !received.IsEmpty;
        });
        Assert.True(connection.Connects >= 3);
        Assert.All(received, static message => Assert.Equal("again", Encoding.UTF8.GetString(message.Payload)));
    }

    [Fact]
    public async Task What_a_broker_kept_while_nobody_was_there_comes_later()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        var received = new ConcurrentQueue<MqttMessage>();
        await using (var first = Connect(broker, "sleeper", Keep(received)))
        {
            first.Want(Subscribe("a", 1));
            await using var probe = Connect(broker, "probe", Keep([]));
            await Retry.UntilAsync("it has subscribed", async () =>
            {
                Assert.Null((await probe.PublishAsync(new MqttPublication("a", "0"u8.ToArray(), 1, false), Limit, default)).Problem);
                return !received.IsEmpty;
            });
        }
        received.Clear();
        await using (var publisher = Connect(broker, "publisher", Keep([])))
            for (var i = 0; i < 300; i++) Assert.Null((await publisher.PublishAsync(new MqttPublication("a", Encoding.UTF8.GetBytes($"{i + 1}"), 1, false), Limit, default)).Problem);
        await broker.StopAsync();
        await broker.StartAgainAsync();
        await using var second = Connect(broker, "sleeper", Keep(received));
        second.Want(Subscribe("a", 1));
        await Retry.UntilAsync("all are there", () => received.Count >= 300);
        Assert.Equal(Enumerable.Range(1, 300).Select(static i => $"{i}"), received.Select(static message => Encoding.UTF8.GetString(message.Payload)));
        Assert.True(second.Batches < 300, "messages that come together are taken over together");
    }

    [Fact]
    public async Task It_comes_back_for_ever_and_subscribes_again()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        var received = new ConcurrentQueue<MqttMessage>();
        // No session: everything has to be subscribed to again.
        await using var connection = Connect(broker, "stubborn", Keep(received), session: TimeSpan.Zero);
        connection.Want(Subscribe("a", 0));
        for (var round = 1; round <= 3; round++)
        {
            await Retry.UntilAsync("a message comes", async () =>
            {
                Assert.False((await connection.PublishAsync(new MqttPublication("a", "x"u8.ToArray(), 0, false), Limit, default)).IsFinal);
                return !received.IsEmpty;
            });
            await broker.StopAsync();
            await Retry.UntilAsync("it knows", () => !connection.State.IsIn);
            received.Clear();
            await broker.StartAgainAsync();
        }
        await Retry.UntilAsync("it is in again", () => connection.State.IsIn);
    }

    [Fact]
    public async Task What_is_no_longer_wanted_comes_no_more()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        var received = new ConcurrentQueue<MqttMessage>();
        await using var connection = Connect(broker, "fickle", Keep(received));
        connection.Want(new Dictionary<string, MqttSubscription> { ["a"] = new("a", 1, 1), ["b"] = new("b", 1, 2) });
        await Publish("a");
        await Publish("b");
        connection.Want(Subscribe("b", 1));
        // Messages come in order: when the one of b is there, one of a would be.
        await Retry.UntilAsync("only b comes", async () =>
        {
            received.Clear();
            Assert.Null((await connection.PublishAsync(new MqttPublication("a", "x"u8.ToArray(), 1, false), Limit, default)).Problem);
            Assert.Null((await connection.PublishAsync(new MqttPublication("b", "x"u8.ToArray(), 1, false), Limit, default)).Problem);
            await Retry.UntilAsync("b is there", () => received.Any(static message => message.Topic == "b"));
            return received.All(static message => message.Topic == "b");
        });

        Task Publish(string topic) => Retry.UntilAsync($"{topic} comes", async () =>
        {
            Assert.Null((await connection.PublishAsync(new MqttPublication(topic, "x"u8.ToArray(), 1, false), Limit, default)).Problem);
            return received.Any(message => message.Topic == topic);
        });
    }

    [Fact]
    public async Task A_shared_subscription_gives_each_message_to_one_member()
    {
        await using var broker = await MosquittoBroker.StartAsync();
        ConcurrentQueue<MqttMessage> one = new(), two = new();
        await using var first = Connect(broker, "first", Keep(one));
        await using var second = Connect(broker, "second", Keep(two));
        first.Want(Subscribe("$share/g/a/#", 1));
        second.Want(Subscribe("$share/g/a/#", 1));
        await Retry.UntilAsync("both have subscribed", async () =>
        {
            Assert.Null((await first.PublishAsync(new MqttPublication("a/warm", "x"u8.ToArray(), 1, false), Limit, default)).Problem);
            return !one.IsEmpty && !two.IsEmpty;
        });
        for (var i = 0; i < 100; i++) Assert.Null((await first.PublishAsync(new MqttPublication("a/b", Encoding.UTF8.GetBytes($"{i}"), 1, false), Limit, default)).Problem);
        await Retry.UntilAsync("all have come", () => Numbers(one).Length + Numbers(two).Length >= 100);
        Assert.Equal(Enumerable.Range(0, 100), Numbers(one).Concat(Numbers(two)).Order());

        static int[] Numbers(ConcurrentQueue<MqttMessage> messages) =>
            [.. messages.Where(static message => message.Topic == "a/b").Select(static message => int.Parse(message.Payload, System.Globalization.CultureInfo.InvariantCulture))];
    }

    [Fact]
    public async Task Tls_with_certificates_of_both_sides_works_and_a_stranger_s_is_refused()
    {
        var keys = Directory.CreateTempSubdirectory("stint-tls-").FullName;
        try
        {
            await TestCertificates.MakeAsync(keys);
            await using var broker = await MosquittoBroker.StartAsync(_ => $"cafile {keys}/ca.pem\ncertfile {keys}/server.pem\nkeyfile {keys}/server.key\nrequire_certificate true\nuse_identity_as_username true");
            var received = new ConcurrentQueue<MqttMessage>();
            var secure = new MqttBroker { Host = "localhost", Port = broker.Port, Tls = true, Ca = $"{keys}/ca.pem", Cert = $"{keys}/client.pem", Key = $"{keys}/client.key" };
            await using var connection = Connect(secure, "tls", Keep(received));
            connection.Want(Subscribe("a", 1));
            await Retry.UntilAsync("a message comes", async () =>
            {
                await connection.PublishAsync(new MqttPublication("a", new byte[300_000], 1, false), Limit, default);
                return received.Any(static message => message.Payload.Length == 300_000);
            });
            await using var stranger = Connect(secure with { Ca = $"{keys}/other-ca.pem" }, "stranger", Keep([]));
            await Retry.UntilAsync("it refuses the broker's certificate", () => stranger.State.Problem is { } problem && problem.Contains("certificate verify failed", StringComparison.Ordinal));
            await using var nameless = Connect(secure with { Host = "127.0.0.2" }, "nameless", Keep([]));
            await Retry.UntilAsync("it refuses a certificate for another name", () => nameless.State.Problem is not null);
            Assert.Equal(0, nameless.Connects + stranger.Connects);
            await using var missing = Connect(secure with { Ca = $"{keys}/none.pem" }, "missing", Keep([]));
            await Retry.UntilAsync("it says what is missing", () => missing.State.Problem is { } problem && problem.Contains("none.pem does not exist", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(keys, recursive: true);
        }
    }

    [Fact]
    public async Task Whoever_the_broker_does_not_let_in_is_told_why()
    {
        await using var broker = await MosquittoBroker.StartAsync(static folder =>
        {
            File.WriteAllText(Path.Combine(folder, "passwords"), "");
            var made = System.Diagnostics.Process.Start("mosquitto_passwd", ["-b", Path.Combine(folder, "passwords"), "sensor", "right"]);
            made.WaitForExit();
            File.WriteAllText(Path.Combine(folder, "acl"), "user sensor\ntopic readwrite mine/#\n");
            return $"allow_anonymous false\npassword_file {folder}/passwords\nacl_file {folder}/acl";
        });
        await using var wrong = Connect(broker, "wrong", Keep([]), user: "sensor", password: "wrong");
        await Retry.UntilAsync("it is told", () => wrong.State.Problem is { } problem && problem.Contains("Not authorized", StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain("wrong", wrong.State.Problem!, StringComparison.Ordinal);
        var received = new ConcurrentQueue<MqttMessage>();
        await using var right = Connect(broker, "right", Keep(received), user: "sensor", password: "right");
        right.Want(Subscribe("mine/a", 1));
        await Retry.UntilAsync("a message comes", async () =>
        {
            Assert.Null((await right.PublishAsync(new MqttPublication("mine/a", "x"u8.ToArray(), 1, false), Limit, default)).Problem);
            return !received.IsEmpty;
        });
        var refused = await right.PublishAsync(new MqttPublication("theirs", "x"u8.ToArray(), 1, false), Limit, default);
        Assert.True(refused.Problem?.Contains("refuses it", StringComparison.Ordinal), $"{refused.Problem}\n{broker.Log}");
    }

    [Fact]
    public async Task What_nobody_takes_is_a_problem_and_closing_leaves_nothing_waiting()
    {
        var nobody = new MqttBroker { Host = "localhost", Port = FreePorts.Take() };
        var connection = Connect(nobody, "lonely", Keep([]));
        var publishing = connection.PublishAsync(new MqttPublication("a", "x"u8.ToArray(), 1, false), Limit, default);
        await Retry.UntilAsync("it has tried", () => connection.State.Problem is not null);
        Assert.Contains("refused", connection.State.Problem!, StringComparison.OrdinalIgnoreCase);
        await connection.DisposeAsync();
        Assert.NotNull((await publishing).Problem);
        Assert.NotNull((await connection.PublishAsync(new MqttPublication("a", "x"u8.ToArray(), 1, false), Limit, default)).Problem);
    }

    private static MqttReceiver Keep(ConcurrentQueue<MqttMessage> messages) => (batch, _) =>
    {
        foreach (var message in batch) messages.Enqueue(message);
        return Task.FromResult<string?>(null);
    };

    private static Dictionary<string, MqttSubscription> Subscribe(string filter, int qos) => new() { [filter] = new MqttSubscription(filter, qos, MqttRoute.IdentifierOf(filter)) };

    private static MqttConnection Connect(MosquittoBroker broker, string id, MqttReceiver receive, MqttVersion version = MqttVersion.V5, TimeSpan? session = null, string? user = null, string? password = null) =>
        Connect(new MqttBroker { Host = "localhost", Port = broker.Port, Version = version, Session = session ?? TimeSpan.FromHours(1), Username = user }, id, receive, password);

    private static MqttConnection Connect(MqttBroker broker, string id, MqttReceiver receive, string? password = null) =>
        new(broker.Describe(), () => new MosquittoSettings(broker, id, password, MqttConnection.ReceiveMaximum, 1 << 20), receive, TimeProvider.System, NullLogger.Instance);
}
