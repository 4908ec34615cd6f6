using Stint.Functions;
using Stint.Invocations;

namespace Stint.Backends;

/// <summary>Makes instances of functions: one implementation per kind of sandbox.</summary>
internal interface IBackend
{
    /// <summary>Starts an instance that is ready to serve when this returns.</summary>
    /// <exception cref="InstanceStartException">It did not get ready; the message is for the caller and the log. Nothing is left behind.</exception>
    Task<IInstance> StartAsync(FunctionVersion version, CancellationToken cancellationToken);
}

/// <summary>One running copy of a function in its sandbox. Disposing kills it and frees all that it held; safe to repeat.</summary>
internal interface IInstance : IAsyncDisposable
{
    /// <summary>Names the instance in logs and metrics; unique in this daemon's life.</summary>
    string Id { get; }

    /// <summary>Ends, never faulted, when the instance can serve no more, with the reason in one line.</summary>
    Task<string> Ended { get; }

    /// <summary>
    /// Runs one call. The pool never has more calls in an instance than <see cref="FunctionSpec.ConcurrentRequests"/>.
    /// When <paramref name="cancellationToken"/> fires, the function is asked to stop and a reply with <see cref="Outcome.Cancelled"/> comes at once, whose
    /// <see cref="Reply.Completion"/> says when the function has let go. Never throws.
    /// </summary>
    ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken);

    /// <summary>
    /// Whether the instance is well: it answers a question that no function has a part in. False when it did not answer until <paramref name="cancellationToken"/> fired; true also when it ended meanwhile, which
    /// <see cref="Ended"/> tells, and of an instance that cannot be asked. Asked while no call is in it; one may come meanwhile. Never throws.
    /// </summary>
    ValueTask<bool> ProbeAsync(CancellationToken cancellationToken) => new(true);

    /// <summary>What the instance uses now.</summary>
    InstanceUsage ReadUsage();
}

/// <summary>Resources of one instance.</summary>
/// <param name="MemoryBytes">Resident memory of everything in it; zero when the host cannot tell.</param>
/// <param name="CpuTime">Processor time since its start.</param>
internal readonly record struct InstanceUsage(long MemoryBytes, TimeSpan CpuTime);

/// <summary>An instance that did not get ready. The message says what happened and what to do.</summary>
/// <param name="message">For the caller and the log.</param>
/// <param name="inner">What it came from.</param>
internal sealed class InstanceStartException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether the host lacks something (an interpreter, a sandbox) rather than the function.</summary>
    public bool IsHostsFault { get; init; }
}
