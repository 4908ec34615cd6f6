using System.Globalization;
using Stint.Functions;
using Stint.Invocations;

namespace Stint.Pools;

/// <summary>The answers that a pool gives itself, each saying what happened, why, and what helps.</summary>
internal static class Refusals
{
    /// <summary>The shortest time after which trying again makes sense; protocols send whole seconds.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <summary>The queue is full.</summary>
    public static Reply Shed(FunctionVersion version) =>
        Reply.Overload(Outcome.Shed, $"{version.Name} has {Limit(version)} calls waiting already (max-queue); try again later", Soon);

    /// <summary>The call would have to wait, and is one that may not (<see cref="CallWait"/>).</summary>
    public static Reply Busy(FunctionVersion version) => Reply.Overload(Outcome.Shed, $"no instance of {version.Name} is free here, and none can be started now", Soon);

    /// <summary>The longest queue of a function: at least one call, else a function without instances could never be called.</summary>
    public static int Limit(FunctionVersion version) => Math.Max(1, version.Spec.MaxQueue);

    /// <summary>The wait got too long: for want of capacity, unless instances fail.</summary>
    public static Reply WaitedTooLong(FunctionVersion version, string? problem, bool isFailing)
    {
        var error = $"no instance of {version.Name} became free within {Seconds(version.Spec.QueueTimeout)} (queue-timeout){(problem is null ? "" : $": {problem}")}";
        return isFailing ? Reply.Failure(Outcome.Unavailable, error, Soon) : Reply.Overload(Outcome.Unavailable, error, Soon);
    }

    /// <summary>The caller's own limit passed in the queue.</summary>
    public static Reply CallerTimedOutWaiting(FunctionVersion version) =>
        Reply.Failure(Outcome.TimedOut, $"the caller's own limit passed before an instance of {version.Name} became free; it did not run");

    /// <summary>The caller's own limit had passed before the call came.</summary>
    public static Reply CallerHadNoTime(FunctionName name) => Reply.Failure(Outcome.TimedOut, $"the caller's own limit left {name} no time; it did not run");

    /// <summary>Instances keep failing, and the next try is too far away to wait for.</summary>
    public static Reply BackingOff(FunctionVersion version, string? problem, TimeSpan remaining) =>
        Reply.Failure(Outcome.Unavailable, $"{version.Name} cannot run: {problem}; the next try is in {Seconds(remaining)}", remaining > Soon ? remaining : Soon);

    /// <summary>The instance that the call waited for did not start.</summary>
    public static Reply StartFailed(FunctionVersion version, string error, TimeSpan remaining) =>
        Reply.Failure(Outcome.Unavailable, $"an instance of {version.Name} did not start: {error}", remaining > Soon ? remaining : Soon);

    /// <summary>One instance alone is larger than the host's budget.</summary>
    public static Reply TooLarge(FunctionVersion version, HostBudget budget) => Reply.Failure(Outcome.Unavailable, LargerThanHost(version, budget), TimeSpan.FromSeconds(60));

    /// <summary>The text of <see cref="TooLarge"/>.</summary>
    public static string LargerThanHost(FunctionVersion version, HostBudget budget) =>
        $"an instance of {version.Name} needs {HostBudget.MemoryOf(version)} MiB, and all instances of this host together may have {budget.MemoryMiB} MiB; lower memory in function.toml or raise memory-budget";

    /// <summary>The deadline passed while it ran.</summary>
    public static Reply TimedOut(FunctionVersion version, bool byCaller, Task<bool>? completion) => Reply.Failure(
        Outcome.TimedOut,
        byCaller
            ? $"{version.Name} did not answer within the caller's own limit"
            : $"{version.Name} did not answer within {Seconds(version.Spec.Timeout)}; timeout in function.toml allows more",
        completion: completion);

    /// <summary>The text for an instance that does not answer its probe.</summary>
    public static string Unwell(FunctionVersion version) => $"an instance of {version.Name} did not answer its health probe within {Seconds(version.Spec.HealthTimeout)} (health-timeout) and was killed";

    /// <summary>The caller left.</summary>
    public static Reply CallerLeft(FunctionName name, Task<bool>? completion = null) =>
        Reply.Failure(Outcome.Cancelled, $"the caller left before {name} answered", completion: completion);

    /// <summary>An instance that threw instead of replying.</summary>
    public static Reply Broken(FunctionVersion version, Exception exception) =>
        Reply.Failure(Outcome.Crashed, $"the instance of {version.Name} failed: {exception.Message}");

    /// <summary>The daemon is stopping.</summary>
    public static Reply ShuttingDown(FunctionName name) =>
        Reply.Failure(Outcome.Unavailable, $"{name} takes no calls: this daemon is shutting down", Soon);

    /// <summary>The function was removed while the call waited.</summary>
    public static Reply Removed(FunctionName name) => Reply.Failure(Outcome.NotFound, $"{name} was removed; `stint ls` lists what is deployed");

    /// <summary>A duration in words: <c>5 s</c>, <c>0.25 s</c>.</summary>
    public static string Seconds(TimeSpan duration) => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, duration.TotalSeconds):0.##} s");
}
