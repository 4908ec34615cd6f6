using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Stint.Backends.Containers.Engine;
using Stint.Tests.Cli;
using Stint.Tests.Time;

namespace Stint.Tests.Backends.Containers.Engine;

/// <summary>The order of things when an engine goes and comes; with a real one in the end-to-end tests.</summary>
public sealed class EngineEventsTests
{
    [Fact]
    public async Task The_stream_is_opened_before_the_list_is_made_and_no_death_falls_in_between()
    {
        await using var engine = new PlayedEngine(static async call =>
        {
            if (call.IsPing) return;
            if (call.Target.Contains("/containers/json", StringComparison.Ordinal))
            {
                await call.AnswerAsync(200, "[{\"Id\":\"a\",\"State\":\"running\"}]");
                return;
            }
            await call.BeginAsync();
            await call.WriteAsync(Died("a", 7));
            await call.HangAsync();
        });
        await using var watch = new Watch(engine.Client(), TimeProvider.System);
        await Wait.UntilAsync(() => watch.News.Count == 2);
        Assert.Equal("a", Assert.Single(Assert.IsType<EngineNews.Back>(watch.News.First()).Containers).Id);
        Assert.Equal("a", Assert.IsType<EngineNews.Happened>(watch.News.Last()).Event.Id);
        var asked = engine.Asked.Where(static one => !one.Contains("_ping", StringComparison.Ordinal)).ToList();
        Assert.StartsWith("GET /v1.41/events?filters=%7B%22label%22%3A%5B%22l%3Dv%22%5D%2C%22type%22%3A%5B%22container%22%5D%7D&since=", asked[0], StringComparison.Ordinal);
        Assert.Equal("GET /v1.41/containers/json?all=true&filters=%7B%22label%22%3A%5B%22l%3Dv%22%5D%7D", asked[1]);
    }

    [Fact]
    public async Task After_a_loss_it_goes_on_behind_the_last_event_and_waits_longer_each_time()
    {
        var streams = 0;
        var time = new FakeTime();
        await using var engine = new PlayedEngine(async call =>
        {
            if (call.IsPing) return;
            if (call.Target.Contains("/containers/json", StringComparison.Ordinal))
            {
                await call.AnswerAsync(200, "[]");
                return;
            }
            streams++;
            await call.BeginAsync();
            if (streams == 1) await call.WriteAsync(Died("a", 5_000_000_007));
        });
        await using var watch = new Watch(engine.Client(time), time);
        await Wait.UntilAsync(() => watch.News.Count == 3);
        Assert.IsType<EngineNews.Lost>(watch.News.Last());
        // 100 ms, then twice as long each time: no engine that ends each stream at once keeps us busy.
        for (var round = 2; round < 5; round++)
        {
            Assert.Equal(round - 1, streams);
            var expected = 1 + 2 * round;
            await AdvanceUntilAsync(time, TimeSpan.FromMilliseconds(10), () => watch.News.Count == expected);
        }
        Assert.Contains(engine.Asked, static one => one.EndsWith("&since=5.000000008", StringComparison.Ordinal));
        // 100 + 200 + 400 ms at least.
        Assert.InRange(time.Elapsed, TimeSpan.FromMilliseconds(700), TimeSpan.MaxValue);
        Assert.Equal(["Back", "Happened", "Lost", "Back", "Lost", "Back", "Lost", "Back", "Lost"], watch.News.Select(static news => news.GetType().Name));
    }

    [Fact]
    public async Task An_engine_that_never_was_there_is_told_once()
    {
        var time = new FakeTime();
        using var client = new EngineClient(EngineAddress.Parse("/nowhere/docker.sock"), time);
        await using var watch = new Watch(client, time);
        await Wait.UntilAsync(() => watch.News.Count == 1);
        Assert.Equal(EngineFault.NoEngine, Assert.IsType<EngineNews.Lost>(watch.News.First()).Reason.Fault);
        for (var attempt = 0; attempt < 20; attempt++)
        {
            time.Advance(TimeSpan.FromSeconds(3));
            await Task.Yield();
        }
        Assert.Single(watch.News);
    }

    private static string Died(string id, long at) => $"{{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{{\"ID\":\"{id}\"}},\"timeNano\":{at}}}\n";

    private static async Task AdvanceUntilAsync(FakeTime time, TimeSpan step, Func<bool> condition)
    {
        await Wait.UntilAsync(() =>
        {
            if (condition()) return true;
            time.Advance(step);
            return false;
        });
    }

    private sealed class Watch : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly EngineClient _client;
        private readonly Task _reading;

        public Watch(EngineClient client, TimeProvider time)
        {
            _client = client;
            var events = new EngineEvents(client, static () => EngineFilters.Label("l", "v"), time, NullLogger.Instance);
            _reading = Task.Run(async () =>
            {
                await foreach (var news in events.FollowAsync(_stop.Token)) News.Enqueue(news);
            });
        }

        public ConcurrentQueue<EngineNews> News { get; } = new();

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _reading);
            _client.Dispose();
            _stop.Dispose();
        }
    }
}
