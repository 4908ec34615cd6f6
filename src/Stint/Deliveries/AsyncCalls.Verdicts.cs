// What becomes of a call when its try has ended:
//
//   answered, below 500 and not 429       done
//   answered 429 or 5xx, an exception,    the function's own failure: again as often as its policy says (never, by default: the function may have done half of its work),
//   its timeout                           then a dead letter
//   its instance died                     again, three times at least: it may have been the call's fault, and may not
//   shed, nothing can run it now          again until max-age: the platform has accepted it
//   no such function, and what no         a dead letter at once
//   repetition changes
//
// A callback is told how it ended in the end, whichever way.
using Stint.Deliveries.Callbacks;
using Stint.Deliveries.Lanes;
using Stint.Deliveries.Storage;
using Stint.Invocations;

namespace Stint.Deliveries;

internal sealed partial class AsyncCalls
{
    /// <summary>Tries after an instance's death that a call gets whatever its policy: one death may be anybody's fault.</summary>
    private const int LeastCrashRetries = 3;

    private Verdict Judge(Claimed claimed, CallHead head, Invocation call, CallEnd end, TimeSpan took, CallFollower? follower)
    {
        if (end.Kind == CallEndKind.Answered) return new Verdict(new Ending.Done(Following(claimed.Entry, head, call, end, took, follower)));
        var policy = parts.Policy(claimed.Entry.Function);
        var now = parts.Time.GetUtcNow();
        var failures = claimed.Failures + (end.Kind == CallEndKind.PlatformFailed ? 0 : 1);
        var limit = end.Kind switch
        {
            CallEndKind.FunctionFailed => policy.Retries,
            CallEndKind.Crashed => Math.Max(policy.Retries, LeastCrashRetries),
            CallEndKind.PlatformFailed => int.MaxValue,
            _ => 0,
        };
        // Platform failures do not count as the call's own, but the wait grows with every try.
        var pause = RetryDelay.After(policy.Backoff, end.Kind == CallEndKind.PlatformFailed ? claimed.Attempts : failures, Random.Shared.NextDouble(), end.RetryAfter);
        if (failures <= limit && end.Kind != CallEndKind.Hopeless)
        {
            if (now + pause - claimed.Entry.Accepted <= policy.MaxAge)
            {
                // What cannot be run now because of the platform cannot be for any other call of the function either.
                return new Verdict(new Ending.Later(now + pause, end.Kind != CallEndKind.PlatformFailed, end.Status, end.Reason), end.Kind == CallEndKind.PlatformFailed ? Least(pause, policy) : default);
            }
            return Dead($"{end.Reason}; it would be older than max-age ({policy.MaxAge.TotalSeconds:0} s) at the next try");
        }
        return Dead(claimed.Attempts == 1 ? end.Reason : $"{end.Reason}; {claimed.Attempts} tries");

        Verdict Dead(string reason) => new(new Ending.Dead(end.Status, reason, Callback(claimed.Entry, head, end, took)));
    }

    // The lane looks again soon, with one more call: what one call waits for after many tries is longer than what the platform needs to recover.
    private static TimeSpan Least(TimeSpan pause, AsyncPolicy policy) => pause < policy.Backoff ? pause : policy.Backoff;

    private List<Entry> Following(Entry entry, CallHead head, Invocation call, CallEnd end, TimeSpan took, CallFollower? follower)
    {
        var then = new List<Entry>(Callback(entry, head, end, took));
        if (follower is null || end.Status is < 200 or > 299) return then;
        if (end.IsCut)
        {
            parts.Logs.Append(entry.Function, "", "system", $"the answer to call {entry.CallId} is larger than {parts.Options.MaxResult / (1024 * 1024)} MiB and goes to no sink");
            return then;
        }
        then.AddRange(follower(call, new CallResult(end.Status, end.ContentType, end.Body, took)).Select(parts.Outbox.ToEntry));
        return then;
    }

    private IReadOnlyList<Entry> Callback(Entry entry, CallHead head, CallEnd end, TimeSpan took)
    {
        if (head.Callback is not { } url) return [];
        var body = end.IsCut ? System.Text.Encoding.UTF8.GetBytes($"the answer is larger than {parts.Options.MaxResult / (1024 * 1024)} MiB, the limit for callbacks\n") : end.Body;
        return [parts.Outbox.ToEntry(new Delivery
        {
            Kind = CallbackKind.KindName, Function = entry.Function, CallId = entry.CallId, Target = CallbackKind.Target(url), ContentType = end.IsCut ? "text/plain" : end.ContentType,
            Body = body, Status = end.IsCut ? 502 : end.Status, Took = took,
        })];
    }

    private void Ended(Claimed claimed, Ending ending, IReadOnlyList<Addition> additions)
    {
        var entry = claimed.Entry;
        var counter = Counters.Of(entry.Function.ToString());
        switch (ending)
        {
            case Ending.Done done:
                counter.Done();
                parts.Outbox.Added(done.Then, additions);
                break;
            case Ending.Later later:
                counter.Retried();
                parts.Logs.Append(entry.Function, "", "system", $"asynchronous call {entry.CallId} will be tried again at {later.Due:HH:mm:ss} UTC: {later.Reason}");
                break;
            case Ending.Dead dead:
                counter.Died();
                parts.Logs.Append(entry.Function, "", "system", $"asynchronous call {entry.CallId} failed: {dead.Reason}; stint async show {entry.CallId}");
                parts.Outbox.Added(dead.Then, additions);
                break;
        }
    }
}
