using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Cluster.Queue;

/// <summary>Asynchronous calls of several gateways over one PostgreSQL: what was accepted runs, whatever happens to a gateway or to the server.</summary>
[Collection(TestPostgres.Collection)]
public sealed class SharedQueueTests : IDisposable
{
    private const int Calls = 10_000;
    private const int Concurrency = 4;
    private readonly TestPostgres _postgres;
    private readonly string _folder = Directory.CreateTempSubdirectory("stint-queue-").FullName;

    public SharedQueueTests(TestPostgres postgres)
    {
        _postgres = postgres;
        File.SetUnixFileMode(_folder, (UnixFileMode)0b111_101_101);
    }

    private string Ran => Path.Combine(_folder, "ran");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // The function notes the identity of each call in a file, and the note is there whatever happens to the gateway: it runs without a sandbox.
    [Fact]
    public async Task A_gateway_killed_among_ten_thousand_calls_loses_none_and_the_other_runs_what_it_had_accepted()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var accepted = new ConcurrentDictionary<string, byte>();
        var ids = Enumerable.Range(0, Calls).Select(static i => $"call-{i}").ToList();
        var root = Path.Combine(_folder, "one");
        Directory.CreateDirectory(root);
        var one = await StartAsync(address, root);
        await one.DeployPythonAsync("note", Note, top: Top);
        await using var two = await StartAsync(address);
        var sending = Task.WhenAll(SendAsync(one, ids.Take(Calls / 2), accepted), SendAsync(two, ids.Skip(Calls / 2), accepted));
        await Retry.UntilAsync("a part of the calls has been accepted, and a part of those has run", () => accepted.Count > Calls / 2 && Notes().Count > 500, TimeSpan.FromMinutes(3));
        await one.KillAsync();
        await sending;
        await one.DisposeAsync();
        var before = Notes();
        await SendAsync(two, ids, accepted);
        Assert.Equal(Calls, accepted.Count);
        // What the killed one had claimed is free when its lease ends.
        await Retry.UntilAsync("all of them have run", () => Notes().Distinct().Count() >= Calls, TimeSpan.FromMinutes(4));
        await Retry.UntilAsync("nothing waits", async () => !(await two.Management.GetStringAsync("metrics")).Contains("stint_async_waiting{function=\"note\"}", StringComparison.Ordinal), TimeSpan.FromMinutes(2));
        var all = Notes();
        var repeated = all.GroupBy(static id => id).Where(static group => group.Count() > 1).ToList();
        Assert.Equal(ids.Order(StringComparer.Ordinal), all.Distinct().Order(StringComparer.Ordinal));
        // No more than had run, or run just then, on the killed one without its end being known; that is what one transaction holds.
        Assert.All(repeated, group => Assert.Contains(group.Key, before));
        Assert.InRange(repeated.Count, 0, 512);
        // It comes back, and removes what it had left on its machine.
        await using var again = await StartAsync(address, root);
        Assert.Equal(all.Count, Notes().Count);
    }

    [Fact]
    public async Task PostgreSQL_that_restarts_among_ten_thousand_calls_costs_none_and_callers_hear_503_meanwhile()
    {
        var address = await _postgres.CreateDatabaseAsync();
        var accepted = new ConcurrentDictionary<string, byte>();
        var ids = Enumerable.Range(0, Calls).Select(static i => $"call-{i}").ToList();
        await using var one = await StartAsync(address);
        await one.DeployPythonAsync("note", Note, top: Top);
        await using var two = await StartAsync(address);
        // Its calls cannot be noted as ended for a while.
        one.ExpectError("the queue of asynchronous calls");
        two.ExpectError("the queue of asynchronous calls");
        var sending = Task.WhenAll(SendAsync(one, ids.Take(Calls / 2), accepted), SendAsync(two, ids.Skip(Calls / 2), accepted));
        await Retry.UntilAsync("a part of the calls has been accepted, and a part of those has run", () => accepted.Count > Calls / 4 && Notes().Count > 500, TimeSpan.FromMinutes(3));
        await _postgres.StopAsync();
        try
        {
            var (status, text) = await AcceptAsync(one, "while-away");
            Assert.Equal(503, status);
            Assert.Contains("the call was not accepted: the store", text, StringComparison.Ordinal);
            using var direct = new HttpRequestMessage(HttpMethod.Post, "note") { Headers = { { "X-Call-Id", "direct" } }, Content = new StringContent("x") };
            Assert.Equal(HttpStatusCode.OK, (await one.Http.SendAsync(direct)).StatusCode);
        }
        finally
        {
            await _postgres.StartAsync();
        }
        await sending;
        Assert.Equal(Calls, accepted.Count);
        await Retry.UntilAsync("all of them have run", () => Notes().Distinct().Count() >= Calls + 1, TimeSpan.FromMinutes(4));
        Assert.Equal(ids.Append("direct").Order(StringComparer.Ordinal), Notes().Distinct().Order(StringComparer.Ordinal));
        await Retry.UntilAsync("nothing waits", async () => !(await two.Management.GetStringAsync("metrics")).Contains("stint_async_waiting{function=\"note\"}", StringComparison.Ordinal), TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task Dead_letters_and_long_bodies_of_one_gateway_are_every_gateways()
    {
        var address = await _postgres.CreateDatabaseAsync();
        await using var one = await StartAsync(address);
        await using var two = await StartAsync(address);
        var good = Path.Combine(_folder, "good");
        await one.DeployPythonAsync("size", $"import os\ndef fn(input, headers):\n    if not os.path.exists('{good}'): raise Exception('not yet')\n    with open('{Ran}', 'a') as f: f.write(str(len(input)) + '\\n')\n", top: "[async]\nretries = 0\n");
        using (var request = new HttpRequestMessage(HttpMethod.Post, "size") { Headers = { { "X-tinyFaaS-Async", "1" }, { "X-Call-Id", "long" } }, Content = new ByteArrayContent(Enumerable.Repeat((byte)'x', 1_000_000).ToArray()) })
            Assert.Equal(HttpStatusCode.Accepted, (await one.Http.SendAsync(request)).StatusCode);
        await Retry.UntilAsync("the other gateway lists the dead letter", async () => (await two.CliAsync("async", "ls", "--dead")).Good().Contains("long", StringComparison.Ordinal));
        var shown = JsonDocument.Parse((await two.CliAsync("async", "show", "long", "--json")).Good()).RootElement.ToString();
        Assert.Contains("not yet", shown, StringComparison.Ordinal);
        await File.WriteAllTextAsync(good, "");
        (await two.CliAsync("async", "retry", "long")).Good();
        await Retry.UntilAsync("it has run with its body", () => Notes() is ["1000000"]);
        await Retry.UntilAsync("it is gone", async () => !(await one.CliAsync("async", "ls")).Good().Contains("long", StringComparison.Ordinal));
    }

    private static string Top => $"max-instances = 4\n[async]\nconcurrency = {Concurrency}\n";

    private string Note => $"import os\nfd = os.open('{Ran}', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\ndef fn(input, headers):\n    os.write(fd, (headers['X-Call-Id'] + '\\n').encode())\n";

    private Task<StintDaemon> StartAsync(string address, string? root = null) => StintDaemon.StartAsync(new DaemonSetup
    {
        Root = root, Flags = ["--store-key", Path.Combine(_folder, "store.key"), "--isolation", "none"], Environment = new Dictionary<string, string> { ["STINT_STORE"] = address },
    });

    private List<string> Notes() => File.Exists(Ran) ? [.. File.ReadAllLines(Ran)] : [];

    private static async Task<(int Status, string Text)> AcceptAsync(StintDaemon daemon, string id)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "note") { Headers = { { "X-tinyFaaS-Async", "1" }, { "X-Call-Id", id } }, Content = new StringContent("x") };
        using var answer = await daemon.Http.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Sends each call until it is accepted, or the gateway is gone.</summary>
    private static async Task SendAsync(StintDaemon daemon, IEnumerable<string> ids, ConcurrentDictionary<string, byte> accepted)
    {
        var left = new ConcurrentQueue<string>(ids.Where(id => !accepted.ContainsKey(id)));
        await Task.WhenAll(Enumerable.Range(0, 16).Select(async _ =>
        {
            while (left.TryDequeue(out var id))
            {
                try
                {
                    if ((await AcceptAsync(daemon, id)).Status == 202)
                    {
                        accepted[id] = 0;
                        continue;
                    }
                    left.Enqueue(id);
                    await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
                }
                catch (HttpRequestException)
                {
                    return; // it was killed
                }
            }
        }));
    }
}
