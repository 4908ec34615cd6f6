using System.Collections.Concurrent;
using System.Net;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Deliveries;

/// <summary>What was accepted runs, whatever happens to the daemon.</summary>
public sealed class CrashTests : IDisposable
{
    private const int Calls = 10_000;
    private const int Concurrency = 8;
    private readonly string _root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;

    private string Ran => Path.Combine(_root, "ran");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    // The function notes the identity of each call in a file, and the note is there whatever happens to the daemon: it runs without a sandbox.
    [Fact]
    public async Task A_daemon_killed_in_the_middle_of_ten_thousand_calls_loses_none_and_repeats_only_those_in_flight()
    {
        var accepted = new ConcurrentDictionary<string, byte>();
        var ids = Enumerable.Range(0, Calls).Select(static i => $"call-{i}").ToList();
        await using (var first = await StartAsync())
        {
            await first.DeployPythonAsync("note", Note, top: $"max-instances = 4\n[async]\nconcurrency = {Concurrency}\n");
            var sending = SendAsync(first, ids, accepted);
            await Retry.UntilAsync("a part of the calls has been accepted, and a part of those has run", () => Task.FromResult(accepted.Count > Calls / 2 && Notes().Count > 500), TimeSpan.FromMinutes(3));
            await first.KillAsync();
            await sending;
        }
        var before = Notes();
        await using (var second = await StartAsync())
        {
            // Those whose answer was lost with the daemon are sent again; the daemon may have accepted them all the same.
            await SendAsync(second, ids, accepted);
            Assert.Equal(Calls, accepted.Count);
            await Retry.UntilAsync("all of them have run", () => Task.FromResult(Notes().Distinct().Count() >= Calls), TimeSpan.FromMinutes(4));
            await Retry.UntilAsync("nothing waits", async () => !(await second.Management.GetStringAsync("metrics")).Contains("stint_async_waiting{function=\"note\"}", StringComparison.Ordinal));
            second.Signal(15);
            Assert.Equal(0, await second.ExitAsync());
            await second.RequireNothingLeftAsync();
        }
        var all = Notes();
        var repeated = all.GroupBy(static id => id).Where(static group => group.Count() > 1).ToList();
        Assert.Equal(ids.Order(StringComparer.Ordinal), all.Distinct().Order(StringComparer.Ordinal));
        Assert.InRange(repeated.Count, 0, Concurrency);
        Assert.All(repeated, group => Assert.Contains(group.Key, before));
    }

    private static string Code(string file) => $"import os\nfd = os.open('{file}', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\ndef fn(input, headers):\n    os.write(fd, (headers['X-Call-Id'] + '\\n').encode())\n";

    private string Note => Code(Ran);

    private Task<StintDaemon> StartAsync() => StintDaemon.StartAsync(new DaemonSetup { Root = _root, Flags = ["--isolation", "none"] });

    private List<string> Notes() => File.Exists(Ran) ? [.. File.ReadAllLines(Ran)] : [];

    /// <summary>Sends each call until it is accepted, or the daemon is gone.</summary>
    private static async Task SendAsync(StintDaemon daemon, IReadOnlyList<string> ids, ConcurrentDictionary<string, byte> accepted)
    {
        var left = new ConcurrentQueue<string>(ids.Where(id => !accepted.ContainsKey(id)));
        await Task.WhenAll(Enumerable.Range(0, 32).Select(async _ =>
        {
            while (left.TryDequeue(out var id))
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "note") { Headers = { { "X-tinyFaaS-Async", "1" }, { "X-Call-Id", id } }, Content = new StringContent("x") };
                try
                {
                    using var answer = await daemon.Http.SendAsync(request);
                    if (answer.StatusCode == HttpStatusCode.Accepted) accepted[id] = 0;
                    else left.Enqueue(id);
                }
                catch (HttpRequestException)
                {
                    return; // it was killed
                }
            }
        }));
    }
}
