// Follows what happens to containers, across restarts of the engine:
//
//   open the stream of events ──▶ list the containers ──▶ Back(list) ──▶ Happened … ──▶ Lost ──▶ wait, again
//
// The stream is opened before the list is made, so whatever happens in between is in one of them, and a death while the engine was away is in the list. Engines answer a moment before they
// listen to themselves, so the stream is asked for the last minute as well: what is told twice does no harm.
using System.Runtime.CompilerServices;

namespace Stint.Backends.Containers.Engine;

/// <summary>The containers with certain labels, as they live and die.</summary>
/// <param name="engine">Where.</param>
/// <param name="filters">Which, for example by <see cref="EngineFilters.Label"/>.</param>
/// <param name="time">Time.</param>
/// <param name="logger">Told once when the engine goes and once when it comes back.</param>
internal sealed partial class EngineEvents(EngineClient engine, Func<EngineFilters> filters, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Overlap = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(3);

    /// <summary>A stream that lasted so long was a good one: the next attempt comes at once.</summary>
    private static readonly TimeSpan Lasting = TimeSpan.FromSeconds(10);

    /// <summary>Follows until cancelled. The reader's own pace is kept; the engine holds what it has not read yet.</summary>
    /// <exception cref="OperationCanceledException">The only end.</exception>
    public async IAsyncEnumerable<EngineNews> FollowAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long? since = null;
        long? lostAt = null;
        var pause = FirstPause;
        while (true)
        {
            var (events, containers, failure) = await TryOpenAsync(since ?? EngineTime.Of(time.GetUtcNow() - Overlap), cancellationToken);
            if (events is not null)
            {
                await using var open = events;
                if (lostAt is { } then) LogBack(logger, engine.Address, time.GetElapsedTime(then).TotalSeconds);
                lostAt = null;
                var openedAt = time.GetTimestamp();
                yield return new EngineNews.Back(containers);
                while (true)
                {
                    (var happened, failure) = await TryNextAsync(events);
                    if (happened is null) break;
                    since = happened.TimeNano + 1;
                    if (happened.Type == "container") yield return new EngineNews.Happened(happened);
                }
                if (time.GetElapsedTime(openedAt) >= Lasting) pause = FirstPause;
            }
            if (lostAt is null)
            {
                lostAt = time.GetTimestamp();
                LogLost(logger, failure!.Message);
                yield return new EngineNews.Lost(failure);
            }
            await Task.Delay(pause, time, cancellationToken);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    private async Task<(IAsyncEnumerator<EngineEvent>? Events, IReadOnlyList<ContainerSummary> Containers, EngineException? Failure)> TryOpenAsync(long since, CancellationToken cancellationToken)
    {
        IAsyncEnumerator<EngineEvent>? events = null;
        try
        {
            events = (await engine.OpenEventsAsync(filters().And("type", "container"), since, cancellationToken)).GetAsyncEnumerator(cancellationToken);
            return (events, await engine.Containers.ListAsync(filters(), cancellationToken), null);
        }
        catch (EngineException failure)
        {
            if (events is not null) await events.DisposeAsync();
            return (null, [], failure);
        }
        catch
        {
            if (events is not null) await events.DisposeAsync();
            throw;
        }
    }

    private async Task<(EngineEvent? Event, EngineException? Failure)> TryNextAsync(IAsyncEnumerator<EngineEvent> events)
    {
        try
        {
            return await events.MoveNextAsync()
                ? (events.Current, null)
                : (null, new EngineException(EngineFault.BrokeOff, $"the container engine at {engine.Address} has stopped: it ended its stream of events."));
        }
        catch (EngineException failure)
        {
            return (null, failure);
        }
    }

    [LoggerMessage(250, LogLevel.Warning, "the container engine is away: {Problem}")]
    private static partial void LogLost(ILogger logger, string problem);

    [LoggerMessage(251, LogLevel.Information, "the container engine at {Address} is back after {Seconds:0.0} s")]
    private static partial void LogBack(ILogger logger, EngineAddress address, double seconds);
}
