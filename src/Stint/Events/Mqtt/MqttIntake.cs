using System.Collections.Concurrent;
using Stint.Invocations;
using Stint.Telemetry.Logs;

namespace Stint.Events.Mqtt;

/// <summary>Makes asynchronous calls of messages. A whole batch is handed over at once, so that its calls share commits.</summary>
/// <param name="accept">Takes a call over: null when it is on disk, else why not.</param>
/// <param name="counters">Counts, by function.</param>
/// <param name="maxBody">Longest body of a call, bytes.</param>
/// <param name="logs">Functions' logs.</param>
/// <param name="time">Measures.</param>
internal sealed class MqttIntake(Func<Invocation, ValueTask<Reply?>> accept, ConcurrentDictionary<FunctionName, EventCounters> counters, long maxBody, FunctionLogs logs, TimeProvider time)
{
    private static readonly TimeSpan LeastPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Takes a batch over.</summary>
    /// <param name="routes">Whom messages are for.</param>
    /// <param name="batch">The messages.</param>
    /// <param name="limit">How long calls that cannot be taken over now are tried again. Nothing is read meanwhile, so the broker has to wait.</param>
    /// <param name="stop">Fires when the connection is to be closed.</param>
    /// <returns>Null when every message of QoS 1 is on disk or of no use; else why not.</returns>
    public async Task<string?> ReceiveAsync(RouteTable routes, IReadOnlyList<MqttMessage> batch, TimeSpan limit, CancellationToken stop)
    {
        var began = time.GetTimestamp();
        var waiting = new List<Attempt>();
        foreach (var message in batch)
            foreach (var route in routes.Match(message))
                if (CallOf(message, route) is { } call) waiting.Add(new Attempt(message, call));
        while (true)
        {
            // All begin before any is awaited: what arrives together is committed together, in this order.
            var tries = waiting.ConvertAll(attempt => accept(attempt.Call).AsTask());
            await Task.WhenAll(tries).ConfigureAwait(false);
            var refused = new List<Attempt>();
            Reply? last = null;
            for (var i = 0; i < tries.Count; i++)
            {
                var reply = await tries[i].ConfigureAwait(false);
                if (reply is null) CountersOf(waiting[i].Call).Accept();
                else if (reply.Outcome is not (Outcome.Shed or Outcome.Unavailable)) Reject(waiting[i].Call, reply.Error ?? reply.Outcome.ToString());
                else if (waiting[i].Message.Qos == 0) CountersOf(waiting[i].Call).Lose();
                else
                {
                    refused.Add(waiting[i]);
                    last = reply;
                }
            }
            if (refused.Count == 0) return null;
            var pause = last!.RetryAfter is { } wish ? TimeSpan.FromTicks(Math.Clamp(wish.Ticks, LeastPause.Ticks, LongestPause.Ticks)) : LeastPause;
            if (time.GetElapsedTime(began) + pause > limit || stop.IsCancellationRequested) return $"{refused.Count} of {batch.Count} could not be taken over: {last.Error}";
            // Those that were taken over are not tried again: only what is left is.
            waiting = refused;
            await Task.Delay(pause, time, stop).ConfigureAwait(false);
        }
    }

    private Invocation? CallOf(MqttMessage message, MqttRoute route)
    {
        if (message.Payload.Length > maxBody) Reject(route.Function, message, $"its {message.Payload.Length:N0} bytes are more than a call may have (max-body)");
        else if (MqttCall.Of(message, route) is { } call) return call;
        else Reject(route.Function, message, "its payload is not JSON, which a [wasm] function needs");
        return null;
    }

    private void Reject(FunctionName function, MqttMessage message, string why)
    {
        counters.GetOrAdd(function, static _ => new EventCounters()).Reject();
        logs.Append(function, "", "system", $"a message of {MqttCall.Escape(message.Topic)} is rejected: {why}");
    }

    private void Reject(Invocation call, string why)
    {
        CountersOf(call).Reject();
        logs.Append(call.Function, "", "system", $"a message of {(call.Headers.TryGet(MqttCall.TopicHeader, out var topic) ? topic : "?")} is rejected: {why}");
    }

    private EventCounters CountersOf(Invocation call) => counters.GetOrAdd(call.Function, static _ => new EventCounters());

    private sealed record Attempt(MqttMessage Message, Invocation Call);
}
