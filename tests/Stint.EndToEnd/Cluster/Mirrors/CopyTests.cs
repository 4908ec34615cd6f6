using Microsoft.Extensions.Logging.Abstractions;
using Stint.Cluster.Mirrors;
using Stint.Cluster.Nodes;
using Stint.EndToEnd.Fixtures;
using Stint.Functions.Secrets;
using Stint.Tests.Functions;

namespace Stint.EndToEnd.Cluster.Mirrors;

/// <summary>A gateway's copy of the store while it runs: the mirror and the registry over it, without the rest of the daemon.</summary>
[Collection(TestPostgres.Collection)]
public sealed class CopyTests(TestPostgres postgres)
{
    [Fact]
    public async Task A_copy_that_somebody_edits_or_removes_is_served_as_it_is_and_put_back_within_a_minute()
    {
        await using var bench = new Workbench();
        await using var store = await postgres.OpenStoreAsync();
        foreach (var name in (string[])["edited", "removed"])
        {
            bench.Write($"source/{name}/function.toml", "python3");
            bench.Write($"source/{name}/code/fn.py", "deployed");
            await store.Functions.CommitAsync(Workbench.Name(name), await store.Functions.UploadAsync(Path.Combine(bench.Folder, "source", name), default), null, "a test", default);
        }
        var time = new ShiftedTime();
        var options = new StoreMirrorOptions
        {
            Store = store, KeyFile = Path.Combine(bench.Folder, "store.key"), State = bench.State, Node = "one", Report = static () => new NodeReport { Version = "" }, AskEvery = TimeSpan.FromMilliseconds(50),
        };
        await using var mirror = new StoreMirror(options, bench.Registry, new SecretStore(StoreMirror.SecretsOf(bench.State)), time, NullLogger<StoreMirror>.Instance);
        await mirror.StartAsync(default);
        await bench.StartAsync();
        mirror.Follow();
        Assert.Equal(("deployed", "deployed"), (bench.ServedCode("edited"), bench.ServedCode("removed")));

        await File.WriteAllTextAsync(Path.Combine(bench.Registry.Layout.Locate(Workbench.Name("edited"))!, "code", "fn.py"), "by hand");
        Directory.Delete(bench.Registry.Layout.Locate(Workbench.Name("removed"))!, recursive: true);
        await Retry.UntilAsync("it is served as it is", () => bench.ServedCode("edited") == "by hand" && bench.Find("removed") is null);
        time.Shift = options.CompareEvery;
        await Retry.UntilAsync("it is put back", () => bench.ServedCode("edited") == "deployed" && bench.ServedCode("removed") == "deployed");
        Assert.Null(mirror.Problem);
    }

    /// <summary>The system's clock, ahead by as much as a test says. Timers are the system's.</summary>
    private sealed class ShiftedTime : TimeProvider
    {
        private long _shift;

        public TimeSpan Shift { set => Interlocked.Exchange(ref _shift, value.Ticks); }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => System.GetElapsedTime(0).Ticks + Interlocked.Read(ref _shift);

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _shift));
    }
}
