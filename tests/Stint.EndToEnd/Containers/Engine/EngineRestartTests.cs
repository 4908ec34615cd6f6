using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends.Containers.Engine;
using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Containers.Engine;

/// <summary>An engine that goes and comes back while its containers are watched.</summary>
[Collection(TestEngine.Collection)]
public sealed class EngineRestartTests(TestEngine engine)
{
    [Fact]
    public async Task What_happens_to_containers_is_told_and_only_of_those_that_are_meant()
    {
        await using var own = new TestObjects(engine);
        await using var other = new TestObjects(engine);
        await using var watch = new Watch(engine, own);
        await Retry.UntilAsync("the engine answers", () => watch.News.OfType<EngineNews.Back>().Any());
        var foreign = await other.StartAsync("exit 1");
        var id = await own.StartAsync("exit 3");
        await Retry.UntilAsync("its death is told", () => watch.Died(id) is not null);
        Assert.Equal(3, watch.Died(id)!.ExitCode);
        await engine.Client.Containers.RemoveAsync(id, default);
        await Retry.UntilAsync("its removal is told", () => watch.News.OfType<EngineNews.Happened>().Any(news => news.Event.Id == id && news.Event.IsRemoval));
        Assert.True(watch.Told(id, "create") && watch.Told(id, "start"));
        Assert.DoesNotContain(watch.News.OfType<EngineNews.Happened>(), news => news.Event.Id == foreign);
    }

    [Fact]
    public async Task An_engine_that_is_killed_and_started_again_hides_no_death()
    {
        await using var own = new TestObjects(engine);
        await using var watch = new Watch(engine, own);
        var id = await own.StartAsync("sleep 1000");
        await Retry.UntilAsync("its start is told", () => watch.Told(id, "start") || watch.News.OfType<EngineNews.Back>().Any(back => back.Containers.Any(one => one.Id == id && one.IsRunning)));

        await engine.KillAsync();
        await Retry.UntilAsync("the loss is told", () => watch.News.OfType<EngineNews.Lost>().Any());
        var lost = watch.News.OfType<EngineNews.Lost>().Last().Reason;
        Assert.True(lost.IsEngineAway, $"{lost.Fault}: {lost.Message}");
        var failure = await Assert.ThrowsAsync<EngineException>(() => engine.Client.Containers.InspectAsync(id, default));
        Assert.Equal(EngineFault.NoEngine, failure.Fault);

        // Without live-restore the engine ends at its start what went on without it.
        var before = watch.News.OfType<EngineNews.Back>().Count();
        await engine.StartAsync();
        await Retry.UntilAsync("its return is told", () => watch.News.OfType<EngineNews.Back>().Count() > before);
        await Retry.UntilAsync("the death is told", () =>
            watch.Died(id) is not null || watch.News.OfType<EngineNews.Back>().Skip(before).Any(back => back.Containers.Any(one => one.Id == id && !one.IsRunning)));

        var next = await own.StartAsync("exit 5");
        await Retry.UntilAsync("the next one's death is told", () => watch.Died(next) is not null);
    }

    [Fact]
    public async Task Output_goes_on_where_it_was_when_the_engine_comes_back_to_a_container_that_lived_on()
    {
        await engine.StopAsync();
        await engine.StartAsync("--live-restore");
        try
        {
            await using var own = new TestObjects(engine);
            var id = await own.StartAsync("i=0; while [ ! -e /tmp/enough ]; do i=$((i+1)); echo line $i; sleep 0.01; done; echo last");
            var lines = new ConcurrentQueue<string>();
            var following = new ContainerLogs(engine.Client, TimeProvider.System).FollowAsync(id, (_, line) => lines.Enqueue(line), default);
            await Retry.UntilAsync("lines come", () => lines.Count > 20);
            await engine.KillAsync();
            await engine.StartAsync("--live-restore");
            var soFar = lines.Count;
            await Retry.UntilAsync("more lines come", () => lines.Count > soFar + 20);
            Assert.False(following.IsCompleted);
            await engine.Client.Containers.ExecAsync(id, new ExecSettings { Cmd = ["touch", "/tmp/enough"] }, static _ => { }, default);
            await following.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System);
            var all = lines.ToList();
            Assert.Equal("last", all[^1]);
            // Nothing twice; what the engine itself had not written when it was killed, a line or two, is lost to everybody.
            var numbers = all.SkipLast(1).Select(static line => int.Parse(line["line ".Length..], System.Globalization.CultureInfo.InvariantCulture)).ToList();
            Assert.Equal(numbers.Distinct().Order(), numbers);
        }
        finally
        {
            await engine.StopAsync();
            await engine.StartAsync();
        }
    }

    [Fact]
    public async Task Output_is_followed_line_by_line_to_its_end()
    {
        await using var own = new TestObjects(engine);
        var id = await own.StartAsync("seq 1 50000; echo error >&2; printf 'no end of line'");
        var (stdout, stderr) = (new List<string>(), new List<string>());
        await new ContainerLogs(engine.Client, TimeProvider.System).FollowAsync(id, (kind, line) => (kind is OutputKind.Stderr ? stderr : stdout).Add(line), default);
        Assert.Equal(Enumerable.Range(1, 50_000).Select(static n => $"{n}").Append("no end of line"), stdout);
        Assert.Equal(["error"], stderr);
        // A second reading, when the container has ended, has the same.
        var again = 0;
        await new ContainerLogs(engine.Client, TimeProvider.System).FollowAsync(id, (_, _) => again++, default);
        Assert.Equal(50_002, again);
    }

    [Fact]
    public async Task Following_ends_with_a_container_that_is_removed_and_with_the_wish_for_it()
    {
        await using var own = new TestObjects(engine);
        var logs = new ContainerLogs(engine.Client, TimeProvider.System);
        var id = await own.StartAsync("sleep 1000");
        var following = logs.FollowAsync(id, static (_, _) => { }, default);
        await engine.Client.Containers.RemoveAsync(id, default);
        await following.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System);

        var other = await own.StartAsync("sleep 1000");
        using var enough = new CancellationTokenSource();
        following = logs.FollowAsync(other, static (_, _) => { }, enough.Token);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
    }

    /// <summary>Collects news in the background.</summary>
    private sealed class Watch : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _reading;

        public Watch(TestEngine engine, TestObjects own)
        {
            var events = new EngineEvents(engine.Client, own.Filters, TimeProvider.System, NullLogger.Instance);
            _reading = Task.Run(async () =>
            {
                await foreach (var news in events.FollowAsync(_stop.Token)) News.Enqueue(news);
            });
        }

        public ConcurrentQueue<EngineNews> News { get; } = new();

        public EngineEvent? Died(string id) => News.OfType<EngineNews.Happened>().FirstOrDefault(news => news.Event.Id == id && news.Event.IsDeath)?.Event;

        public bool Told(string id, string action) => News.OfType<EngineNews.Happened>().Any(news => news.Event.Id == id && news.Event.Action == action);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _reading);
            _stop.Dispose();
        }
    }
}
