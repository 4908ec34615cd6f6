// Who counts a call that came to this gateway:
//
//   the pool that ran it, here or on a worker      stint_requests_total and its times, at the machine that ran it
//   this, when it was not this machine's pool      stint_cluster_requests_total and its times, at the gateway that the caller asked
//
// So the first, summed over all machines, is what ran, and both together, of a gateway, what its callers have seen.
using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Stint.Functions;
using Stint.Invocations;
using Stint.Scheduling;

namespace Stint.Cluster.Dispatch;

/// <summary>Counts a gateway's calls that did not run on it, and those that are on it now. On each call's way: no locks, and nothing that takes longer with more functions.</summary>
/// <param name="time">Measures them.</param>
internal sealed class CallMeter(TimeProvider time)
{
    private readonly ConcurrentDictionary<FunctionName, PlacedCalls> _functions = [];
    private readonly RunningTags _tags = new();
    private int _here;

    /// <summary>A function's calls; null when none has been anywhere but here.</summary>
    public PlacedCalls? Of(FunctionName function) => _functions.GetValueOrDefault(function);

    /// <summary>The function is not deployed any more.</summary>
    public void Forget(FunctionName function) => _functions.TryRemove(function, out _);

    /// <summary>A machine with the calls that are on this one now, those that wait for an instance among them, as with workers.</summary>
    public WorkerSnapshot Over(WorkerSnapshot machine)
    {
        var described = machine with { Running = Volatile.Read(ref _here) };
        return _tags.IsEmpty ? described : described with { RunningTags = new HashSet<string>(_tags.Names, StringComparer.Ordinal) };
    }

    /// <summary>A call was tried on a worker.</summary>
    public void Tried(KnownWorker worker, FunctionName function, CallFate fate)
    {
        worker.Tries.Add(fate);
        Enter(function).Tries.Add(fate);
    }

    /// <summary>Runs a call wherever the placer says. Never throws; the result is awaited once.</summary>
    /// <param name="placer">Says so.</param>
    /// <param name="invocation">The call.</param>
    /// <param name="version">What is called.</param>
    /// <param name="warm">Free warm instances here.</param>
    /// <param name="run">Runs it here, and counts it.</param>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Reply> InvokeAsync(CallPlacer placer, Invocation invocation, FunctionVersion version, int warm, Func<Invocation, ValueTask<Reply>> run)
    {
        var arrived = time.GetTimestamp();
        var here = new RunHere(this, version.Spec.Tag, run);
        var reply = await placer.InvokeAsync(invocation, version, warm, here.InvokeAsync).ConfigureAwait(false);
        if (!ReferenceEquals(reply, here.Reply)) Enter(version.Name).Ended(reply, time.GetElapsedTime(arrived), here.Reply is not null);
        return reply;
    }

    private PlacedCalls Enter(FunctionName function) => _functions.GetOrAdd(function, static _ => new PlacedCalls());

    private void Begin(string? tag)
    {
        Interlocked.Increment(ref _here);
        _tags.Begin(tag);
    }

    private void End(string? tag)
    {
        _tags.End(tag);
        Interlocked.Decrement(ref _here);
    }

    private async Task EndLaterAsync(Task completion, string? tag)
    {
        await completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        End(tag);
    }

    /// <summary>One call's way to this machine's pool.</summary>
    private sealed class RunHere(CallMeter meter, string? tag, Func<Invocation, ValueTask<Reply>> run)
    {
        /// <summary>What the pool answered last and has counted; null when there is no such answer.</summary>
        public Reply? Reply { get; private set; }

        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        public async ValueTask<Reply> InvokeAsync(Invocation invocation)
        {
            meter.Begin(tag);
            var reply = await run(invocation).ConfigureAwait(false);
            // A call that would only have had to wait is not counted there.
            if (!invocation.IsDeclined(reply)) Reply = reply;
            // Its answer is still streamed, or it has not let go of the call.
            if (reply.Completion is { } completion) _ = meter.EndLaterAsync(completion, tag); // never faults
            else meter.End(tag);
            return reply;
        }
    }
}
