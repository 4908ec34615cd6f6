using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Store;
using Stint.EndToEnd.Events;
using Stint.EndToEnd.Fixtures;
using Stint.Events.Mqtt;
using Stint.Functions;

namespace Stint.EndToEnd.Cluster.Triggers;

/// <summary>Schedules and messages call functions once, however many gateways there are.</summary>
[Collection(TestPostgres.Collection)]
public sealed class TriggerTests : IDisposable
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(2);

    private readonly TestPostgres _postgres;
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-triggers-").FullName;

    public TriggerTests(TestPostgres postgres)
    {
        _postgres = postgres;
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
    }

    private string Ran => Path.Combine(_folder, "ran");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_schedule_runs_once_and_goes_on_when_its_gateway_is_killed_without_a_run_lost_or_repeated()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var (one, two) = await StartTwoAsync(address);
        await using var store = new ClusterStore(StoreAddress.Parse(address));
        try
        {
            await one.DeployAsync("tick", """
                [[event]]
                type = "schedule"
                cron = "*/2 * * * * *"
                [process]
                runtime = "python3"
                """, ("fn.py", Note("headers['X-Schedule-Time']")));
            await Retry.UntilAsync("it has run a few times", () => Notes().Count >= 3, Long);
            var owner = await OwnerAsync(store, "tick\t*/2 * * * * *\tUTC\t");
            var (killed, other) = owner == "one" ? (one, two) : (two, one);
            await killed.KillAsync();
            var before = Notes().Count;
            await Retry.UntilAsync("another has it", async () => await OwnerAsync(store, "tick\t*/2 * * * * *\tUTC\t") is { } now && now != owner, Long);
            await Retry.UntilAsync("it has gone on for a while", () => Notes().Count >= before + 15, Long);
            // One that ran on the killed one while nobody could note it runs again, as every asynchronous call: the same call.
            var runs = Notes().Distinct().ToList();
            Assert.InRange(Notes().Count - runs.Count, 0, 1);
            var times = runs.Select(static note => DateTimeOffset.Parse(note, CultureInfo.InvariantCulture)).Order().ToList();
            // The last ones may still be under way.
            var settled = times[..^3];
            Assert.Equal(Enumerable.Range(0, settled.Count).Select(i => settled[0] + TimeSpan.FromSeconds(2 * i)), settled);
            (await other.CliAsync("rm", "tick")).Good();
        }
        finally
        {
            await one.DisposeAsync();
            await two.DisposeAsync();
        }
    }

    [Fact]
    public async Task Each_message_of_a_broker_is_one_call_and_none_is_lost_when_the_receiving_gateway_is_killed()
    {
        const int count = 2_000;
        await using var broker = await MosquittoBroker.StartAsync();
        var address = await _postgres.CreateDatabaseAsync();
        var (one, two) = await StartTwoAsync(address);
        await using var store = new ClusterStore(StoreAddress.Parse(address));
        try
        {
            await one.DeployAsync("counter", $"""
                concurrent-requests = 1
                max-instances = 4
                [[event]]
                type = "mqtt"
                host = "localhost"
                port = {broker.Port}
                topic = "numbers"
                [process]
                runtime = "python3"
                """, ("fn.py", Note("str(int(input))")));
            var trigger = MqttAccount.Of(new MqttBroker { Host = "localhost", Port = broker.Port }, "_").TriggerName;
            string? owner = null;
            await Retry.UntilAsync("one gateway receives, and the other says so", async () =>
            {
                owner = await OwnerAsync(store, trigger);
                var (first, second) = (await StateAsync(one), await StateAsync(two));
                return owner == "one" ? first == "ready" && second == "another gateway receives it" : owner == "two" && second == "ready" && first == "another gateway receives it";
            });
            var (killed, other) = owner == "one" ? (one, two) : (two, one);
            await using var publisher = Publisher(broker);
            await PublishAsync(publisher, 0, count / 4);
            await Retry.UntilAsync("the first ones have been calls", () => Notes().Count >= count / 4, Long);
            Assert.Equal(Enumerable.Range(0, count / 4), Numbers().Order());

            var publishing = PublishAsync(publisher, count / 4, count / 2);
            await Retry.UntilAsync("more are under way", () => Notes().Count > count / 3, Long);
            await killed.KillAsync();
            await publishing;
            // The broker keeps these for whoever comes with the same name.
            await PublishAsync(publisher, count / 2, count);
            await Retry.UntilAsync("every message has been a call", () => Numbers().Distinct().Count() == count, TimeSpan.FromMinutes(4));
            Assert.Equal(Enumerable.Range(0, count), Numbers().Distinct().Order());
            // Of what was not acknowledged when it was killed, and of what ran then.
            Assert.InRange(Notes().Count - count, 0, MqttConnection.ReceiveMaximum + 512);
            await Retry.UntilAsync("it says that it receives", async () => await StateAsync(other) == "ready");
        }
        finally
        {
            await one.DisposeAsync();
            await two.DisposeAsync();
        }
    }

    private static async Task<string> StateAsync(StintDaemon daemon)
    {
        try
        {
            var events = (await daemon.DescribeAsync("counter")).GetProperty("events");
            return events.GetArrayLength() == 0 ? "not there yet" : events[0].GetProperty("state").GetString()!;
        }
        catch (InvalidOperationException)
        {
            return "not there yet";
        }
    }

    private static async Task PublishAsync(MqttConnection publisher, int from, int to)
    {
        var next = from;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (int number; (number = Interlocked.Increment(ref next) - 1) < to;)
                while ((await publisher.PublishAsync(new MqttPublication("numbers", Encoding.UTF8.GetBytes($"{number}"), 1, false), Long, default)).Problem is not null) { }
        }));
    }

    private static MqttConnection Publisher(MosquittoBroker broker) => new("the test's publisher",
        () => new MosquittoSettings(new MqttBroker { Host = "localhost", Port = broker.Port }, "publisher", null, 64, 1 << 20), static (_, _) => Task.FromResult<string?>(null), TimeProvider.System, NullLogger.Instance);

    private static async Task<string?> OwnerAsync(ClusterStore store, string trigger) =>
        (await store.Leases.HolderAsync($"triggers/{Stint.Cluster.Triggers.TriggerShare.SlotOf(trigger)}", default))?.Split('/')[0];

    private static string CodeOf(string file, string what) => $"import os\nfd = os.open('{file}', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\ndef fn(input, headers):\n    os.write(fd, ({what} + '\\n').encode())\n";

    private string Note(string what) => CodeOf(Ran, what);

    private List<string> Notes() => File.Exists(Ran) ? [.. File.ReadAllLines(Ran)] : [];

    private IEnumerable<int> Numbers() => Notes().Select(static note => int.Parse(note, CultureInfo.InvariantCulture));

    private async Task<(StintDaemon One, StintDaemon Two)> StartTwoAsync(string address)
    {
        var one = await StartAsync("one");
        try
        {
            return (one, await StartAsync("two"));
        }
        catch
        {
            await one.DisposeAsync();
            throw;
        }

        // Folders of the test's own: the killed one leaves something behind.
        Task<StintDaemon> StartAsync(string name)
        {
            var root = Path.Combine(_folder, name);
            Directory.CreateDirectory(root);
            return StintDaemon.StartAsync(new DaemonSetup
            {
                Root = root, Flags = ["--store-key", Path.Combine(_folder, "store.key"), "--isolation", "none", "--node-name", name], Environment = new Dictionary<string, string> { ["STINT_STORE"] = address },
            });
        }
    }
}
